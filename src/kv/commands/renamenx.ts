/** RENAMENX key newkey */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { renameKey } from '../rename.ts'

export const renamenxCommand: KvCommandSpec = {
  info: {
    name: 'renamenx',
    arity: 3,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 2, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Gives a key another name, unless something has that name.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1); O(N) for a hash of N fields whose slot changes',
    },
  },
  execute(transaction, args) {
    const renamed = renameKey(transaction, args[1] as ByteString, args[2] as ByteString, false)
    return typeof renamed === 'boolean' ? Number(renamed) : renamed
  },
}
