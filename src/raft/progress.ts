/**
 * What the leader knows of one peer's log.
 *
 *   probe      agreement is being sought: one append at a time, then wait for its answer
 *   replicate  agreement was found: appends are pipelined up to the in-flight limits
 *   snapshot   the log no longer reaches back far enough: nothing is sent until the host reports
 *
 * `match` is what the peer said is durable there; `next` is what to send next. match < next.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import { INDEX_ZERO } from '../base/log-entry.ts'
import { Inflights } from './inflights.ts'
import type { PeerProgress } from './raft.ts'

export class Progress {
  readonly id: ReplicaId
  readonly inflights: Inflights
  #state: 'probe' | 'replicate' | 'snapshot' = 'probe'
  #match: LogIndex = INDEX_ZERO
  #next: LogIndex
  /** Only in `probe`: an append is out and unanswered. */
  #isWaiting = false
  /** Only in `probe`: an append was sent since it began, so a refusal may speak of it. */
  #hasProbed = false
  /** An append is due even if it carries nothing new: to find agreement, or to notice a lost one. */
  isDue = true
  /** The highest commit index it was told with an append. */
  sentCommit: LogIndex = INDEX_ZERO
  /** Heard from since the last check of the quorum. */
  isRecentlyActive: boolean
  /** As it was at the last check: who asks right after one wants to know that. */
  #wasActive = false
  /** Its log is damaged: what it holds counts for no quorum. */
  isRepairing = false
  /** The newest heartbeat round it answered. */
  ackedRound = 0

  constructor(
    id: ReplicaId,
    next: LogIndex,
    isRecentlyActive: boolean,
    maxMessages: number,
    maxBytes: number,
  ) {
    assert(next >= 1)
    this.id = id
    this.#next = next
    this.isRecentlyActive = isRecentlyActive
    this.inflights = new Inflights(maxMessages, maxBytes)
  }

  /** Within the last two checks of the quorum: the last one alone may have been a moment ago. */
  get wasHeardLately(): boolean {
    return this.isRecentlyActive || this.#wasActive
  }

  get state(): 'probe' | 'replicate' | 'snapshot' {
    return this.#state
  }

  get match(): LogIndex {
    return this.#match
  }

  get next(): LogIndex {
    return this.#next
  }

  /** Nothing may be sent now, not even an empty append. */
  get isBlocked(): boolean {
    return this.#state === 'snapshot' || (this.#state === 'probe' && this.#isWaiting)
  }

  /** An append up to `last` was sent. */
  sent(last: LogIndex, bytes: number): void {
    assert(!this.isBlocked)
    this.isDue = false
    if (this.#state === 'probe') {
      this.#isWaiting = true
      this.#hasProbed = true
    } else if (last >= this.#next) {
      this.inflights.add(last, bytes)
      this.#next = (last + 1) as LogIndex
    }
  }

  /** The peer holds everything up to `index`. True when that was news. */
  accepted(index: LogIndex): boolean {
    const isNews = index > this.#match
    if (isNews) this.#match = index
    if (this.#next <= index) this.#next = (index + 1) as LogIndex
    if (this.#state === 'replicate') this.inflights.freeTo(index)
    return isNews
  }

  /**
   * The peer refused an append after `rejected`; agreement may be found at `hint` or below.
   * False when that is old news.
   */
  refused(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.#state === 'snapshot') return false
    if (this.#state === 'replicate') {
      if (rejected <= this.#match) return false
      this.toProbe((this.#match + 1) as LogIndex)
      return true
    }
    if (!this.#hasProbed || rejected !== this.#next - 1) return false
    this.toProbe(Math.max(Math.min(rejected, hint + 1), this.#match + 1) as LogIndex)
    return true
  }

  /** A damaged peer took back what it had acknowledged; agreement may be found at `hint` or below. */
  lost(hint: LogIndex): void {
    const next = Math.min(hint, this.#match) + 1
    this.#match = INDEX_ZERO
    this.toProbe(next as LogIndex)
  }

  toProbe(next: LogIndex): void {
    assert(next > this.#match)
    this.#state = 'probe'
    this.#next = next
    this.#isWaiting = false
    this.#hasProbed = false
    this.isDue = true
    this.inflights.clear()
  }

  /** Like `toProbe`, but only after the next sign of life: what was to come is already on its way, or failed. */
  toProbeLater(next: LogIndex): void {
    this.toProbe(next)
    this.#isWaiting = true
  }

  toReplicate(): void {
    assert(this.#state !== 'replicate')
    this.#state = 'replicate'
    this.#next = (this.#match + 1) as LogIndex
    this.#isWaiting = false
    this.inflights.clear()
  }

  toSnapshot(): void {
    this.#state = 'snapshot'
    this.#isWaiting = false
    this.isDue = false
    this.inflights.clear()
  }

  /** The quorum was checked: from now on only what comes later counts for the next check. */
  beginPeriod(): void {
    this.#wasActive = this.isRecentlyActive
    this.isRecentlyActive = false
  }

  /** It answered a heartbeat: an append that got lost may be noticed now. */
  heard(isBehind: boolean): void {
    this.isRecentlyActive = true
    this.#isWaiting = false
    if (isBehind || this.#state === 'probe') this.isDue = true
  }

  check(lastIndex: LogIndex): void {
    assert(this.#match < this.#next, `peer ${this.id}: match ${this.#match}, next ${this.#next}`)
    assert(this.#match <= lastIndex, `peer ${this.id}: match ${this.#match} beyond ${lastIndex}`)
    assert(this.#next <= lastIndex + 1, `peer ${this.id}: next ${this.#next} beyond ${lastIndex}`)
    assert(this.#state === 'replicate' || this.inflights.count === 0)
    this.inflights.check()
  }

  describe(): PeerProgress {
    return {
      state: this.#state,
      match: this.#match,
      next: this.#next,
      inflightMessages: this.inflights.count,
      inflightBytes: this.inflights.bytes,
      recentlyActive: this.wasHeardLately,
    }
  }
}
