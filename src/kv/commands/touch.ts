/** TOUCH key [key …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { countExisting } from '../generic.ts'

export const touchCommand: KvCommandSpec = {
  info: {
    name: 'touch',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers how many of the keys exist. The same as EXISTS: no key is ever evicted.',
      since: '3.2.1',
      group: 'generic',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    return countExisting(transaction, args)
  },
}
