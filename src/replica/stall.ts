/**
 * Notices something that stands still without failing: the log, the applying of what is committed, or the engine
 * that a full log waits for. A leader in which one does would stop everybody, so its leadership is offered to another.
 */
import type { Applier } from './applier.ts'
import type { LogCutter } from './log-cutter.ts'
import type { Persister } from './persister.ts'

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

export type StallParts = {
  readonly persister: Pick<Persister, 'oldestWaiting'>
  readonly applier: Pick<Applier<unknown, unknown>, 'queuedEntries' | 'progress'>
  readonly cutter: Pick<LogCutter, 'isFull' | 'cuts'>
}

/** What may stand still in a replica. */
export class Stalls {
  readonly #tickMs: number
  readonly #log: StallWatch
  readonly #applying: StallWatch
  readonly #cutting: StallWatch

  /** `onStall` is told what a leader has not done for a second. */
  constructor({ persister, applier, cutter }: StallParts, tickMs: number, onStall: (what: string) => void) {
    const watch = (waiting: Waiting, what: string): StallWatch =>
      new StallWatch(waiting, tickMs, () => onStall(what))
    this.#tickMs = tickMs
    this.#log = watch(() => persister.oldestWaiting, 'the log has not finished a write')
    this.#applying = watch(() => (applier.queuedEntries > 0 ? applier.progress : null), 'nothing was applied')
    this.#cutting = watch(
      () => (cutter.isFull ? cutter.cuts : null),
      'the engine has not persisted what a full log waits for',
    )
  }

  /** How long what is committed has waited to become part of the state, without any progress. */
  get behindMs(): number {
    return Math.max(this.#log.ticks, this.#applying.ticks) * this.#tickMs
  }

  tick(isLeader: boolean): void {
    this.#log.tick(isLeader)
    this.#applying.tick(isLeader)
    this.#cutting.tick(isLeader)
  }
}
