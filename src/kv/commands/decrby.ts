/** DECRBY key decrement */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { DECREMENT_OVERFLOW, NOT_AN_INTEGER } from '../errors.ts'
import { negateInteger, parseInteger } from '../integers.ts'
import { incrementString } from '../strings.ts'

export const decrbyCommand: KvCommandSpec = {
  info: {
    name: 'decrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Subtracts a number from the integer in a string value, which begins at 0.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const decrement = parseInteger(args[2] as ByteString)
    if (decrement === null) return NOT_AN_INTEGER
    const increment = negateInteger(decrement)
    if (increment === null) return DECREMENT_OVERFLOW
    return incrementString(transaction, args[1] as ByteString, increment)
  },
}
