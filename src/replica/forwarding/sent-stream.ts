/** Places 1, 2, 3 … of commands that were sent to one leader in one term, until the log tells what became of them. */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../../base/ids.ts'
import type { Term } from '../../base/log-entry.ts'
import { batchEnd } from '../batch-end.ts'
import type { Responder } from '../outcome.ts'

/** Who waits for what was sent. */
export interface Sender<Reply> extends Responder<Reply> {
  /** He was told something else meanwhile: what the leader has not taken yet need not happen any more. */
  readonly isGone: boolean
}

export type Sent<Command, Reply> = {
  readonly place: number
  readonly command: Command
  /** Roughly what it takes in the log. */
  readonly bytes: number
  readonly sender: Sender<Reply>
}

const NOTHING: readonly never[] = []

export class SentStream<Command, Reply> {
  readonly number: number
  readonly leader: ReplicaId
  readonly term: Term
  /** Without gaps by place; before `#head` their fate is known. */
  #sent: Sent<Command, Reply>[] = []
  #head = 0
  #lastPlace = 0
  #taken = 1
  #isClosed = false

  constructor(number: number, leader: ReplicaId, term: Term) {
    this.number = number
    this.leader = leader
    this.term = term
  }

  /** The first place that the leader has not taken, as far as is known. */
  get taken(): number {
    return this.#taken
  }

  /** The leader takes nothing more of it. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  get lastPlace(): number {
    return this.#lastPlace
  }

  get isEmpty(): boolean {
    return this.#head === this.#sent.length
  }

  add(command: Command, bytes: number, sender: Sender<Reply>): void {
    assert(!this.#isClosed)
    this.#lastPlace += 1
    this.#sent.push({ place: this.#lastPlace, command, bytes, sender })
  }

  /** Those from `place` on that the leader has not taken, at most `countMax`, with at most `bytesMax` if more than one. */
  notTaken(place: number, countMax: number, bytesMax: number): readonly Sent<Command, Reply>[] {
    const from = this.#at(Math.max(place, this.#taken))
    return this.#sent.slice(from, batchEnd(this.#sent, from, countMax, bytesMax))
  }

  /** The leader has taken all before `next`: they are not sent again. */
  tookBefore(next: number): void {
    assert(next <= this.#lastPlace + 1, `places up to ${this.#lastPlace} were sent, not ${next - 1}`)
    this.#taken = Math.max(this.#taken, next)
  }

  /** Ends it, and returns those from `place` on, which will never be taken. */
  close(place: number): readonly Sent<Command, Reply>[] {
    this.#isClosed = true
    return this.#sent.splice(this.#at(place))
  }

  /** Those before `place` whose fate was open, in order; now it is known. */
  resolveBefore(place: number): readonly Sent<Command, Reply>[] {
    const end = this.#at(place)
    if (end === this.#head) return NOTHING
    const resolved = this.#sent.slice(this.#head, end)
    this.#head = end
    this.#taken = Math.max(this.#taken, Math.min(place, this.#lastPlace + 1))
    // Soon, because the array holds on to all who wait; seldom enough for O(1).
    if (this.#head * 2 >= this.#sent.length) {
      this.#sent = this.#sent.slice(this.#head)
      this.#head = 0
    }
    return resolved
  }

  /** Where the place is, or would be. */
  #at(place: number): number {
    const first = this.#sent[this.#head]?.place ?? place
    return Math.min(this.#sent.length, this.#head + Math.max(0, place - first))
  }
}
