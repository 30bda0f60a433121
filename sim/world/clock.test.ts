import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { describeClock } from '../../test/conformance/clock-suite.ts'
import { createSimClock, WALL_START_MS } from './clock.ts'
import { driveUntilSettled } from './drive.ts'
import { createScheduler, eventTag } from './scheduler.ts'

for (const driftPerMillion of [0, 300, -300]) {
  describeClock(`sim clock, drift ${driftPerMillion} ppm`, () => {
    const scheduler = createScheduler()
    const clock = createSimClock(scheduler, { driftPerMillion, skewMs: 1234 })
    return { clock, run: (body) => driveUntilSettled(scheduler, body) }
  })
}

const TEST = eventTag('test.clock')

describe('skew, drift, jumps', () => {
  test('skew shifts the wall, drift stretches both clocks, a jump moves only the wall', async () => {
    const scheduler = createScheduler()
    const truth = createSimClock(scheduler)
    const skewed = createSimClock(scheduler, { skewMs: -500 })
    const fast = createSimClock(scheduler, { driftPerMillion: 1_000 })
    const monotonicStart = fast.monotonicMs()
    await scheduler.run({ untilMs: 100_000 })
    assert.equal(truth.wallMs(), WALL_START_MS + 100_000)
    assert.equal(skewed.wallMs(), WALL_START_MS + 99_500)
    assert.equal(fast.wallMs(), WALL_START_MS + 100_100)
    assert(Math.abs(fast.monotonicMs() - monotonicStart - 100_100) < 1e-6)
    const before = truth.monotonicMs()
    truth.jump(-60_000)
    assert.equal(truth.wallMs(), WALL_START_MS + 40_000)
    assert.equal(truth.monotonicMs(), before)
  })

  test('a fast clock fires its timers sooner by true time', async () => {
    const scheduler = createScheduler()
    const fast = createSimClock(scheduler, { driftPerMillion: 100_000 })
    let firedAtMs = 0
    fast.setTimer(1_100, () => {
      firedAtMs = scheduler.nowMs
    })
    await scheduler.run()
    assert(Math.abs(firedAtMs - 1_000) < 0.01)
  })
})

describe('freezing and killing', () => {
  test('a frozen process gets everything at the thaw, late and in order, before anything newer', async () => {
    const scheduler = createScheduler()
    const clock = createSimClock(scheduler)
    const order: string[] = []
    const at = (delayMs: number, name: string): void =>
      void clock.setTimer(delayMs, () => order.push(`${name}@${scheduler.nowMs}`))
    at(5, 'before')
    at(20, 'held1')
    at(30, 'held2')
    at(50, 'same time')
    const cancelled = clock.setTimer(25, () => order.push('cancelled'))
    scheduler.after(10, TEST, () => clock.freeze())
    scheduler.after(40, TEST, () => cancelled.cancel())
    scheduler.after(50, TEST, () => clock.thaw())
    at(60, 'after')
    await scheduler.run()
    assert.deepEqual(order, ['before@5', 'held1@50', 'held2@50', 'same time@50', 'after@60'])
  })

  test('frozen again while thawing, the rest waits again', async () => {
    const scheduler = createScheduler()
    const clock = createSimClock(scheduler)
    const order: number[] = []
    for (const delayMs of [1, 2, 3]) {
      clock.setTimer(delayMs, () => {
        order.push(scheduler.nowMs)
        if (order.length === 1) clock.freeze()
      })
    }
    clock.freeze()
    scheduler.after(10, TEST, () => clock.thaw())
    scheduler.after(20, TEST, () => clock.thaw())
    await scheduler.run()
    assert.deepEqual(order, [10, 20, 20])
  })

  test('monotonic time goes on while frozen', async () => {
    const scheduler = createScheduler()
    const clock = createSimClock(scheduler)
    const start = clock.monotonicMs()
    clock.freeze()
    await scheduler.run({ untilMs: 1_000 })
    assert.equal(clock.monotonicMs() - start, 1_000)
  })

  test('nothing of a killed incarnation ever runs again', async () => {
    const scheduler = createScheduler()
    const clock = createSimClock(scheduler)
    let calls = 0
    const count = (): void => void calls++
    clock.setTimer(10, count)
    scheduler.after(5, TEST, () => {
      clock.endOfTurn(count)
      clock.setTimer(0, count)
      clock.freeze()
      clock.deliver(count)
      clock.kill()
      clock.endOfTurn(count)
      clock.setTimer(1, count)
      clock.deliver(count)
    })
    await scheduler.run()
    assert.equal(calls, 0)
    assert.equal(clock.state, 'killed')
  })
})
