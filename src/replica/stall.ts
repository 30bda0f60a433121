/**
 * Notices something that stands still without failing: the log, the applying of what is committed, or the engine
 * that a full log waits for. A leader in which one does would stop everybody, so its leadership is offered to another.
 */
const STALL_MS = 1_000

/** What is waited for at present, as a number that changes with all progress; null: nothing is. */
export type Waiting = () => number | null

export class StallWatch {
  readonly #waiting: Waiting
  readonly #onStall: () => void
  /** Time of ticks, since a process that stood still can't say that its disk did. */
  readonly #ticksMax: number
  #watched: number | null = null
  #ticks = 0
  #wasLeader = false

  /** `onStall` comes again after as long: a transfer may fail, and other machines may be no better. */
  constructor(waiting: Waiting, tickMs: number, onStall: () => void) {
    this.#waiting = waiting
    this.#ticksMax = Math.ceil(STALL_MS / tickMs)
    this.#onStall = onStall
  }

  /** How long the same has been waited for, in ticks. */
  get ticks(): number {
    return this.#ticks
  }

  tick(isLeader: boolean): void {
    const waiting = this.#waiting()
    const isNewLeader = isLeader && !this.#wasLeader
    this.#wasLeader = isLeader
    // Who begins to lead has a second too, whatever it waited for before.
    if (waiting === null || waiting !== this.#watched || isNewLeader) {
      this.#watched = waiting
      this.#ticks = 0
      return
    }
    this.#ticks += 1
    if (this.#ticks < this.#ticksMax || !isLeader) return
    this.#ticks = 0
    this.#onStall()
  }
}
