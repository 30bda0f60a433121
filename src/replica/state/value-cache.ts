/**
 * Values read from or written to the engine, bounded by what they really take: the bytes lie packed in
 * segments outside of the JavaScript heap, and a lookup makes the one string that was asked for. As strings
 * in a map they would take three times as much, and the garbage collector would walk through all of them.
 *
 * Segments are filled one after the other. When the bound is reached the oldest is taken again: records that
 * were used since they were written move together at its front, up to half of it, and the rest is forgotten.
 * What was overwritten or deleted stays as dead bytes until then. A value of another length is written anew,
 * one of the same length in its old place. A long value is a segment of its own, and stays a string.
 *
 *   record (8-byte aligned) = u32 key length | USED, u32 value length or ABSENT, key, value
 *
 * Failure model: it may forget at any time. What it knows is always the last value it was told.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { ByteString } from '../../base/bytes.ts'
import { hashOf, LocationIndex, NOWHERE } from './location-index.ts'

/** A location is a segment's number and a place in it, in units, together 32 bits: 32 GiB of short values. */
const UNIT_BYTES = 8
const UNIT_BITS = 15
const SEGMENT_BYTES_MAX = UNIT_BYTES << UNIT_BITS
const SEGMENT_BYTES_MIN = 256
const SEGMENTS_MAX = 2 ** (32 - UNIT_BITS) - 1
/** A small cache has smaller segments, so that it does not forget half of itself at once. */
const SEGMENTS_MIN = 8
/** What a segment takes besides its bytes. */
const SEGMENT_OVERHEAD_BYTES = 256
/** Records larger than this part of a segment get their own. */
const SHARED_DIVISOR = 4
/** Records larger than this part of the cache are not kept. */
const KEPT_DIVISOR = 4
const HEADER_BYTES = 8
const USED = 0x8000_0000
const LENGTH_MASK = 0x7fff_ffff
const ABSENT = 0xffff_ffff
/** Keys up to this length are copied char by char: a call would take longer. */
const SHORT_KEY_BYTES = 48
const TABLE_BITS_MAX = 8
const BYTES_PER_TABLE_LOG2 = 16

type Segment = {
  readonly number: number
  readonly kind: 'shared'
  readonly buffer: Buffer
  readonly words: Uint32Array
  end: number
}
type LongValue = {
  readonly number: number
  readonly kind: 'long'
  readonly key: ByteString
  readonly bytes: number
  value: ByteString | null
  isUsed: boolean
}

export class ValueCache {
  readonly #limitBytes: number
  readonly #segmentBytes: number
  readonly #index: LocationIndex
  /** By number; numbers begin with 1, so that no location is NOWHERE. */
  #segments: (Segment | LongValue | null)[] = [null]
  #freeNumbers: number[] = []
  /** Oldest first. */
  readonly #order = new Set<Segment | LongValue>()
  #current: Segment | null = null
  #segmentsBytes = 0
  /** The last answer: a command that writes asks for a value again and again. */
  #lastKey: ByteString | null = null
  #lastValue: ByteString | null = null

  constructor(limitBytes: number) {
    assert(limitBytes >= 0)
    this.#limitBytes = limitBytes
    const wanted = 2 ** Math.floor(Math.log2(Math.max(1, limitBytes / SEGMENTS_MIN)))
    this.#segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, wanted))
    const tableBits = Math.floor(Math.log2(Math.max(1, limitBytes))) - BYTES_PER_TABLE_LOG2
    this.#index = new LocationIndex(this, Math.min(TABLE_BITS_MAX, Math.max(0, tableBits)))
  }

  /** All that is allocated, filled or not. */
  get bytes(): number {
    return this.#segmentsBytes + this.#index.bytes
  }

  get(key: ByteString): ByteString | null | undefined {
    return this.#look(key, true)
  }

  /** As `get`, but it is no reason to keep the value for longer. */
  peek(key: ByteString): ByteString | null | undefined {
    return this.#look(key, false)
  }

  /** Neither `get` nor `has` makes anything be forgotten: what several looks in a row find is there together. */
  has(key: ByteString): boolean {
    return key === this.#lastKey || this.#index.find(hashOf(key), key) !== NOWHERE
  }

  set(key: ByteString, value: ByteString | null): void {
    this.#lastKey = null
    const hash = hashOf(key)
    const location = this.#index.find(hash, key)
    if (location !== NOWHERE) {
      if (this.#overwrite(location, key, value)) return
      this.#index.remove(hash, key)
      this.#drop(location)
    }
    const bytes = recordBytes(key.length, value)
    // Whatever was known about the key is stale, and it is too large to be worth so much.
    if (bytes > this.#limitBytes / KEPT_DIVISOR) return
    if (!this.#makeRoom(this.#index.growthBytes(hash))) return
    this.#index.prepare(hash)
    const isLong = bytes > this.#segmentBytes / SHARED_DIVISOR
    const written = isLong ? this.#addLong(key, value, bytes) : this.#append(key, value, bytes)
    if (written !== NOWHERE && !this.#index.insert(hash, written)) this.#drop(written)
  }

  delete(key: ByteString): void {
    this.#lastKey = null
    const hash = hashOf(key)
    const location = this.#index.find(hash, key)
    if (location === NOWHERE) return
    this.#index.remove(hash, key)
    this.#drop(location)
  }

  clear(): void {
    this.#lastKey = null
    this.#lastValue = null
    this.#index.clear()
    this.#segments = [null]
    this.#freeNumbers = []
    this.#order.clear()
    this.#current = null
    this.#segmentsBytes = 0
  }

  /** For the index. */
  isKeyAt(location: number, key: ByteString): boolean {
    const segment = this.#segmentAt(location)
    if (segment.kind === 'long') return segment.key === key
    const at = placeIn(location)
    const { length } = key
    if (((segment.words[at >>> 2] as number) & LENGTH_MASK) !== length) return false
    const { buffer } = segment
    for (let from = at + HEADER_BYTES, char = 0; char < length; char++) {
      if (buffer[from + char] !== key.charCodeAt(char)) return false
    }
    return true
  }

  #look(key: ByteString, isUse: boolean): ByteString | null | undefined {
    if (key === this.#lastKey) return this.#lastValue
    const location = this.#index.find(hashOf(key), key)
    if (location === NOWHERE) return undefined
    const segment = this.#segmentAt(location)
    if (segment.kind === 'long') {
      segment.isUsed ||= isUse
      return segment.value
    }
    const { words, buffer } = segment
    const at = placeIn(location)
    if (isUse) words[at >>> 2] = key.length | USED
    const length = words[(at >>> 2) + 1] as number
    const from = at + HEADER_BYTES + key.length
    const value = length === ABSENT ? null : buffer.latin1Slice(from, from + length)
    this.#lastKey = key
    this.#lastValue = value
    return value
  }

  /** False when it does not fit exactly. A write is a use. */
  #overwrite(location: number, key: ByteString, value: ByteString | null): boolean {
    const segment = this.#segmentAt(location)
    if (segment.kind === 'long') {
      if (recordBytes(key.length, value) !== segment.bytes) return false
      segment.value = value
      segment.isUsed = true
      return true
    }
    const { words, buffer } = segment
    const at = placeIn(location)
    if (words[(at >>> 2) + 1] !== lengthWord(value)) return false
    words[at >>> 2] = key.length | USED
    if (value !== null) buffer.latin1Write(value, at + HEADER_BYTES + key.length, value.length)
    return true
  }

  #append(key: ByteString, value: ByteString | null, bytes: number): number {
    let segment = this.#current
    if (segment === null || segment.end + bytes > this.#segmentBytes) segment = this.#nextSegment()
    if (segment === null) return NOWHERE
    const at = segment.end
    // Half of a segment that was taken again is free at least, and a shared record is smaller than that.
    assert(at + bytes <= this.#segmentBytes)
    segment.end += bytes
    segment.words[at >>> 2] = key.length
    segment.words[(at >>> 2) + 1] = lengthWord(value)
    const from = at + HEADER_BYTES
    if (key.length > SHORT_KEY_BYTES) segment.buffer.latin1Write(key, from, key.length)
    else for (let char = 0; char < key.length; char++) segment.buffer[from + char] = key.charCodeAt(char)
    if (value !== null) segment.buffer.latin1Write(value, from + key.length, value.length)
    return locationOf(segment.number, at)
  }

  #addLong(key: ByteString, value: ByteString | null, bytes: number): number {
    if (!this.#makeRoom(bytes + SEGMENT_OVERHEAD_BYTES)) return NOWHERE
    const number = this.#takeNumber()
    this.#admit({ number, kind: 'long', key, value, bytes, isUsed: false })
    return locationOf(number, 0)
  }

  /** A new one while the bound allows it, else the oldest; null when not even one is allowed. */
  #nextSegment(): Segment | null {
    const takes = this.#segmentBytes + SEGMENT_OVERHEAD_BYTES
    while (this.bytes + takes > this.#limitBytes || !this.#hasNumber) {
      const oldest = this.#takeOldest()
      if (oldest === null) return null
      if (oldest.kind === 'shared') {
        this.#order.add(oldest)
        this.#moveUsed(oldest, oldest)
        this.#current = oldest
        return oldest
      }
      this.#passOver(oldest)
    }
    const buffer = Buffer.allocUnsafeSlow(this.#segmentBytes)
    const words = new Uint32Array(buffer.buffer, buffer.byteOffset, this.#segmentBytes >>> 2)
    const segment: Segment = { number: this.#takeNumber(), kind: 'shared', buffer, words, end: 0 }
    this.#admit(segment)
    this.#current = segment
    return segment
  }

  /** False when all was forgotten and it is still too much. */
  #makeRoom(bytes: number): boolean {
    while (this.bytes + bytes > this.#limitBytes || !this.#hasNumber) {
      const oldest = this.#takeOldest()
      if (oldest === null) return false
      if (oldest.kind === 'long') this.#passOver(oldest)
      else this.#retire(oldest)
    }
    return true
  }

  /** Forgets a long value, unless it was used: then it has another turn. */
  #passOver(oldest: LongValue): void {
    if (oldest.isUsed) {
      oldest.isUsed = false
      this.#order.add(oldest)
      return
    }
    this.#index.remove(hashOf(oldest.key), oldest.key)
    this.#release(oldest)
  }

  /** As if the oldest were taken again, but nothing is written into it: the rest goes to the present one. */
  #retire(segment: Segment): void {
    const isCurrent = segment === this.#current
    this.#moveUsed(segment, this.#current)
    if (isCurrent && segment.end > 0) {
      // Nothing in it counts as used now.
      this.#order.add(segment)
      return
    }
    if (isCurrent) this.#current = null
    this.#release(segment)
  }

  /**
   * Moves the records that were used to another segment as long as that has room, or to the segment's own front,
   * as many as half of it holds. The rest is forgotten.
   */
  #moveUsed(segment: Segment, target: Segment | null): void {
    const { words, buffer, number, end } = segment
    if (target === segment) segment.end = 0
    const endMax = target === segment ? this.#segmentBytes / 2 : this.#segmentBytes
    for (let at = 0; at < end; ) {
      const head = words[at >>> 2] as number
      const length = words[(at >>> 2) + 1] as number
      const keyEnd = at + HEADER_BYTES + (head & LENGTH_MASK)
      const next = at + alignedBytes((head & LENGTH_MASK) + (length === ABSENT ? 0 : length))
      const key = buffer.latin1Slice(at + HEADER_BYTES, keyEnd)
      const hash = hashOf(key)
      if (this.#index.find(hash, key) === locationOf(number, at)) {
        if (head >= USED && target !== null && target.end + next - at <= endMax) {
          // Before the bytes move: the index looks at the key to find its own entry.
          this.#index.move(hash, key, locationOf(target.number, target.end))
          words[at >>> 2] = head & LENGTH_MASK
          buffer.copy(target.buffer, target.end, at, next)
          target.end += next - at
        } else this.#index.remove(hash, key)
      }
      at = next
    }
  }

  /** The index has it no more. A place in a shared segment stays dead until that is taken again. */
  #drop(location: number): void {
    const segment = this.#segmentAt(location)
    if (segment.kind === 'shared') return
    this.#order.delete(segment)
    this.#release(segment)
  }

  #takeOldest(): Segment | LongValue | null {
    const [oldest] = this.#order
    if (oldest === undefined) return null
    this.#order.delete(oldest)
    return oldest
  }

  get #hasNumber(): boolean {
    return this.#freeNumbers.length > 0 || this.#segments.length <= SEGMENTS_MAX
  }

  #takeNumber(): number {
    assert(this.#hasNumber)
    return this.#freeNumbers.pop() ?? this.#segments.push(null) - 1
  }

  #admit(segment: Segment | LongValue): void {
    this.#segments[segment.number] = segment
    this.#order.add(segment)
    this.#segmentsBytes += this.#costOf(segment)
  }

  #release(segment: Segment | LongValue): void {
    this.#segments[segment.number] = null
    this.#freeNumbers.push(segment.number)
    this.#segmentsBytes -= this.#costOf(segment)
    assert(this.#segmentsBytes >= 0)
  }

  #costOf(segment: Segment | LongValue): number {
    return SEGMENT_OVERHEAD_BYTES + (segment.kind === 'shared' ? this.#segmentBytes : segment.bytes)
  }

  #segmentAt(location: number): Segment | LongValue {
    const segment = this.#segments[location >>> UNIT_BITS]
    assert(segment !== null && segment !== undefined, 'the index of the value cache points at nothing')
    return segment
  }
}

function locationOf(segment: number, at: number): number {
  return ((segment << UNIT_BITS) | (at / UNIT_BYTES)) >>> 0
}

function placeIn(location: number): number {
  return (location & ((1 << UNIT_BITS) - 1)) * UNIT_BYTES
}

function lengthWord(value: ByteString | null): number {
  return value === null ? ABSENT : value.length
}

function recordBytes(keyLength: number, value: ByteString | null): number {
  return alignedBytes(keyLength + (value === null ? 0 : value.length))
}

function alignedBytes(contentBytes: number): number {
  return (HEADER_BYTES + contentBytes + UNIT_BYTES - 1) & -UNIT_BYTES
}
