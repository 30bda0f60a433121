/** FLUSHALL [ASYNC | SYNC] */
import type { KvCommandSpec } from '../command-spec.ts'
import { flush } from '../generic.ts'

export const flushallCommand: KvCommandSpec = {
  info: {
    name: 'flushall',
    arity: -1,
    flags: ['write'],
    keys: null,
    categories: ['@keyspace', '@dangerous'],
    docs: {
      summary: 'Deletes every key, at once.',
      since: '1.0.0',
      group: 'server',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return flush(transaction, args)
  },
}
