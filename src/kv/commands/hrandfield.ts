/** HRANDFIELD key [count [WITHVALUES]] */
import type { KvCommandSpec } from '../command-spec.ts'
import { randomFields } from '../random-fields.ts'

export const hrandfieldCommand: KvCommandSpec = {
  info: {
    name: 'hrandfield',
    arity: -2,
    flags: ['readonly'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers random fields of a hash.',
      since: '6.2.0',
      group: 'hash',
      complexity: 'O(N) in the fields of the hash',
    },
  },
  execute: randomFields,
}
