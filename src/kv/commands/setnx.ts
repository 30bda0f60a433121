/** SETNX key value */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { STRING_TOO_LONG } from '../errors.ts'
import { makeStringRecord, NO_EXPIRY } from '../record.ts'
import { isTooLong } from '../strings.ts'

export const setnxCommand: KvCommandSpec = {
  info: {
    name: 'setnx',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Sets a key to a string unless it exists.',
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
    if (entry.live !== null) return 0
    transaction.putRecord(entry, makeStringRecord(value, NO_EXPIRY))
    return 1
  },
}
