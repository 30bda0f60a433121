/** OBJECT REFCOUNT key */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'

export const objectRefcountCommand: KvCommandSpec = {
  info: {
    name: 'object|refcount',
    arity: 3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers 1: values are not shared.',
      since: '2.2.3',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[2] as ByteString)
    if (entry === undefined) return undefined
    return entry.live === null ? null : 1
  },
}
