/**
 * What of this replica's log and hard state is on its disk.
 *
 * Writes are handed out in Readys and come back in order, possibly many Readys later. Meanwhile
 * the log may have been truncated and rewritten, even back to the very same entry (term and index
 * equal): between the first write of (term, index) and its second there is one that overwrites it,
 * and a crash may leave that one on disk. So the fate of a write is not told by comparing terms
 * when it returns; instead each truncation lowers what every write still in flight can prove.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { HardState, LogIndex, Term } from '../base/log-entry.ts'
import { INDEX_ZERO } from '../base/log-entry.ts'

type Write = {
  readonly number: number
  /** The log up to here, as it is now in memory, is durable once this write is; 0: it adds nothing. */
  provesIndex: LogIndex
  readonly term: Term
  readonly vote: ReplicaId | null
}

export class Durability {
  #persistedIndex: LogIndex
  #handedOutIndex: LogIndex
  #term: Term
  #vote: ReplicaId | null
  #lastNumber = 0
  /** In order. Bounded by what a leader keeps in flight and by `maxUncommittedBytes`. */
  readonly #inFlight: Write[] = []

  constructor(lastIndex: LogIndex, hardState: HardState) {
    this.#persistedIndex = lastIndex
    this.#handedOutIndex = lastIndex
    this.#term = hardState.term
    this.#vote = hardState.vote
  }

  /** The log in memory is durable up to here. */
  get persistedIndex(): LogIndex {
    return this.#persistedIndex
  }

  /** Entries after this one have not been handed out. */
  get handedOutIndex(): LogIndex {
    return this.#handedOutIndex
  }

  get inFlightCount(): number {
    return this.#inFlight.length
  }

  /** True when a vote for `candidate` in `term` survives a crash. */
  hasVote(term: Term, candidate: ReplicaId): boolean {
    return this.#term === term && this.#vote === candidate
  }

  /** `lastIndex`: the end of the log when this Ready writes entries or a snapshot; null when neither. */
  handOut(number: number, lastIndex: LogIndex | null, term: Term, vote: ReplicaId | null): void {
    const previous = this.#inFlight[this.#inFlight.length - 1]
    assert(previous === undefined || previous.number < number, 'Readys are handed out in order')
    if (lastIndex !== null) this.#handedOutIndex = lastIndex
    this.#inFlight.push({ number, provesIndex: lastIndex ?? INDEX_ZERO, term, vote })
  }

  /** The entries from `index` on were removed in memory: what is on disk there is not the log any more. */
  truncateFrom(index: LogIndex): void {
    const kept = (index - 1) as LogIndex
    if (this.#persistedIndex > kept) this.#persistedIndex = kept
    if (this.#handedOutIndex > kept) this.#handedOutIndex = kept
    for (const write of this.#inFlight) {
      if (write.provesIndex > kept) write.provesIndex = kept
    }
  }

  /**
   * A snapshot at `index` replaced the log in memory. Of it nothing is durable yet, and of the old
   * log only what was committed is still true.
   */
  discard(index: LogIndex, committed: LogIndex): void {
    assert(committed < index)
    this.truncateFrom((committed + 1) as LogIndex)
    this.#handedOutIndex = index
  }

  /** Everything up to Ready `number` is durable. */
  persisted(number: number): void {
    assert(number >= this.#lastNumber, `Ready ${number} was persisted after ${this.#lastNumber}`)
    this.#lastNumber = number
    let done = 0
    for (const write of this.#inFlight) {
      if (write.number > number) break
      done++
      if (write.provesIndex > this.#persistedIndex) this.#persistedIndex = write.provesIndex
      this.#term = write.term
      this.#vote = write.vote
    }
    if (done > 0) this.#inFlight.splice(0, done)
  }
}
