/** DEL key [key …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { deleteKeys } from '../generic.ts'

export const delCommand: KvCommandSpec = {
  info: {
    name: 'del',
    arity: -2,
    flags: ['write'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Deletes keys; answers how many there were. Any value is deleted at once, however large.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    return deleteKeys(transaction, args)
  },
}
