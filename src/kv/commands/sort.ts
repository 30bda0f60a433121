/** SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination] */
import type { KvCommandSpec } from '../command-spec.ts'
import { sortKey } from '../sort.ts'

export const sortCommand: KvCommandSpec = {
  info: {
    name: 'sort',
    arity: -2,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@dangerous', '@list', '@set', '@sortedset'],
    docs: {
      summary: 'Refused for strings and hashes; a key that does not exist is an empty list.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute: (transaction, args) => sortKey(transaction, args, true),
}
