/** What the load loop asks of a protocol: bytes to send, and how many requests the answer completed. */

/** The requests of one connection. */
export interface Requests {
  /** Sent once, before anything else; null when the protocol has no such thing. */
  readonly preface: Uint8Array | null
  /** Errors and absent values among the replies so far. */
  readonly errors: number
  readonly absent: number
  readonly firstError: string | null
  /** The next requests. The bytes are written over for the batch after: it may be asked for only when all are answered. */
  next(count: number): Uint8Array
  /** Takes the first `length` bytes of `chunk`; answers how many requests they completed. */
  receive(chunk: Buffer, length: number): number
  /** What the protocol itself must send at once (acknowledgements); null when there is nothing. */
  takeUrgent(): Uint8Array | null
}

/** Which key a request is about, as a number below the count of keys. */
export type KeyOrder = () => number

/** The same sequence for the same seed; any of `count` keys at each step. */
export function randomKeys(count: number, seed: number): KeyOrder {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % count
  }
}

/** Each key once, then from the beginning; several connections may share one. */
export function keysInTurn(count: number): KeyOrder {
  let next = 0
  return () => {
    const key = next
    next = next + 1 === count ? 0 : next + 1
    return key
  }
}

const VALUE_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Text that compresses little: a store that compresses must not win by it. */
export function randomText(bytes: number, seed: number): string {
  const next = randomKeys(VALUE_CHARACTERS.length, seed + 1)
  return Array.from({ length: bytes }, () => VALUE_CHARACTERS[next()]).join('')
}

/** Stands for the digits of the key in a request that is formatted once and sent many times. */
export const KEY_DIGITS = '000000000000'
const DIGIT_ZERO = 0x30

/** Writes the number over the zeros that begin at `at`. */
export function writeKeyDigits(bytes: Uint8Array, at: number, key: number): void {
  let rest = key
  for (let digit = at + KEY_DIGITS.length - 1; digit >= at; digit--) {
    const above = Math.floor(rest / 10)
    bytes[digit] = DIGIT_ZERO + (rest - above * 10)
    rest = above
  }
}
