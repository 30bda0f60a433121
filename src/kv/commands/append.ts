/** APPEND key value */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { STRING_TOO_LONG } from '../errors.ts'
import { isTooLong, putStringKeepingExpiry, stringOf } from '../strings.ts'

export const appendCommand: KvCommandSpec = {
  info: {
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Adds bytes to the end of a string value, which begins empty.',
      since: '2.0.0',
      group: 'string',
      complexity: 'O(N) in the length of the value',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const before = stringOf(entry) ?? ''
    if (typeof before !== 'string') return before
    const value = before + (args[2] as ByteString)
    if (isTooLong(transaction, value.length)) return STRING_TOO_LONG
    putStringKeepingExpiry(transaction, entry, value)
    return value.length
  },
}
