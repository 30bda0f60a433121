/** FLUSHDB [ASYNC | SYNC] */
import type { KvCommandSpec } from '../command-spec.ts'
import { flush } from '../generic.ts'

export const flushdbCommand: KvCommandSpec = {
  info: {
    name: 'flushdb',
    arity: -1,
    flags: ['write'],
    keys: null,
    categories: ['@keyspace', '@dangerous'],
    docs: {
      summary: 'Deletes every key, at once. The same as FLUSHALL: there is one database.',
      since: '1.0.0',
      group: 'server',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return flush(transaction, args)
  },
}
