/** HDEL key field [field …] */
import type { KvCommandSpec } from '../command-spec.ts'
import { deleteFields } from '../hashes.ts'

export const hdelCommand: KvCommandSpec = {
  info: {
    name: 'hdel',
    arity: -3,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Deletes fields; answers how many there were.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(N) in the number of fields',
    },
  },
  execute(transaction, args) {
    return deleteFields(transaction, args)
  },
}
