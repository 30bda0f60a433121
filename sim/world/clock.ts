/**
 * The clock of one incarnation of a simulated process, and the gate through which everything that
 * happens to that process passes: timers, packets, completed disk work.
 *
 * Frozen (SIGSTOP, a paused machine): time goes on, nothing arrives; at the thaw everything arrives
 * late, in its order, before anything newer. Killed: nothing arrives ever again, so no timer, promise
 * or callback of that incarnation does anything more.
 */
import assert from 'node:assert/strict'
import type { Clock, Timer } from '../../src/env/clock.ts'
import { eventTag, type Scheduled, type Scheduler } from './scheduler.ts'

/** What the wall clock of a node without skew shows at virtual time 0. */
export const WALL_START_MS = Date.UTC(2026, 0, 1)
/** Things that wait for a frozen node to thaw. */
const MAX_BACKLOG = 1_000_000
const MONOTONIC_START_MS = 1

const TIMER = eventTag('timer')
const THAW = eventTag('thaw')

export type SimClockOptions = {
  /** How far the wall clock is ahead of the true time; negative: behind. */
  readonly skewMs?: number
  /** How much faster than true time both clocks run. */
  readonly driftPerMillion?: number
}

export interface Gate {
  readonly state: 'running' | 'frozen' | 'killed'
  /** Calls `run` now, at the thaw, or never. */
  deliver(run: () => void): void
}

export interface SimClock extends Clock, Gate {
  /** Moves the wall clock, backwards too. Monotonic time is not touched. */
  jump(byMs: number): void
  freeze(): void
  thaw(): void
  kill(): void
}

export function createSimClock(scheduler: Scheduler, options: SimClockOptions = {}): SimClock {
  return new IncarnationClock(scheduler, options)
}

class ClockTimer implements Timer {
  scheduled: Scheduled | null = null
  /** Null once it ran or was cancelled. */
  #run: (() => void) | null

  constructor(run: () => void) {
    this.#run = run
  }

  fire(): void {
    const run = this.#run
    this.#run = null
    run?.()
  }

  cancel(): void {
    this.#run = null
    this.scheduled?.cancel()
  }
}

class IncarnationClock implements SimClock {
  readonly #scheduler: Scheduler
  readonly #startMs: number
  readonly #rate: number
  #wallOffsetMs: number
  #state: 'running' | 'frozen' | 'killed' = 'running'
  #backlog: (() => void)[] = []
  #isThawScheduled = false

  constructor(scheduler: Scheduler, options: SimClockOptions) {
    const driftPerMillion = options.driftPerMillion ?? 0
    assert(Math.abs(driftPerMillion) < 500_000, `no clock drifts by ${driftPerMillion} ppm`)
    this.#scheduler = scheduler
    this.#startMs = scheduler.nowMs
    this.#rate = 1 + driftPerMillion / 1_000_000
    this.#wallOffsetMs = WALL_START_MS + scheduler.nowMs + (options.skewMs ?? 0)
  }

  get state(): 'running' | 'frozen' | 'killed' {
    return this.#state
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#elapsedMs())
  }

  monotonicMs(): number {
    return MONOTONIC_START_MS + this.#elapsedMs()
  }

  setTimer(delayMs: number, run: () => void): Timer {
    if (!(delayMs >= 0 && Number.isFinite(delayMs))) assert.fail(`timer delay out of range: ${delayMs} ms`)
    const timer = new ClockTimer(run)
    if (this.#state === 'killed') return timer
    timer.scheduled = this.#scheduler.after(delayMs / this.#rate, TIMER, () => {
      if (this.#isOpen) timer.fire()
      else this.deliver(() => timer.fire())
    })
    return timer
  }

  endOfTurn(run: () => void): void {
    if (this.#state === 'killed') return
    this.#scheduler.endOfTurn(() => {
      if (this.#isOpen) run()
      else this.deliver(run)
    })
  }

  deliver(run: () => void): void {
    if (this.#state === 'killed') return
    if (this.#isOpen) return run()
    assert(this.#backlog.length < MAX_BACKLOG, 'a frozen node holds back too much')
    this.#backlog.push(run)
  }

  jump(byMs: number): void {
    assert(Number.isFinite(byMs))
    this.#wallOffsetMs += byMs
  }

  freeze(): void {
    assert(this.#state === 'running')
    this.#state = 'frozen'
  }

  thaw(): void {
    assert(this.#state === 'frozen')
    this.#state = 'running'
    this.#scheduleThaw()
  }

  kill(): void {
    this.#state = 'killed'
    this.#backlog = []
  }

  /** What happens to the process may happen now. */
  get #isOpen(): boolean {
    return this.#state === 'running' && this.#backlog.length === 0
  }

  #elapsedMs(): number {
    return (this.#scheduler.nowMs - this.#startMs) * this.#rate
  }

  // One event per thing held back: each is a turn of its own. What arrives meanwhile queues behind.
  #scheduleThaw(): void {
    if (this.#isThawScheduled || this.#backlog.length === 0) return
    this.#isThawScheduled = true
    this.#scheduler.after(0, THAW, () => {
      this.#isThawScheduled = false
      if (this.#state !== 'running') return
      const run = this.#backlog.shift()
      this.#scheduleThaw()
      run?.()
    })
  }
}
