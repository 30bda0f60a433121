/** GETSET key value */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { STRING_TOO_LONG } from '../errors.ts'
import { makeStringRecord, NO_EXPIRY } from '../record.ts'
import { isTooLong, stringOf } from '../strings.ts'

export const getsetCommand: KvCommandSpec = {
  info: {
    name: 'getset',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Sets a string key and answers its old value.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const value = args[2] as ByteString
    if (isTooLong(transaction, value.length)) return STRING_TOO_LONG
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const before = stringOf(entry)
    if (before !== null && typeof before !== 'string') return before
    transaction.putRecord(entry, makeStringRecord(value, NO_EXPIRY))
    return before
  },
}
