/** INCRBYFLOAT key increment */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NAN_OR_INFINITY, NOT_A_FLOAT } from '../errors.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../long-double.ts'
import { putStringKeepingExpiry, stringOf } from '../strings.ts'

export const incrbyfloatCommand: KvCommandSpec = {
  info: {
    name: 'incrbyfloat',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Adds a decimal number to the number in a string value, which begins at 0.',
      since: '2.6.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const before = stringOf(entry) ?? '0'
    if (typeof before !== 'string') return before
    const number = parseLongDouble(before)
    const increment = parseLongDouble(args[2] as ByteString)
    if (number === null || increment === null) return NOT_A_FLOAT
    if (number === 'infinity' || increment === 'infinity') return NAN_OR_INFINITY
    const sum = addLongDoubles(number, increment)
    if (sum === null) return NAN_OR_INFINITY
    const text = formatLongDouble(sum)
    putStringKeepingExpiry(transaction, entry, text)
    return text
  },
}
