/**
 * Where the value cache has the record of a key: open addressing from a key's hash to a location, in
 * memory that the garbage collector does not look into.
 *
 * Many small tables instead of a large one, chosen by the upper bits of the hash: each doubles on its
 * own, so that no insert pays for all. Entries move up when one before them is removed (no tombstones).
 *
 * Failure model: it may refuse an insert (`PROBES_MAX` keys whose hashes fall on one place, which an
 * opponent can arrange): a cache may forget, and no lookup ever takes longer than that many steps.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../base/bytes.ts'

/** Tells which key lies at a location. */
type KeyedLocations = { isKeyAt(location: number, key: ByteString): boolean }

export const NOWHERE = 0
const PROBES_MAX = 64
const TABLE_SLOTS_FIRST = 8
/** Hash and location. */
const SLOT_WORDS = 2
const SLOT_BYTES = 8
/** Fuller tables are doubled. */
const FULL_NUMERATOR = 3
const FULL_DENOMINATOR = 4

const MULTIPLIER = 0x2c1b3c6d
const MULTIPLIER_END = 0x297a2d39
const START = 0x3c6ef372
const NO_TABLE = new Uint32Array(0)

/** Four chars a word; unsigned, 32 bits. */
export function hashOf(key: ByteString): number {
  const { length } = key
  const whole = length & ~3
  let hash = START ^ length
  let at = 0
  for (; at < whole; at += 4) {
    const word =
      key.charCodeAt(at) |
      (key.charCodeAt(at + 1) << 8) |
      (key.charCodeAt(at + 2) << 16) |
      (key.charCodeAt(at + 3) << 24)
    hash = Math.imul(hash ^ word, MULTIPLIER)
    hash ^= hash >>> 15
  }
  for (; at < length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), MULTIPLIER)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash ^ (hash >>> 16), MULTIPLIER_END)
  return (hash ^ (hash >>> 15)) >>> 0
}

export class LocationIndex {
  readonly #keyed: KeyedLocations
  readonly #shift: number
  #tables: Uint32Array[]
  #counts: Uint32Array
  #bytes = 0

  /** 2^tableBits tables. */
  constructor(keyed: KeyedLocations, tableBits: number) {
    assert(tableBits >= 0 && tableBits <= 16)
    this.#keyed = keyed
    this.#shift = 32 - tableBits
    this.#tables = new Array(2 ** tableBits).fill(NO_TABLE)
    this.#counts = new Uint32Array(2 ** tableBits)
  }

  get bytes(): number {
    return this.#bytes
  }

  find(hash: number, key: ByteString): number {
    const table = this.#tables[this.#tableOf(hash)] as Uint32Array
    const slot = this.#slotOf(table, hash, key)
    return slot < 0 ? NOWHERE : (table[slot * SLOT_WORDS + 1] as number)
  }

  /** What the next insert of this hash takes in addition. */
  growthBytes(hash: number): number {
    const at = this.#tableOf(hash)
    const table = this.#tables[at] as Uint32Array
    return isFull(table, (this.#counts[at] as number) + 1)
      ? nextSlots(table) * SLOT_BYTES - table.byteLength
      : 0
  }

  /** Before an insert: makes the table larger where it is full. */
  prepare(hash: number): void {
    const at = this.#tableOf(hash)
    if (isFull(this.#tables[at] as Uint32Array, (this.#counts[at] as number) + 1)) this.#grow(at)
  }

  /** The key must not be there. False when there is no place for it. */
  insert(hash: number, location: number): boolean {
    assert(location > NOWHERE && location >>> 0 === location)
    const at = this.#tableOf(hash)
    if (!place(this.#tables[at] as Uint32Array, hash, location)) return false
    this.#counts[at] = (this.#counts[at] as number) + 1
    return true
  }

  /** The key is there. */
  move(hash: number, key: ByteString, location: number): void {
    const table = this.#tables[this.#tableOf(hash)] as Uint32Array
    const slot = this.#slotOf(table, hash, key)
    assert(slot >= 0)
    table[slot * SLOT_WORDS + 1] = location
  }

  /** False when it was not there. */
  remove(hash: number, key: ByteString): boolean {
    const at = this.#tableOf(hash)
    const table = this.#tables[at] as Uint32Array
    const slot = this.#slotOf(table, hash, key)
    if (slot < 0) return false
    closeGap(table, slot)
    this.#counts[at] = (this.#counts[at] as number) - 1
    return true
  }

  clear(): void {
    this.#tables.fill(NO_TABLE)
    this.#counts.fill(0)
    this.#bytes = 0
  }

  #tableOf(hash: number): number {
    // A shift by 32 would be one by 0.
    return this.#shift === 32 ? 0 : hash >>> this.#shift
  }

  #slotOf(table: Uint32Array, hash: number, key: ByteString): number {
    const mask = table.length / SLOT_WORDS - 1
    if (mask < 0) return -1
    for (let probe = 0, slot = hash & mask; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
      const location = table[slot * SLOT_WORDS + 1] as number
      if (location === NOWHERE) return -1
      if (table[slot * SLOT_WORDS] === hash && this.#keyed.isKeyAt(location, key)) return slot
    }
    return -1
  }

  /** Twice the places; who finds none there either is forgotten. */
  #grow(at: number): void {
    const before = this.#tables[at] as Uint32Array
    const table = new Uint32Array(nextSlots(before) * SLOT_WORDS)
    let count = 0
    for (let word = 0; word < before.length; word += SLOT_WORDS) {
      const location = before[word + 1] as number
      if (location !== NOWHERE && place(table, before[word] as number, location)) count += 1
    }
    this.#tables[at] = table
    this.#counts[at] = count
    this.#bytes += table.byteLength - before.byteLength
  }
}

function isFull(table: Uint32Array, count: number): boolean {
  return count * SLOT_WORDS * FULL_DENOMINATOR > table.length * FULL_NUMERATOR
}

function nextSlots(table: Uint32Array): number {
  return table.length === 0 ? TABLE_SLOTS_FIRST : (table.length / SLOT_WORDS) * 2
}

function place(table: Uint32Array, hash: number, location: number): boolean {
  const mask = table.length / SLOT_WORDS - 1
  for (let probe = 0, slot = hash & mask; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
    if (table[slot * SLOT_WORDS + 1] !== NOWHERE) continue
    table[slot * SLOT_WORDS] = hash
    table[slot * SLOT_WORDS + 1] = location
    return true
  }
  return false
}

/** Moves up who was pushed away from their own place by the one that is gone. */
function closeGap(table: Uint32Array, removed: number): void {
  const mask = table.length / SLOT_WORDS - 1
  let gap = removed
  for (let slot = (gap + 1) & mask; table[slot * SLOT_WORDS + 1] !== NOWHERE; slot = (slot + 1) & mask) {
    const hash = table[slot * SLOT_WORDS] as number
    // Its own place lies cyclically in (gap, slot]: it has to stay behind the gap.
    if (((slot - hash) & mask) < ((slot - gap) & mask)) continue
    table[gap * SLOT_WORDS] = hash
    table[gap * SLOT_WORDS + 1] = table[slot * SLOT_WORDS + 1] as number
    gap = slot
  }
  table[gap * SLOT_WORDS + 1] = NOWHERE
}
