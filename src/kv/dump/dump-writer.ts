/**
 * A value as Redis' DUMP gives it: its RDB form, the version of that format, a checksum. Always the
 * plainest form, which every Redis reads: strings in full, hashes as pairs.
 *
 *   payload  := type:u8 value version:u16-little-endian crc64:8
 *   string   := length bytes                      type 0
 *   hash     := length (string string)*           type 4
 *   length   := 00xxxxxx | 01xxxxxx xxxxxxxx | 10000000 u32-big-endian
 */
import type { ByteString } from '../../base/bytes.ts'
import { u32Bytes } from '../record-keys.ts'
import { Crc64 } from './crc64.ts'

export const RdbType = { string: 0, hash: 4, hashListpack: 16 } as const
/** What redis-server 7.0 writes, and the newest it reads. */
export const RDB_VERSION = 10

const PART_BYTES = 64 * 1024
/** What one call takes into the checksum: about a megabyte. */
const PARTS_PER_CALL = 16

/** Large ones are put together bit by bit: a checksum over many megabytes takes longer than a turn should. */
export class DumpWriter {
  readonly #parts: ByteString[] = []
  readonly #sum = new Crc64()
  #part: ByteString
  #summed = 0
  #bytes = 0

  constructor(type: number) {
    this.#part = String.fromCharCode(type)
  }

  /** Before the pairs of a hash. */
  addCount(count: number): void {
    this.#add(formatLength(count))
  }

  addString(bytes: ByteString): void {
    this.#add(formatLength(bytes.length))
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      this.#add(bytes.slice(at, at + PART_BYTES))
    }
  }

  /** Undefined: there is more to do, call it again. */
  finish(): ByteString | undefined {
    if (this.#part.length > 0) {
      this.#parts.push(this.#part + String.fromCharCode(RDB_VERSION & 0xff, RDB_VERSION >>> 8))
      this.#part = ''
    }
    const end = Math.min(this.#parts.length, this.#summed + PARTS_PER_CALL)
    for (; this.#summed < end; this.#summed++) this.#sum.add(this.#parts[this.#summed] as ByteString)
    return end < this.#parts.length ? undefined : this.#parts.join('') + this.#sum.digest
  }

  /** Of what was added so far. */
  get bytes(): number {
    return this.#bytes
  }

  #add(bytes: ByteString): void {
    this.#bytes += bytes.length
    if (this.#part.length + bytes.length > PART_BYTES) {
      this.#parts.push(this.#part)
      this.#part = ''
    }
    this.#part += bytes
  }
}

function formatLength(length: number): ByteString {
  if (length < 0x40) return String.fromCharCode(length)
  if (length < 0x4000) return String.fromCharCode(0x40 | (length >>> 8), length & 0xff)
  return `\x80${u32Bytes(length)}`
}
