/**
 * The arithmetic of INCRBYFLOAT. Redis computes it in x86's 80-bit long double (a 64-bit mantissa)
 * and prints 17 decimals without trailing zeros, and clients see the difference to a double:
 * 0.1 + 0.2 is 0.3. So numbers here are `mantissa · 2^exponent` with a bigint mantissa rounded to
 * 64 bits, half to even, as that hardware does.
 *
 * Differences that remain: no hexadecimal input, no subnormal numbers (which print as 0 anyway).
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'

export type LongDouble = {
  /** Signed, below 2^64. */
  readonly mantissa: bigint
  readonly exponent: number
}

const MANTISSA_BITS = 64
const ZERO_VALUE: LongDouble = { mantissa: 0n, exponent: 0 }
/** The value is below 2^EXPONENT_MAX, and a non-zero value at least 2^EXPONENT_MIN. */
const EXPONENT_MAX = 16_384
const EXPONENT_MIN = -16_445
const INPUT_BYTES_MAX = 5 * 1024 - 1
const DECIMAL_EXPONENT_MAX = 100_000
const PRINTED_DECIMALS = 17
const PRINTED_SCALE = 10n ** BigInt(PRINTED_DECIMALS)

const DIGIT_ZERO = 0x30
const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e

/** Null when the text is not a number or out of range, 'infinity' when it says so. */
export function parseLongDouble(text: ByteString): LongDouble | 'infinity' | null {
  if (text.length === 0 || text.length > INPUT_BYTES_MAX) return null
  let index = 0
  const sign = text.charCodeAt(0)
  if (sign === MINUS || sign === PLUS) index++
  const word = text.length - index <= 8 ? text.slice(index).toLowerCase() : ''
  if (word === 'inf' || word === 'infinity') return 'infinity'
  const whole = digitsFrom(text, index)
  index += whole
  let digits = text.slice(index - whole, index)
  let decimalExponent = 0
  if (text.charCodeAt(index) === POINT) {
    const fraction = digitsFrom(text, index + 1)
    digits += text.slice(index + 1, index + 1 + fraction)
    decimalExponent = -fraction
    index += 1 + fraction
  }
  if (digits.length === 0) return null
  if (index < text.length) {
    const written = parseExponent(text, index)
    if (written === null) return null
    decimalExponent += written
  }
  const magnitude = BigInt(digits)
  const value = fromDecimal(sign === MINUS ? -magnitude : magnitude, decimalExponent)
  return value
}

/** The decimal exponent that begins with `e` at `index` and ends the text. */
function parseExponent(text: ByteString, index: number): number | null {
  if (text[index] !== 'e' && text[index] !== 'E') return null
  const sign = text.charCodeAt(index + 1)
  const from = sign === MINUS || sign === PLUS ? index + 2 : index + 1
  const count = digitsFrom(text, from)
  if (count === 0 || from + count !== text.length) return null
  const magnitude = Math.min(Number(text.slice(from)), DECIMAL_EXPONENT_MAX)
  return sign === MINUS ? -magnitude : magnitude
}

function digitsFrom(text: ByteString, from: number): number {
  let index = from
  while (index < text.length) {
    const digit = text.charCodeAt(index) - DIGIT_ZERO
    if (digit < 0 || digit > 9) break
    index++
  }
  return index - from
}

function fromDecimal(magnitude: bigint, decimalExponent: number): LongDouble | null {
  if (magnitude === 0n) return ZERO_VALUE
  // Far outside the range: don't raise ten to such a power only to find that out.
  if (decimalExponent > 5_000 || decimalExponent < -12_000) return null
  const value =
    decimalExponent >= 0
      ? roundQuotient(magnitude * 10n ** BigInt(decimalExponent), 1n)
      : roundQuotient(magnitude, 10n ** BigInt(-decimalExponent))
  return isInRange(value) ? value : null
}

/** Null when the sum is infinite. */
export function addLongDoubles(left: LongDouble, right: LongDouble): LongDouble | null {
  if (left.mantissa === 0n) return right
  if (right.mantissa === 0n) return left
  const exponent = Math.min(left.exponent, right.exponent)
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent))
  if (sum === 0n) return ZERO_VALUE
  const rounded = roundQuotient(sum, 1n)
  const value = { mantissa: rounded.mantissa, exponent: rounded.exponent + exponent }
  return isInRange(value) ? value : null
}

/** 17 decimals, without trailing zeros. */
export function formatLongDouble(value: LongDouble): ByteString {
  const isNegative = value.mantissa < 0n
  const magnitude = (isNegative ? -value.mantissa : value.mantissa) * PRINTED_SCALE
  const scaled =
    value.exponent >= 0 ? magnitude << BigInt(value.exponent) : roundShift(magnitude, -value.exponent)
  const digits = scaled.toString().padStart(PRINTED_DECIMALS + 1, '0')
  const whole = digits.slice(0, digits.length - PRINTED_DECIMALS)
  let end = digits.length
  while (end > whole.length && digits.charCodeAt(end - 1) === DIGIT_ZERO) end--
  const text = end > whole.length ? `${whole}.${digits.slice(whole.length, end)}` : whole
  return isNegative && text !== '0' ? `-${text}` : text
}

/** `dividend / divisor`, rounded to 64 bits. */
function roundQuotient(dividend: bigint, divisor: bigint): LongDouble {
  assert(dividend !== 0n && divisor > 0n)
  const isNegative = dividend < 0n
  const magnitude = isNegative ? -dividend : dividend
  // Two bits more than the mantissa, so that what is cut off is told apart from a half.
  const shift = MANTISSA_BITS + 2 - (bitLength(magnitude) - bitLength(divisor))
  const scaled = shift >= 0 ? magnitude << BigInt(shift) : magnitude
  const scaledDivisor = shift >= 0 ? divisor : divisor << BigInt(-shift)
  const quotient = scaled / scaledDivisor
  // A last bit of 1 stands for "and something more": it never lies on a rounding boundary.
  const sticky = (quotient << 1n) | (quotient * scaledDivisor === scaled ? 0n : 1n)
  const excess = bitLength(sticky) - MANTISSA_BITS
  assert(excess > 0)
  const rounded = roundShift(sticky, excess)
  return { mantissa: isNegative ? -rounded : rounded, exponent: excess - 1 - shift }
}

/** `value / 2^bits`, rounded half to even. */
function roundShift(value: bigint, bits: number): bigint {
  assert(value >= 0n && bits > 0)
  const shift = BigInt(bits)
  const floor = value >> shift
  const rest = value - (floor << shift)
  const half = 1n << (shift - 1n)
  if (rest > half || (rest === half && (floor & 1n) === 1n)) return floor + 1n
  return floor
}

function isInRange(value: LongDouble): boolean {
  const top = bitLength(value.mantissa < 0n ? -value.mantissa : value.mantissa) + value.exponent
  return top <= EXPONENT_MAX && top > EXPONENT_MIN
}

function bitLength(value: bigint): number {
  const hex = value.toString(16)
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0] as string, 16)) + 28
}
