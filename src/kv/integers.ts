/**
 * Redis' integers: signed, 64 bits, in one spelling only: no `+`, no leading zeros, no `-0`, no spaces.
 *
 * A result that a JavaScript number holds exactly is a number; only what lies beyond is a bigint,
 * so that counters cost no bigint arithmetic.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'

export type RedisInteger = number | bigint

const INTEGER_MAX = 0x7fff_ffff_ffff_ffffn
const INTEGER_MIN = -0x8000_0000_0000_0000n
/** Any number of so many digits is a safe integer. */
const SAFE_DIGITS = 15
/** `-9223372036854775808` */
const LONGEST_INTEGER = 20
const ZERO = 0x30
const MINUS = 0x2d

/** Null when `bytes` is not such an integer, or lies outside 64 bits. */
export function parseInteger(bytes: ByteString): RedisInteger | null {
  const isNegative = bytes.charCodeAt(0) === MINUS
  const from = isNegative ? 1 : 0
  const digits = bytes.length - from
  if (digits < 1 || bytes.length > LONGEST_INTEGER) return null
  if (bytes.charCodeAt(from) === ZERO) return bytes.length === 1 ? 0 : null
  let value = 0
  for (let index = from; index < bytes.length; index++) {
    const digit = bytes.charCodeAt(index) - ZERO
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  if (digits <= SAFE_DIGITS) return isNegative ? -value : value
  return normalise(BigInt(bytes))
}

/** Null when the sum does not fit 64 bits. */
export function addIntegers(left: RedisInteger, right: RedisInteger): RedisInteger | null {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right
    if (Number.isSafeInteger(sum)) return sum
  }
  return normalise(BigInt(left) + BigInt(right))
}

/** Null when the result does not fit 64 bits. */
export function negateInteger(value: RedisInteger): RedisInteger | null {
  return typeof value === 'number' ? 0 - value : normalise(-value)
}

function normalise(value: bigint): RedisInteger | null {
  if (value > INTEGER_MAX || value < INTEGER_MIN) return null
  const number = Number(value)
  const result = Number.isSafeInteger(number) ? number : value
  assert(BigInt(result) === value)
  return result
}
