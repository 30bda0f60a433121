/** SETRANGE key offset value */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NOT_AN_INTEGER, OFFSET_OUT_OF_RANGE, STRING_TOO_LONG } from '../errors.ts'
import { parseInteger } from '../integers.ts'
import { isTooLong, putStringKeepingExpiry, stringOf } from '../strings.ts'

export const setrangeCommand: KvCommandSpec = {
  info: {
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Writes over a part of a string value; zero bytes fill a gap before it.',
      since: '2.2.0',
      group: 'string',
      complexity: 'O(N) in the length of the value',
    },
  },
  execute(transaction, args) {
    const offset = parseInteger(args[2] as ByteString)
    const part = args[3] as ByteString
    if (offset === null) return NOT_AN_INTEGER
    if (offset < 0) return OFFSET_OUT_OF_RANGE
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const before = stringOf(entry) ?? ''
    if (typeof before !== 'string') return before
    if (part.length === 0) return before.length
    const from = Number(offset)
    if (isTooLong(transaction, from + part.length)) return STRING_TOO_LONG
    const value = before.slice(0, from).padEnd(from, '\0') + part + before.slice(from + part.length)
    putStringKeepingExpiry(transaction, entry, value)
    return value.length
  },
}
