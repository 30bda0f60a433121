/**
 * Writes binary records into one growing buffer. All integers are little-endian.
 *
 * `takeBytes` hands the written bytes over and starts afresh; the bytes are never touched again,
 * so they may be kept, sent and logged without a copy.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { ByteString } from './bytes.ts'

const INITIAL_BYTES = 256
const NONE = Buffer.alloc(0)

export class ByteWriter {
  #buffer: Buffer
  #length = 0
  /** Of the next buffer after `takeBytes`: allocated when something is written, since most writers are used once. */
  #nextBytes = 0

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.#buffer = Buffer.allocUnsafe(initialBytes)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    assert(value >= 0 && value <= 0xff)
    const at = this.#reserve(1)
    this.#buffer[at] = value
  }

  u16(value: number): void {
    const at = this.#reserve(2)
    this.#buffer.writeUInt16LE(value, at)
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#buffer.writeUInt32LE(value, at)
  }

  /** A non-negative safe integer in 8 bytes. */
  u64(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) notUnsigned(value)
    const at = this.#reserve(8)
    this.#buffer.writeUInt32LE(value % 0x1_0000_0000, at)
    this.#buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
  }

  f64(value: number): void {
    const at = this.#reserve(8)
    this.#buffer.writeDoubleLE(value, at)
  }

  /** A non-negative safe integer in 1–8 bytes: seven bits a byte, low bits first (LEB128). */
  varint(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) notUnsigned(value)
    let rest = value
    let at = this.#reserve(varintBytes(value))
    const buffer = this.#buffer
    while (rest > 0x7f) {
      buffer[at] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
      at += 1
    }
    buffer[at] = rest
  }

  /** varint length, then the bytes. */
  byteString(value: ByteString): void {
    this.varint(value.length)
    const at = this.#reserve(value.length)
    this.#buffer.latin1Write(value, at, value.length)
  }

  /** varint length, then the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length)
    this.raw(value)
  }

  /** The bytes alone. */
  raw(value: Uint8Array): void {
    const at = this.#reserve(value.length)
    this.#buffer.set(value, at)
  }

  /** Overwrites four bytes written before, for a length or checksum known only afterwards. */
  patchU32(at: number, value: number): void {
    assert(at >= 0 && at + 4 <= this.#length)
    this.#buffer.writeUInt32LE(value, at)
  }

  /** Takes back what was written behind `length`. */
  truncate(length: number): void {
    assert(length >= 0 && length <= this.#length)
    this.#length = length
  }

  /** What was written so far, without handing it over: valid until the next write. */
  view(from: number = 0): Buffer {
    return this.#buffer.subarray(from, this.#length)
  }

  takeBytes(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length)
    this.#nextBytes = Math.min(Math.max(this.#length, INITIAL_BYTES), 65_536)
    this.#buffer = NONE
    this.#length = 0
    return taken
  }

  /** May replace the buffer: call it before `this.#buffer` is read. */
  #reserve(bytes: number): number {
    const at = this.#length
    const needed = at + bytes
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2, this.#nextBytes))
      this.#buffer.copy(grown, 0, 0, at)
      this.#buffer = grown
    }
    this.#length = needed
    return at
  }
}

// Apart from the callers: a text built for each number that is written would cost more than the writing.
function notUnsigned(value: number): never {
  assert.fail(`not an unsigned safe integer: ${value}`)
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let limit = 0x80; value >= limit; limit *= 0x80) bytes += 1
  return bytes
}
