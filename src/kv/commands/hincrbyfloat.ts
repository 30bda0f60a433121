/** HINCRBYFLOAT key field increment */
import type { KvCommandSpec } from '../command-spec.ts'
import { incrementFieldByFloat } from '../hashes.ts'

export const hincrbyfloatCommand: KvCommandSpec = {
  info: {
    name: 'hincrbyfloat',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Adds a decimal number to the number in a field, which begins at 0.',
      since: '2.6.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return incrementFieldByFloat(transaction, args)
  },
}
