/**
 * The machine's clock.
 *
 * Timers keep the process alive: a pending timer is pending work, and whoever stops cancels his.
 * Node may fire a timer early (it counts from the start of the turn, in whole milliseconds), so each is
 * given a millisecond more, checked against the monotonic clock, and armed again for what is missing.
 * Without that millisecond most would wake an idle process twice.
 */
import assert from 'node:assert/strict'
import type { Clock, Timer } from '../env/clock.ts'
import { turnQueue } from './turn-queue.ts'

/** Node fires longer timers at once; about 24.8 days. */
export const MAX_TIMER_DELAY_MS = 2 ** 31 - 1

/** `onTimer` hears how long after its time each timer fired, in ms. */
export function createNodeClock(onTimer: (lateMs: number) => void = ignore): Clock {
  return {
    wallMs: Date.now,
    monotonicMs: () => performance.now(),
    setTimer: (delayMs, run) => new NodeTimer(delayMs, run, onTimer),
    endOfTurn: (run) => turnQueue.endOfTurn(run),
  }
}

class NodeTimer implements Timer {
  readonly #dueMs: number
  readonly #onTimer: (lateMs: number) => void
  #run: (() => void) | null
  #timeout: NodeJS.Timeout | null = null
  #immediate: NodeJS.Immediate | null = null
  readonly #onTimeout = (): void => {
    const missingMs = this.#dueMs - performance.now()
    if (missingMs > 0) return this.#arm(missingMs)
    this.#onTimer(-missingMs)
    const run = this.#run
    this.#run = null
    this.#timeout = null
    run?.()
  }

  constructor(delayMs: number, run: () => void, onTimer: (lateMs: number) => void) {
    assert(delayMs >= 0 && delayMs <= MAX_TIMER_DELAY_MS, `timer delay out of range: ${delayMs} ms`)
    this.#dueMs = performance.now() + delayMs
    this.#run = run
    this.#onTimer = onTimer
    if (delayMs === 0) this.#yield()
    else this.#arm(delayMs)
  }

  cancel(): void {
    if (this.#immediate !== null) {
      clearImmediate(this.#immediate)
      this.#immediate = null
      this.#run = null
    }
    if (this.#timeout === null) return
    clearTimeout(this.#timeout)
    this.#timeout = null
    this.#run = null
  }

  /**
   * A long piece of work that gives way to others wants to go on at once, not in a millisecond. Two
   * immediates, because one may still come before the end of this turn.
   */
  #yield(): void {
    this.#immediate = setImmediate(() => {
      this.#immediate = setImmediate(() => {
        this.#immediate = null
        const run = this.#run
        this.#run = null
        run?.()
      })
    })
  }

  #arm(delayMs: number): void {
    this.#timeout = setTimeout(this.#onTimeout, Math.min(Math.floor(delayMs) + 1, MAX_TIMER_DELAY_MS))
  }
}

function ignore(): void {}
