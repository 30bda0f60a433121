/**
 * Reads what DUMP of any Redis up to 7.0 gives for strings and hashes: plain, as small integers, LZF
 * compressed, as listpacks. The bytes come from clients: whatever they are, the answer is a value or null.
 */
import type { ByteString } from '../../base/bytes.ts'
import { readU32 } from '../record-keys.ts'
import { crc64 } from './crc64.ts'
import { RDB_VERSION, RdbType } from './dump-writer.ts'
import { readListpack } from './listpack.ts'

export type DumpedValue =
  | { readonly kind: 'string'; readonly value: ByteString }
  | { readonly kind: 'hash'; readonly members: ReadonlyMap<ByteString, ByteString> }

const FOOTER_BYTES = 10

/** Whether its version is known and its checksum right. */
export function isIntact(payload: ByteString): boolean {
  const at = payload.length - FOOTER_BYTES
  if (at < 0) return false
  const version = payload.charCodeAt(at) | (payload.charCodeAt(at + 1) << 8)
  return version <= RDB_VERSION && crc64(payload.slice(0, at + 2)) === payload.slice(at + 2)
}

/** Of an intact payload; null: of a type, or in a form, that is not known, or damaged before it was sealed. */
export function readDump(payload: ByteString): DumpedValue | null {
  const reader = new DumpReader(payload.slice(0, -FOOTER_BYTES))
  const type = reader.byte()
  if (type === RdbType.string) {
    const value = reader.string()
    return value === null || !reader.isAtEnd ? null : { kind: 'string', value }
  }
  const members =
    type === RdbType.hash ? readPairs(reader) : type === RdbType.hashListpack ? readPacked(reader) : null
  return members === null || members.size === 0 || !reader.isAtEnd ? null : { kind: 'hash', members }
}

function readPairs(reader: DumpReader): ReadonlyMap<ByteString, ByteString> | null {
  const count = reader.length()
  if (typeof count !== 'number') return null
  const members = new Map<ByteString, ByteString>()
  for (let index = 0; index < count; index++) {
    const field = reader.string()
    const value = field === null ? null : reader.string()
    if (field === null || value === null || members.has(field)) return null
    members.set(field, value)
  }
  return members
}

function readPacked(reader: DumpReader): ReadonlyMap<ByteString, ByteString> | null {
  const bytes = reader.string()
  const items = bytes === null ? null : readListpack(bytes)
  if (items === null || items.length % 2 !== 0) return null
  const members = new Map<ByteString, ByteString>()
  for (let at = 0; at < items.length; at += 2)
    members.set(items[at] as ByteString, items[at + 1] as ByteString)
  return members.size * 2 === items.length ? members : null
}

/** In place of a length: how the string that follows is encoded. */
type Special = { readonly encoding: number }

class DumpReader {
  readonly #bytes: ByteString
  #at = 0

  constructor(bytes: ByteString) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number | null {
    return this.#at < this.#bytes.length ? this.#bytes.charCodeAt(this.#at++) : null
  }

  length(): number | Special | null {
    const first = this.byte()
    if (first === null) return null
    if (first < 0x40) return first
    if (first >= 0xc0) return { encoding: first & 0x3f }
    if (first < 0x80) {
      const second = this.byte()
      return second === null ? null : ((first & 0x3f) << 8) | second
    }
    // Lengths of 64 bits (0x81) belong to values that are too long here anyway.
    const bytes = first === 0x80 ? this.#take(4) : null
    return bytes === null ? null : readU32(bytes, 0)
  }

  string(): ByteString | null {
    const length = this.length()
    if (length === null) return null
    if (typeof length === 'number') return this.#take(length)
    if (length.encoding <= 2) return this.#integer(1 << length.encoding)
    return length.encoding === 3 ? this.#compressed() : null
  }

  #integer(size: number): ByteString | null {
    const bytes = this.#take(size)
    if (bytes === null) return null
    let value = 0
    for (let at = size - 1; at >= 0; at--) value = (value << 8) | bytes.charCodeAt(at)
    const unused = 32 - size * 8
    return String((value << unused) >> unused)
  }

  #compressed(): ByteString | null {
    const compressedLength = this.length()
    const length = this.length()
    if (typeof compressedLength !== 'number' || typeof length !== 'number') return null
    const bytes = this.#take(compressedLength)
    return bytes === null ? null : decompress(bytes, length)
  }

  #take(length: number): ByteString | null {
    const end = this.#at + length
    if (end > this.#bytes.length) return null
    const bytes = this.#bytes.slice(this.#at, end)
    this.#at = end
    return bytes
  }
}

/** No reference copies more than this from one byte of input: a declared length beyond it is a lie. */
const LZF_RATIO_MAX = 264

/**
 * LZF: a control byte below 32 is followed by so many literals and one; otherwise its upper three bits
 * (7: and another byte) and 2 are the length, its lower five and the next byte the distance and 1 of a copy.
 */
function decompress(bytes: ByteString, length: number): ByteString | null {
  if (length > bytes.length * LZF_RATIO_MAX) return null
  const output = new Uint8Array(length)
  let written = 0
  for (let at = 0; at < bytes.length; ) {
    const control = bytes.charCodeAt(at++)
    if (control < 32) {
      const end = at + control + 1
      if (end > bytes.length || written + control + 1 > length) return null
      while (at < end) output[written++] = bytes.charCodeAt(at++)
      continue
    }
    let run = control >>> 5
    if (run === 7) run += at < bytes.length ? bytes.charCodeAt(at++) : Number.NaN
    const distance = (((control & 0x1f) << 8) | bytes.charCodeAt(at++)) + 1
    const end = written + run + 2
    if (at > bytes.length || !(end <= length) || distance > written) return null
    for (; written < end; written++) output[written] = output[written - distance] as number
  }
  return written === length ? latin1Of(output) : null
}

const CHUNK_BYTES = 8_192

function latin1Of(bytes: Uint8Array): ByteString {
  let text = ''
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK_BYTES))
  }
  return text
}
