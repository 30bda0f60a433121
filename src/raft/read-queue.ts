/**
 * Linearizable reads that wait: on the leader for a round of heartbeats, on a follower for the
 * leader's answer (thesis §6.4). Both queues are bounded; what does not fit is refused.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'

/** Reads waiting on one leader, its own and its followers' batches. */
export const WAITING_READS_MAX = 65_536
/** Batches a follower has sent and not seen answered. */
export const FORWARDED_BATCHES_MAX = 1024
/** Reads in one batch. */
export const BATCH_READS_MAX = 65_536

export type Read = { readonly from: ReplicaId; readonly context: number }
type WaitingRead = Read & { readonly index: LogIndex; readonly round: number }

/** On the leader. `context` is a caller's own number, or a follower's batch. */
export class ReadQueue {
  /** Asked before this leader had committed an entry of its term: its commit index may be stale. */
  #early: Read[] = []
  #waiting: WaitingRead[] = []

  get isFull(): boolean {
    return this.#early.length + this.#waiting.length >= WAITING_READS_MAX
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0
  }

  pushEarly(read: Read): void {
    assert(!this.isFull)
    this.#early.push(read)
  }

  takeEarly(): readonly Read[] {
    const taken = this.#early
    this.#early = []
    return taken
  }

  /** `index` may be read once round `round`, which has not begun yet, is answered by a quorum. */
  push(read: Read, index: LogIndex, round: number): void {
    const last = this.#waiting[this.#waiting.length - 1]
    assert(last === undefined || (last.round <= round && last.index <= index), 'reads are asked in order')
    this.#waiting.push({ from: read.from, context: read.context, index, round })
  }

  /** The reads whose round is `round` or earlier. */
  takeAnswered(round: number): readonly WaitingRead[] {
    let count = 0
    while (count < this.#waiting.length && (this.#waiting[count] as WaitingRead).round <= round) count++
    return count === 0 ? [] : this.#waiting.splice(0, count)
  }

  /** Empties the queue: the leadership it relied on is gone. */
  takeAll(): readonly Read[] {
    const taken = [...this.#early, ...this.#waiting]
    this.#early = []
    this.#waiting = []
    return taken
  }
}

type Batch = { readonly contexts: readonly number[]; ticksLeft: number }

/** On a follower. */
export class ForwardedReads {
  #unsent: number[] = []
  /** By batch number; a Map keeps the order of sending. */
  readonly #sent = new Map<number, Batch>()
  #lastBatch: number

  /**
   * `firstBatch` must differ from one incarnation to the next: an answer to a batch of before a crash
   * would otherwise be taken for the answer to one of after it, and be older than what it reads.
   */
  constructor(firstBatch: number) {
    assert(Number.isSafeInteger(firstBatch) && firstBatch >= 0)
    this.#lastBatch = firstBatch
  }

  get isFull(): boolean {
    return this.#sent.size >= FORWARDED_BATCHES_MAX || this.#unsent.length >= BATCH_READS_MAX
  }

  get hasUnsent(): boolean {
    return this.#unsent.length > 0
  }

  push(context: number): void {
    assert(!this.isFull)
    this.#unsent.push(context)
  }

  /** All unsent reads become one batch, which is given up after `ticks` without an answer. */
  send(ticks: number): number {
    assert(this.hasUnsent)
    this.#lastBatch++
    this.#sent.set(this.#lastBatch, { contexts: this.#unsent, ticksLeft: ticks })
    this.#unsent = []
    return this.#lastBatch
  }

  /** The reads of a batch; none when it is not waited for any more. */
  takeBatch(batch: number): readonly number[] {
    const found = this.#sent.get(batch)
    if (found === undefined) return []
    this.#sent.delete(batch)
    return found.contexts
  }

  /** The reads whose answer is overdue. */
  tick(): readonly number[] {
    if (this.#sent.size === 0) return []
    const overdue: number[] = []
    for (const [number, batch] of this.#sent) {
      batch.ticksLeft--
      if (batch.ticksLeft > 0) continue
      this.#sent.delete(number)
      for (const context of batch.contexts) overdue.push(context)
    }
    return overdue
  }

  takeAll(): readonly number[] {
    const taken: number[] = []
    for (const batch of this.#sent.values()) for (const context of batch.contexts) taken.push(context)
    for (const context of this.#unsent) taken.push(context)
    this.#sent.clear()
    this.#unsent = []
    return taken
  }
}
