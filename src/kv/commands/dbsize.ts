/** DBSIZE */
import type { KvCommandSpec } from '../command-spec.ts'

export const dbsizeCommand: KvCommandSpec = {
  info: {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    keys: null,
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers the number of keys, with those that have expired but are not deleted yet.',
      since: '1.0.0',
      group: 'server',
      complexity: 'O(1)',
    },
  },
  execute(transaction) {
    return transaction.keyCount()
  },
}
