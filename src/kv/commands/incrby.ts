/** INCRBY key increment */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NOT_AN_INTEGER } from '../errors.ts'
import { parseInteger } from '../integers.ts'
import { incrementString } from '../strings.ts'

export const incrbyCommand: KvCommandSpec = {
  info: {
    name: 'incrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Adds a number to the integer in a string value, which begins at 0.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const increment = parseInteger(args[2] as ByteString)
    if (increment === null) return NOT_AN_INTEGER
    return incrementString(transaction, args[1] as ByteString, increment)
  },
}
