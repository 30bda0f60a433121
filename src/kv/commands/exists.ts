/** EXISTS key [key …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { countExisting } from '../generic.ts'

export const existsCommand: KvCommandSpec = {
  info: {
    name: 'exists',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers how many of the keys exist; one named twice counts twice.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    return countExisting(transaction, args)
  },
}
