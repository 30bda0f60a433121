/**
 * A 64-bit hash of a set of records that is kept up to date write by write: the sum of the hashes
 * of all records, so that adding a record and taking it away again costs nothing but two
 * additions, and the order in which records came doesn't matter. Replicas that hold the same
 * records have the same sums; those that don't are found by comparing a few bytes.
 *
 * The 64 bits are two lanes of 32, each mixed and summed (modulo 2^32) on its own, because
 * JavaScript multiplies 32-bit integers in one instruction and 64-bit ones not at all. Each step
 * of a lane is a bijection of the word it takes in, so records that differ in one word never
 * collide in either lane. This finds accidents and bugs; it is no defence against somebody who
 * constructs collisions.
 *
 * Long values are taken in as CRC32s of chunks: faster than a loop over chars, with the same
 * certainty about a single damaged bit; two long values that differ in more than that are mistaken
 * for one another once in 2^32.
 *
 * Replicas of different builds compare these hashes: a change of the arithmetic is a new machine
 * version.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { type ByteReader, MalformedBytes } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { type ByteString, bufferToBytes } from './bytes.ts'
import { crc32, sha256Hex } from './checksum.ts'
import { META_PARTITION, PARTITION_COUNT } from './machine.ts'

/** Where a call into zlib becomes cheaper than the loop (measured). */
const LONG_VALUE_CHARS = 256
const CHUNK_BYTES = 65_536
const FORMAT_VERSION = 1

// Odd, without long runs of equal bits: multiplying by them permutes the 32-bit integers.
const MULTIPLIER_A = 0x2c1b3c6d
const MULTIPLIER_B = 0x5bd1b365
const START_A = 0x1f83d9ab
const START_B = 0x3c6ef372

/** Where `recordHash` leaves its result: overwritten by the next call. */
export const recordLanes: Uint32Array = new Uint32Array(2)

const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

let laneA = 0
let laneB = 0

/**
 * The hash of one record, in `recordLanes`. Both lengths go in first, so that moving a byte from
 * the key to the value changes it.
 */
export function recordHash(key: ByteString, value: ByteString): void {
  laneA = START_A
  laneB = START_B
  absorbWord(key.length)
  absorbWord(value.length)
  absorbChars(key)
  if (value.length > LONG_VALUE_CHARS) absorbLong(value)
  else absorbChars(value)
  finish()
}

function absorbWord(word: number): void {
  const a = Math.imul(laneA ^ word, MULTIPLIER_A)
  laneA = a ^ (a >>> 15)
  const b = Math.imul((laneB + word) | 0, MULTIPLIER_B)
  laneB = (b << 13) | (b >>> 19)
}

/** Four chars a word. The lanes live in locals while the loop runs: that halves its cost. */
function absorbChars(chars: ByteString): void {
  const { length } = chars
  const whole = length & ~3
  let a = laneA
  let b = laneB
  let at = 0
  for (; at < whole; at += 4) {
    const word =
      chars.charCodeAt(at) |
      (chars.charCodeAt(at + 1) << 8) |
      (chars.charCodeAt(at + 2) << 16) |
      (chars.charCodeAt(at + 3) << 24)
    a = Math.imul(a ^ word, MULTIPLIER_A)
    a ^= a >>> 15
    b = Math.imul((b + word) | 0, MULTIPLIER_B)
    b = (b << 13) | (b >>> 19)
  }
  laneA = a
  laneB = b
  if (at === length) return
  let word = 0
  for (let shift = 0; at < length; at++, shift += 8) word |= chars.charCodeAt(at) << shift
  absorbWord(word)
}

function absorbLong(value: ByteString): void {
  for (let at = 0; at < value.length; at += CHUNK_BYTES) {
    const written = chunk.latin1Write(value.slice(at, at + CHUNK_BYTES), 0)
    absorbWord(crc32(written === CHUNK_BYTES ? chunk : chunk.subarray(0, written)) | 0)
  }
}

/** Spreads the last words over all bits. Each line is a bijection of the pair of lanes. */
function finish(): void {
  let a = laneA
  let b = laneB
  a = Math.imul(a ^ (a >>> 16), MULTIPLIER_B)
  b = Math.imul(b ^ (b >>> 15), MULTIPLIER_A)
  a = (a + ((b << 7) | (b >>> 25))) | 0
  b = b ^ ((a << 11) | (a >>> 21))
  a = Math.imul(a ^ (a >>> 14), MULTIPLIER_A)
  b = Math.imul(b ^ (b >>> 17), MULTIPLIER_B)
  recordLanes[0] = a ^ (a >>> 15)
  recordLanes[1] = b ^ (b >>> 16)
}

/** Partitions that share a mark which says that some of them may hold something. */
const MARKED_PARTITIONS = 64

/** The hash of a replica's state: one 64-bit sum per partition. 131 KB. */
export class StateHash {
  /** Lane A of partition p at 2p, lane B at 2p + 1; wrapping at 2^32 is the arithmetic wanted. */
  readonly #lanes = new Uint32Array(PARTITION_COUNT * 2)
  /** 0: all partitions of that stretch are zero. Most states use few of them, and a digest reads them all. */
  readonly #marks = new Uint8Array(Math.ceil(PARTITION_COUNT / MARKED_PARTITIONS))

  add(partition: number, key: ByteString, value: ByteString): void {
    if (!(partition >= 0 && partition < PARTITION_COUNT)) noSuchPartition(partition)
    recordHash(key, value)
    const at = partition * 2
    this.#mark(partition)
    this.#lanes[at] = (this.#lanes[at] as number) + (recordLanes[0] as number)
    this.#lanes[at + 1] = (this.#lanes[at + 1] as number) + (recordLanes[1] as number)
  }

  /** Takes away exactly what `add` added for the same record. */
  subtract(partition: number, key: ByteString, value: ByteString): void {
    if (!(partition >= 0 && partition < PARTITION_COUNT)) noSuchPartition(partition)
    recordHash(key, value)
    const at = partition * 2
    this.#mark(partition)
    this.#lanes[at] = (this.#lanes[at] as number) - (recordLanes[0] as number)
    this.#lanes[at + 1] = (this.#lanes[at + 1] as number) - (recordLanes[1] as number)
  }

  /** All records of the partition are gone. */
  clear(partition: number): void {
    if (!(partition >= 0 && partition < PARTITION_COUNT)) noSuchPartition(partition)
    this.#lanes.fill(0, partition * 2, partition * 2 + 2)
  }

  /** All data records are gone; the machine's bookkeeping stays. */
  clearData(): void {
    this.#lanes.fill(0, 0, META_PARTITION * 2)
    this.#marks.fill(0, 0, Math.floor(META_PARTITION / MARKED_PARTITIONS))
  }

  /** Both lanes of the partitions in [from, to) as little-endian words, for those who store them elsewhere. */
  lanesOf(from: number, to: number): ByteString {
    if (!(from >= 0 && from < to && to <= PARTITION_COUNT)) noSuchPartition(from)
    const words = Buffer.from(this.#lanes.buffer, from * 8, (to - from) * 8)
    return IS_LITTLE_ENDIAN ? bufferToBytes(words) : bufferToBytes(Buffer.from(words).swap32())
  }

  setLanes(partition: number, a: number, b: number): void {
    if (!(partition >= 0 && partition < PARTITION_COUNT)) noSuchPartition(partition)
    this.#lanes[partition * 2] = a
    this.#lanes[partition * 2 + 1] = b
    if (a !== 0 || b !== 0) this.#mark(partition)
  }

  /** 16 hexadecimal digits; all zero when the partition holds nothing. */
  partitionDigest(partition: number): string {
    if (!(partition >= 0 && partition < PARTITION_COUNT)) noSuchPartition(partition)
    const at = partition * 2
    return hex(this.#lanes[at] as number) + hex(this.#lanes[at + 1] as number)
  }

  /** One value for everything, by which replicas compare themselves: SHA-256 over `serialise`. */
  digest(): string {
    const writer = new ByteWriter()
    this.serialise(writer)
    return sha256Hex(writer.view())
  }

  /** Partitions in which the two differ, ascending. */
  differences(other: StateHash): readonly number[] {
    const differing: number[] = []
    for (let at = 0; at < this.#lanes.length; at += 2) {
      const same = this.#lanes[at] === other.#lanes[at] && this.#lanes[at + 1] === other.#lanes[at + 1]
      if (!same) differing.push(at / 2)
    }
    return differing
  }

  /**
   * Version, number of partitions that aren't zero, then for each: the distance from the last one
   * (varint), lane A, lane B (u32). Equal states give equal bytes.
   */
  serialise(writer: ByteWriter): void {
    const used = this.#usedPartitions()
    writer.u8(FORMAT_VERSION)
    writer.varint(used.length)
    let last = 0
    for (const partition of used) {
      writer.varint(partition - last)
      writer.u32(this.#lanes[partition * 2] as number)
      writer.u32(this.#lanes[partition * 2 + 1] as number)
      last = partition
    }
  }

  /** Throws `MalformedBytes` for anything `serialise` doesn't write. */
  static parse(reader: ByteReader): StateHash {
    const version = reader.u8()
    if (version !== FORMAT_VERSION) throw new MalformedBytes(`state hash of unknown version ${version}`)
    const hash = new StateHash()
    const count = reader.varint()
    if (count > PARTITION_COUNT) throw new MalformedBytes(`state hash of ${count} partitions`)
    let partition = 0
    for (let index = 0; index < count; index++) {
      const distance = reader.varint()
      if (index > 0 && distance === 0) throw new MalformedBytes('state hash names a partition twice')
      partition += distance
      if (partition >= PARTITION_COUNT) throw new MalformedBytes(`state hash names partition ${partition}`)
      const a = reader.u32()
      const b = reader.u32()
      if (a === 0 && b === 0) throw new MalformedBytes(`state hash names the empty partition ${partition}`)
      hash.setLanes(partition, a, b)
    }
    return hash
  }

  #mark(partition: number): void {
    this.#marks[Math.floor(partition / MARKED_PARTITIONS)] = 1
  }

  /** Ascending. */
  #usedPartitions(): readonly number[] {
    const used: number[] = []
    for (let stretch = 0; stretch < this.#marks.length; stretch++) {
      if (this.#marks[stretch] === 0) continue
      const end = Math.min((stretch + 1) * MARKED_PARTITIONS, PARTITION_COUNT)
      for (let partition = stretch * MARKED_PARTITIONS; partition < end; partition++) {
        if (this.#lanes[partition * 2] !== 0 || this.#lanes[partition * 2 + 1] !== 0) used.push(partition)
      }
    }
    return used
  }
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}

function noSuchPartition(partition: number): never {
  assert.fail(`no such partition: ${partition}`)
}
