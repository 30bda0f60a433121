/**
 * The log in memory: the entries after `base`, with the sums that make every question about sizes
 * O(1) or a binary search.
 *
 * It knows nothing of disks (durability.ts) nor of what is committed: its owner asserts that.
 * A position that the log does not hold has NO term, rather than term 0: a truncated or compacted
 * index must never match anything.
 */
import assert from 'node:assert/strict'
import type { Entry, LogIndex, LogPosition, Term } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'

/** Forgotten slots are kept until they are this many, and half of the array: compaction is amortised O(1). */
const FORGOTTEN_SLOTS_MIN = 1024
const FORGOTTEN: Entry = {
  index: 0 as LogIndex,
  term: 0 as Term,
  kind: EntryKind.empty,
  payload: new Uint8Array(0),
}

export class RaftLog {
  #base: LogPosition
  /** Payload bytes of everything up to and including `base`, since this log was opened. */
  #baseSum = 0
  #entries: Entry[] = []
  /** `#sums[i]`: payload bytes of everything up to and including `#entries[i]`. */
  #sums: number[] = []
  /** Slots before this one are forgotten. */
  #head = 0

  constructor(base: LogPosition, entries: readonly Entry[]) {
    this.#base = base
    for (const entry of entries) this.append(entry)
  }

  get base(): LogPosition {
    return this.#base
  }

  get lastIndex(): LogIndex {
    return (this.#base.index + this.#entries.length - this.#head) as LogIndex
  }

  get lastTerm(): Term {
    return this.#entries.length === this.#head
      ? this.#base.term
      : (this.#entries[this.#entries.length - 1] as Entry).term
  }

  get lastPosition(): LogPosition {
    return { term: this.lastTerm, index: this.lastIndex }
  }

  /** The term at `index`; null when the log does not hold it. */
  termAt(index: number): Term | null {
    if (index === this.#base.index) return this.#base.term
    const slot = index - this.#base.index - 1 + this.#head
    if (slot < this.#head || slot >= this.#entries.length) return null
    return (this.#entries[slot] as Entry).term
  }

  matches(position: LogPosition): boolean {
    return this.termAt(position.index) === position.term
  }

  /** Raft §5.4.1: the later last term wins; within one term, the longer log wins. */
  isUpToDate(theirs: LogPosition): boolean {
    const lastTerm = this.lastTerm
    return theirs.term === lastTerm ? theirs.index >= this.lastIndex : theirs.term > lastTerm
  }

  entryAt(index: LogIndex): Entry {
    const slot = this.#slotOf(index)
    return this.#entries[slot] as Entry
  }

  /** The entries `from`..`to`, both included. */
  slice(from: LogIndex, to: LogIndex): readonly Entry[] {
    assert(from <= to)
    return this.#entries.slice(this.#slotOf(from), this.#slotOf(to) + 1)
  }

  append(entry: Entry): void {
    const { lastIndex, lastTerm } = this
    // Texts are made only for failures: these are the hottest paths of the core.
    if (entry.index !== lastIndex + 1) assert.fail(`entry ${entry.index} does not follow ${lastIndex}`)
    if (entry.term < lastTerm) assert.fail(`term ${entry.term} follows ${lastTerm} at ${entry.index}`)
    const before =
      this.#sums.length === this.#head ? this.#baseSum : (this.#sums[this.#sums.length - 1] as number)
    this.#entries.push(entry)
    this.#sums.push(before + entry.payload.length)
  }

  /** Removes the entries from `index` on. */
  truncateFrom(index: LogIndex): void {
    const slot = this.#slotOf(index)
    this.#entries.length = slot
    this.#sums.length = slot
    assert(this.lastIndex === index - 1)
  }

  /** Forgets the entries up to `index`, which becomes the base. */
  compactTo(index: LogIndex): void {
    const slot = this.#slotOf(index)
    const term = (this.#entries[slot] as Entry).term
    this.#baseSum = this.#sums[slot] as number
    for (let at = this.#head; at <= slot; at++) this.#entries[at] = FORGOTTEN
    this.#head = slot + 1
    this.#base = { term, index }
    if (this.#head >= FORGOTTEN_SLOTS_MIN && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#sums = this.#sums.slice(this.#head)
      this.#head = 0
    }
    assert(this.#base.index === index)
  }

  /** A snapshot replaces everything. */
  reset(base: LogPosition): void {
    this.#base = base
    this.#baseSum = 0
    this.#entries = []
    this.#sums = []
    this.#head = 0
  }

  /** Payload bytes of the entries after `from` up to and including `to`. */
  bytesBetween(from: LogIndex, to: LogIndex): number {
    assert(from <= to)
    return this.#sumAt(to) - this.#sumAt(from)
  }

  /**
   * The last index that fits when reading from `from`: at most `to`, at most `maxBytes` of payload,
   * but always `from` itself, or an entry larger than the limit would never travel.
   */
  lastWithin(from: LogIndex, to: LogIndex, maxBytes: number): LogIndex {
    assert(from <= to)
    const limit = this.#sumAt((from - 1) as LogIndex) + maxBytes
    if (this.#sumAt(to) <= limit) return to
    let low: number = from
    let high: number = to
    // Invariant: everything up to `low` goes, `high` does not fit.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.#sumAt(middle as LogIndex) <= limit) low = middle
      else high = middle
    }
    return low as LogIndex
  }

  /** The highest index ≤ `limit` after which at least `keepBytes` of payload remain; the base's at worst. */
  lastLeavingBytes(limit: LogIndex, keepBytes: number): LogIndex {
    assert(limit >= this.#base.index && keepBytes >= 0)
    const ceiling = this.#sumAt(this.lastIndex) - keepBytes
    if (this.#sumAt(limit) <= ceiling) return limit
    let low: number = this.#base.index
    let high: number = limit
    // Invariant: `low` is the base or leaves enough; `high` leaves too little.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.#sumAt(middle as LogIndex) <= ceiling) low = middle
      else high = middle
    }
    return low as LogIndex
  }

  /**
   * The highest index ≤ `index` whose term is ≤ `term`: no position above it can agree with a log
   * whose entry at `index` has `term` (terms never fall along a log). An index below the base is
   * returned as it is: nothing is known there. When even the base is too new, the one before it.
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    if (index < this.#base.index) return index
    if (this.#base.term > term) return Math.max(this.#base.index - 1, 0) as LogIndex
    let low: number = this.#base.index
    let high = Math.min(index, this.lastIndex) + 1
    // Invariant: the term at `low` is ≤ term; `high` is above the range or its term is > term.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if ((this.termAt(middle) as Term) <= term) low = middle
      else high = middle
    }
    return low as LogIndex
  }

  #sumAt(index: LogIndex): number {
    if (index === this.#base.index) return this.#baseSum
    return this.#sums[this.#slotOf(index)] as number
  }

  #slotOf(index: LogIndex): number {
    const slot = index - this.#base.index - 1 + this.#head
    if (slot < this.#head || slot >= this.#entries.length)
      assert.fail(`entry ${index} is outside (${this.#base.index}, ${this.lastIndex}]`)
    return slot
  }
}
