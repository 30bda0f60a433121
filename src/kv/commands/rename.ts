/** RENAME key newkey */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { renameKey } from '../rename.ts'
import { OK } from '../reply.ts'

export const renameCommand: KvCommandSpec = {
  info: {
    name: 'rename',
    arity: 3,
    flags: ['write'],
    keys: { first: 1, last: 2, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Gives a key another name; what had that name is replaced.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1); O(N) for a hash of N fields whose slot changes',
    },
  },
  execute(transaction, args) {
    const renamed = renameKey(transaction, args[1] as ByteString, args[2] as ByteString, true)
    return renamed === true ? OK : (renamed as Exclude<typeof renamed, boolean>)
  },
}
