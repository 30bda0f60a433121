/**
 * Notices a log that stands still without failing. What is not durable here is not applied here: a leader
 * whose disk stands still would stop everybody, so its leadership is offered to another voter.
 */
import type { Persister } from './persister.ts'

const LOG_STALL_MS = 1_000

export class LogStall {
  readonly #persister: Persister
  readonly #onStall: () => void
  /** Time of ticks, since a process that stood still can't say that its disk did. */
  readonly #ticksMax: number
  /** What the log was asked to write and is not durable, and the ticks since that was seen first. */
  #watchedStep: number | null = null
  #watchedTicks = 0

  /** `onStall` comes again after as long: a transfer may fail, and other disks may be no better. */
  constructor(persister: Persister, tickMs: number, onStall: () => void) {
    this.#persister = persister
    this.#ticksMax = Math.ceil(LOG_STALL_MS / tickMs)
    this.#onStall = onStall
  }

  tick(isLeader: boolean): void {
    const waiting = this.#persister.oldestWaiting
    if (waiting === null || waiting !== this.#watchedStep) {
      this.#watchedStep = waiting
      this.#watchedTicks = 0
      return
    }
    this.#watchedTicks += 1
    if (this.#watchedTicks < this.#ticksMax || !isLeader) return
    this.#watchedTicks = 0
    this.#onStall()
  }
}
