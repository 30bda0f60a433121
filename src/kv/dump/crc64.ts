/**
 * The checksum at the end of a DUMP: CRC-64 with the Jones polynomial 0xad93d23594c935a9, reflected,
 * beginning with 0 and not inverted. Two halves of 32 bits, since 64-bit integers would be slow.
 */
import type { ByteString } from '../../base/bytes.ts'

/** The polynomial with its bits in reverse: 0x95ac9329ac4bc9b5. */
const POLYNOMIAL_HIGH = 0x95ac_9329
const POLYNOMIAL_LOW = 0xac4b_c9b5

const HIGH = new Int32Array(256)
const LOW = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let high = 0
  let low = byte
  for (let bit = 0; bit < 8; bit++) {
    const isOdd = (low & 1) !== 0
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (!isOdd) continue
    high ^= POLYNOMIAL_HIGH
    low ^= POLYNOMIAL_LOW
  }
  HIGH[byte] = high
  LOW[byte] = low
}

/** Takes the bytes in as they come. */
export class Crc64 {
  #high = 0
  #low = 0

  add(bytes: ByteString): void {
    let high = this.#high
    let low = this.#low
    for (let at = 0; at < bytes.length; at++) {
      const index = (low ^ bytes.charCodeAt(at)) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ (LOW[index] as number)
      high = (high >>> 8) ^ (HIGH[index] as number)
    }
    this.#high = high
    this.#low = low
  }

  /** Eight bytes, the lowest first. */
  get digest(): ByteString {
    return littleEndian(this.#low) + littleEndian(this.#high)
  }
}

export function crc64(bytes: ByteString): ByteString {
  const sum = new Crc64()
  sum.add(bytes)
  return sum.digest
}

function littleEndian(word: number): ByteString {
  return String.fromCharCode(word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24)
}
