/**
 * What the log remembers of a group without its entries: latest hard state and base, the terms of
 * its live entries, and which segments hold them. Recovery fills it, every append updates it,
 * garbage collection asks it what is still needed.
 *
 * Terms and segments are kept as runs, so memory grows with elections and segments, not entries.
 */
import assert from 'node:assert/strict'
import type { GroupId } from '../../base/ids.ts'
import type { HardState, LogIndex, LogPosition } from '../../base/log-entry.ts'
import { INDEX_ZERO, TERM_ZERO } from '../../base/log-entry.ts'

type TermRun = { readonly first: number; readonly term: number }
/** Entries from `first` on, up to the next run's, are in `segment`. */
type SegmentRun = { readonly first: number; readonly segment: number; bytes: number }

const NO_MEMBERSHIP = new Uint8Array(0)

export class GroupIndex {
  readonly group: GroupId
  hardState: HardState | null = null
  hardStateSegment = 0
  base: LogPosition = { term: TERM_ZERO, index: INDEX_ZERO }
  membership: Uint8Array = NO_MEMBERSHIP
  /** 0: no base record was seen. */
  baseSegment = 0
  #last = 0
  #lastTerm = 0
  #terms: TermRun[] = []
  #runs: SegmentRun[] = []
  #version = 0

  constructor(group: GroupId) {
    this.group = group
  }

  get last(): LogIndex {
    return this.#last as LogIndex
  }

  get lastTerm(): number {
    return this.#lastTerm
  }

  /** Changes with every change to the group. */
  get version(): number {
    return this.#version
  }

  /** Upper bound of what the live entries take in the log. */
  get entryBytes(): number {
    let bytes = 0
    for (const run of this.#runs) bytes += run.bytes
    return bytes
  }

  /** Null outside [base, last]. */
  termAt(index: number): number | null {
    if (index === this.#last) return this.#lastTerm
    if (index === this.base.index) return this.base.term
    if (index < this.base.index || index > this.#last) return null
    for (let at = this.#terms.length - 1; at >= 0; at--) {
      const run = this.#terms[at] as TermRun
      if (run.first <= index) return run.term
    }
    throw new Error(`group ${this.group}: no term for entry ${index}`)
  }

  setHardState(hardState: HardState, segment: number): void {
    this.hardState = hardState
    this.hardStateSegment = segment
    this.#version++
  }

  /** The group's log starts after `position`; of the entries only those behind it may stay. */
  setBase(position: LogPosition, membership: Uint8Array, segment: number, keepsTail: boolean): void {
    this.base = position
    this.membership = membership
    this.baseSegment = segment
    this.#version++
    if (keepsTail && position.index < this.#last) this.#dropPrefix(position.index)
    else this.#clear()
  }

  /** For a group whose entries begin after `position`, whatever its base record will say. */
  implyBase(position: LogPosition): void {
    assert(this.baseSegment === 0 && this.#last === 0)
    this.base = position
    this.#clear()
  }

  /** Entries from `first` on are gone. */
  truncate(first: number): void {
    assert(first > this.base.index)
    this.#version++
    if (first > this.#last) return
    const term = this.termAt(first - 1)
    assert(term !== null)
    while ((this.#terms.at(-1)?.first ?? 0) >= first) this.#terms.pop()
    while ((this.#runs.at(-1)?.first ?? 0) >= first) this.#runs.pop()
    this.#last = first - 1
    this.#lastTerm = term
  }

  /** Announces that entries from `first` on follow, in `segment`; then `extend` once per entry. */
  beginEntries(first: number, segment: number, bytes: number): void {
    if (first <= this.#last) this.truncate(first)
    assert(first === this.#last + 1, `group ${this.group}: entry ${first} does not follow ${this.#last}`)
    this.#version++
    const run = this.#runs.at(-1)
    if (run?.segment === segment) run.bytes += bytes
    else this.#runs.push({ first, segment, bytes })
  }

  addEntryBytes(bytes: number): void {
    const run = this.#runs.at(-1)
    assert(run !== undefined)
    run.bytes += bytes
  }

  extend(term: number): void {
    assert(term >= this.#lastTerm, `group ${this.group}: term ${term} after term ${this.#lastTerm}`)
    this.#last++
    if (this.#terms.length === 0 || term !== this.#lastTerm) this.#terms.push({ first: this.#last, term })
    this.#lastTerm = term
  }

  /** The oldest segment with anything of the group that is still needed; Infinity: none. */
  oldestSegment(): number {
    let oldest = this.oldestEntrySegment()
    if (this.baseSegment !== 0) oldest = Math.min(oldest, this.baseSegment)
    if (this.hardStateSegment !== 0) oldest = Math.min(oldest, this.hardStateSegment)
    return oldest
  }

  oldestEntrySegment(): number {
    // Entries written anew lie in later segments than those before them, so runs ascend in both.
    return this.#runs[0]?.segment ?? Number.POSITIVE_INFINITY
  }

  /** The segments that hold live entries, ascending. */
  entrySegments(): readonly number[] {
    return this.#runs.map((run) => run.segment)
  }

  #clear(): void {
    this.#last = this.base.index
    this.#lastTerm = this.base.term
    this.#terms = []
    this.#runs = []
  }

  #dropPrefix(upTo: number): void {
    let terms = 0
    while ((this.#terms[terms + 1]?.first ?? Number.POSITIVE_INFINITY) <= upTo + 1) terms++
    if (terms > 0) this.#terms.splice(0, terms)
    let runs = 0
    while ((this.#runs[runs + 1]?.first ?? Number.POSITIVE_INFINITY) <= upTo + 1) runs++
    if (runs > 0) this.#runs.splice(0, runs)
  }
}
