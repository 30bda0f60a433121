/** Commands that name a database: there is only number 0. */
import type { ByteString } from '../base/bytes.ts'
import { NOT_AN_INTEGER } from './errors.ts'
import { parseInteger } from './integers.ts'
import { type ErrorReply, error } from './reply.ts'

const INT32_MIN = -2_147_483_648
const INT32_MAX = 2_147_483_647
export const NO_SUCH_DATABASE = error('ERR DB index is out of range')
const NOT_AN_INT32 = error(`ERR value is out of range, value must between ${INT32_MIN} and ${INT32_MAX}`)

/** Null when it is database 0. */
export function checkDatabase(text: ByteString): ErrorReply | null {
  const index = parseInteger(text)
  if (index === null) return NOT_AN_INTEGER
  if (index > INT32_MAX || index < INT32_MIN) return NOT_AN_INT32
  return index === 0 ? null : NO_SUCH_DATABASE
}
