/** Error replies in Redis' words: clients and their libraries compare these texts. */
import type { ByteString } from '../base/bytes.ts'
import { type ErrorReply, error } from './reply.ts'

export const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value')
export const SYNTAX_ERROR = error('ERR syntax error')
export const NOT_AN_INTEGER = error('ERR value is not an integer or out of range')
export const NOT_A_FLOAT = error('ERR value is not a valid float')
export const HASH_VALUE_NOT_AN_INTEGER = error('ERR hash value is not an integer')
export const HASH_VALUE_NOT_A_FLOAT = error('ERR hash value is not a float')
export const VALUE_NAN_OR_INFINITY = error('ERR value is NaN or Infinity')
export const OFFSET_OUT_OF_RANGE = error('ERR offset is out of range')
export const INCREMENT_OVERFLOW = error('ERR increment or decrement would overflow')
export const DECREMENT_OVERFLOW = error('ERR decrement would overflow')
export const NAN_OR_INFINITY = error('ERR increment would produce NaN or Infinity')
export const STRING_TOO_LONG = error('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
export const INVALID_CURSOR = error('ERR invalid cursor')
export const EXPIRE_NX_CONFLICT = error('ERR NX and XX, GT or LT options at the same time are not compatible')
export const EXPIRE_GT_LT_CONFLICT = error('ERR GT and LT options at the same time are not compatible')

export function wrongArity(name: string): ErrorReply {
  return error(`ERR wrong number of arguments for '${name}' command`)
}

export function invalidExpireTime(name: string): ErrorReply {
  return error(`ERR invalid expire time in '${name}' command`)
}

const QUOTED_BYTES_MAX = 128

export function unknownCommand(args: readonly ByteString[]): ErrorReply {
  let quoted = ''
  for (let index = 1; index < args.length && quoted.length < QUOTED_BYTES_MAX; index++) {
    quoted += `'${(args[index] as ByteString).slice(0, QUOTED_BYTES_MAX - quoted.length)}' `
  }
  const name = (args[0] ?? '').slice(0, QUOTED_BYTES_MAX)
  return error(`ERR unknown command '${name}', with args beginning with: ${quoted}`)
}
