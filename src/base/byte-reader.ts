/**
 * Reads what `ByteWriter` wrote. Every read is bounds-checked: bytes that end too soon, or numbers
 * that don't fit, throw `MalformedBytes`, which the caller turns into the error of its format
 * (corruption of a file, a protocol error of a peer).
 */
import { Buffer } from 'node:buffer'
import type { ByteString } from './bytes.ts'

export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes'
}

export class ByteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get remaining(): number {
    return this.#buffer.length - this.#at
  }

  get position(): number {
    return this.#at
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2))
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4))
  }

  u64(): number {
    const at = this.#take(8)
    const value = this.#buffer.readUInt32LE(at) + this.#buffer.readUInt32LE(at + 4) * 0x1_0000_0000
    if (!Number.isSafeInteger(value)) throw new MalformedBytes(`integer at ${at} exceeds 2^53`)
    return value
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#take(8))
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new MalformedBytes(`varint at ${this.#at} exceeds 2^53`)
        return value
      }
      scale *= 0x80
    }
    throw new MalformedBytes(`varint at ${this.#at} is longer than 8 bytes`)
  }

  /** The next varint, without moving on. */
  peekVarint(): number {
    const at = this.#at
    const value = this.varint()
    this.#at = at
    return value
  }

  byteString(): ByteString {
    const length = this.varint()
    const at = this.#take(length)
    return this.#buffer.latin1Slice(at, at + length)
  }

  /** A view of the reader's own bytes, not a copy. */
  bytes(): Buffer {
    return this.raw(this.varint())
  }

  /** A view of the next `length` bytes, not a copy. */
  raw(length: number): Buffer {
    const at = this.#take(length)
    return this.#buffer.subarray(at, at + length)
  }

  expectEnd(): void {
    if (this.remaining !== 0) throw new MalformedBytes(`${this.remaining} bytes too many at ${this.#at}`)
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#buffer.length - at) {
      throw new MalformedBytes(`wants ${length} bytes at ${at}, has ${this.#buffer.length - at}`)
    }
    this.#at = at + length
    return at
  }
}
