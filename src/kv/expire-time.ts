/**
 * Turns what clients say about expiries (seconds or milliseconds, from now or since 1970) into
 * absolute milliseconds, with Redis' errors.
 *
 * One difference: Redis holds 64-bit times, we hold 53 bits (until the year 287,396). A time beyond
 * is refused as Redis refuses one beyond its own range.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { invalidExpireTime, NOT_AN_INTEGER } from './errors.ts'
import { parseInteger, type RedisInteger } from './integers.ts'
import type { ErrorReply } from './reply.ts'

const TIME_MIN = -0x8000_0000_0000_0000n
const FAR_PAST_MS = -Number.MAX_SAFE_INTEGER

export type ExpireUnit = {
  readonly isSeconds: boolean
  readonly isAbsolute: boolean
}

/** The options by which SET and GETEX name a time, in lower case. */
export function expireUnitOf(option: string): ExpireUnit | null {
  switch (option) {
    case 'ex':
      return { isSeconds: true, isAbsolute: false }
    case 'px':
      return { isSeconds: false, isAbsolute: false }
    case 'exat':
      return { isSeconds: true, isAbsolute: true }
    case 'pxat':
      return { isSeconds: false, isAbsolute: true }
    default:
      return null
  }
}

/** For SET and GETEX: the time must be above 0. */
export function parsePositiveExpireMs(
  text: ByteString,
  unit: ExpireUnit,
  timeMs: number,
  commandName: string,
): number | ErrorReply {
  const value = parseInteger(text)
  if (value === null) return NOT_AN_INTEGER
  if (value <= 0) return invalidExpireTime(commandName)
  return absoluteMs(value, unit, timeMs) ?? invalidExpireTime(commandName)
}

/** For EXPIRE and its relatives: a time in the past, even below 0, means "delete now". */
export function parseExpireMs(
  text: ByteString,
  unit: ExpireUnit,
  timeMs: number,
  commandName: string,
): number | ErrorReply {
  const value = parseInteger(text)
  if (value === null) return NOT_AN_INTEGER
  return absoluteMs(value, unit, timeMs) ?? invalidExpireTime(commandName)
}

function absoluteMs(value: RedisInteger, unit: ExpireUnit, timeMs: number): number | null {
  assert(Number.isSafeInteger(timeMs) && timeMs >= 0)
  if (typeof value === 'number') {
    const milliseconds = unit.isSeconds ? value * 1000 : value
    const absolute = unit.isAbsolute ? milliseconds : milliseconds + timeMs
    if (Number.isSafeInteger(absolute)) return absolute
  }
  // Beyond 53 bits: the far future is refused; the far past, where Redis has room for it, is just past.
  const milliseconds = unit.isSeconds ? BigInt(value) * 1000n : BigInt(value)
  return milliseconds < 0n && milliseconds >= TIME_MIN ? FAR_PAST_MS : null
}
