/** HINCRBY key field increment */
import type { KvCommandSpec } from '../command-spec.ts'
import { incrementField } from '../hashes.ts'

export const hincrbyCommand: KvCommandSpec = {
  info: {
    name: 'hincrby',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Adds a number to the integer in a field, which begins at 0.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return incrementField(transaction, args)
  },
}
