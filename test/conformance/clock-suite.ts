/** What every `Clock` must do. Call it in a test file with a factory that gives a running clock. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Clock, sleep } from '../../src/env/clock.ts'

export type ClockUnderTest = {
  readonly clock: Clock
  /** Runs `body`, and lets time pass until it has settled. */
  readonly run: <T>(body: () => Promise<T>) => Promise<T>
}

/** Sums of binary fractions are off by less than this. */
const ROUNDING_MS = 1e-6

export function describeClock(name: string, make: () => ClockUnderTest): void {
  const check = (title: string, body: (clock: Clock) => Promise<void>): void => {
    test(title, () => {
      const { clock, run } = make()
      return run(() => body(clock))
    })
  }
  describe(`${name}: time`, () => describeTime(check))
  describe(`${name}: timers`, () => describeTimers(check))
  describe(`${name}: the end of a turn`, () => describeTurns(check))
}

type Check = (title: string, body: (clock: Clock) => Promise<void>) => void

function describeTime(check: Check): void {
  check('wall time is a whole number of milliseconds', async (clock) => {
    assert(Number.isSafeInteger(clock.wallMs()))
    assert(clock.wallMs() > Date.UTC(2020, 0, 1))
  })

  check('monotonic time never runs backwards and passes', async (clock) => {
    const start = clock.monotonicMs()
    let last = start
    for (let round = 0; round < 20; round++) {
      await sleep(clock, round % 3)
      const now = clock.monotonicMs()
      assert(now >= last)
      last = now
    }
    assert(last - start >= 19 - ROUNDING_MS)
  })
}

function describeTimers(check: Check): void {
  check('a timer runs once, later, and never too soon', async (clock) => {
    for (const delayMs of [0, 0.2, 1, 1.5, 7, 20]) {
      const start = clock.monotonicMs()
      let runs = 0
      const elapsedMs = await new Promise<number>((resolve) => {
        clock.setTimer(delayMs, () => {
          runs++
          resolve(clock.monotonicMs() - start)
        })
        assert.equal(runs, 0)
      })
      assert(elapsedMs >= delayMs - ROUNDING_MS, `${delayMs} ms took ${elapsedMs}`)
      await sleep(clock, 5)
      assert.equal(runs, 1)
    }
  })

  check('a cancelled timer does not run, and cancelling again does nothing', async (clock) => {
    let runs = 0
    const timer = clock.setTimer(3, () => runs++)
    const other = clock.setTimer(3, () => runs++)
    timer.cancel()
    timer.cancel()
    await sleep(clock, 20)
    assert.equal(runs, 1)
    other.cancel()
  })

  check('timers run in the order of their times', async (clock) => {
    const order: number[] = []
    for (const delayMs of [40, 5, 20]) clock.setTimer(delayMs, () => order.push(delayMs))
    await sleep(clock, 60)
    assert.deepEqual(order, [5, 20, 40])
  })

  check('a timer can cancel another that is due with it', async (clock) => {
    let runs = 0
    const timers = [0, 1].map((index) =>
      clock.setTimer(5, () => {
        runs++
        timers[1 - index]?.cancel()
      }),
    )
    await sleep(clock, 30)
    assert.equal(runs, 1)
  })

  check('an impossible delay is a mistake, not a timer', async (clock) => {
    for (const delayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => clock.setTimer(delayMs, () => undefined))
    }
  })
}

function describeTurns(check: Check): void {
  check('endOfTurn never runs inside the call', async (clock) => {
    let isRun = false
    await new Promise<void>((resolve) => {
      clock.endOfTurn(() => {
        isRun = true
        resolve()
      })
      assert(!isRun)
    })
    assert(isRun)
  })

  check(
    'endOfTurn keeps its order, runs after microtasks and before timers that were due later',
    async (clock) => {
      const order: string[] = []
      await new Promise<void>((resolve) => {
        clock.setTimer(1, () => {
          clock.setTimer(0, resolve)
          clock.endOfTurn(() => order.push('first'))
          clock.endOfTurn(() => order.push('second'))
          void Promise.resolve().then(() => order.push('microtask'))
        })
      })
      assert.deepEqual(order, ['microtask', 'first', 'second'])
    },
  )

  check('what the end of a turn queues for its end still runs before the next timer', async (clock) => {
    const order: string[] = []
    await new Promise<void>((resolve) => {
      clock.setTimer(1, () => {
        clock.setTimer(0, () => {
          order.push('timer')
          resolve()
        })
        clock.endOfTurn(() => clock.endOfTurn(() => clock.endOfTurn(() => order.push('nested'))))
      })
    })
    assert.deepEqual(order, ['nested', 'timer'])
  })
}
