import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { driveUntilSettled } from './drive.ts'
import { EventHeap, type SimEvent } from './event-heap.ts'
import { createSimLog } from './logger.ts'
import { createSimRandom } from './random.ts'
import { createScheduler, eventTag } from './scheduler.ts'

const TEST = eventTag('test.scheduler')

describe('event heap', () => {
  test('gives events by time, then by insertion, without the cancelled ones', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = createSimRandom(seed)
      const heap = new EventHeap()
      const model: SimEvent[] = []
      const given: SimEvent[] = []
      for (let sequence = 0; sequence < 3_000; sequence++) {
        const choice = random.next()
        if (choice < 0.6) {
          const event = { timeUs: random.u32() % 50, sequence, tag: 0, run: () => undefined }
          heap.push(event)
          model.push(event)
        } else if (choice < 0.85 && model.length > 0) {
          const [event] = model.splice(random.u32() % model.length, 1)
          heap.cancel(event as SimEvent)
          heap.cancel(event as SimEvent)
        } else {
          model.sort((left, right) => left.timeUs - right.timeUs || left.sequence - right.sequence)
          const popped = heap.pop()
          assert.equal(popped, model.shift() ?? null, `seed ${seed}`)
          if (popped !== null) given.push(popped)
        }
        assert.equal(heap.size, model.length, `seed ${seed}`)
      }
      assert(given.length > 100)
    }
  })
})

describe('order', () => {
  test('events run at their times, those of one time in the order they were scheduled', async () => {
    const scheduler = createScheduler()
    const order: string[] = []
    for (const [delayMs, name] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [2.5, 'b'],
    ] as const) {
      scheduler.after(delayMs, TEST, () => order.push(`${name}${scheduler.nowMs}`))
    }
    assert.equal(await scheduler.run(), 'idle')
    assert.deepEqual(order, ['a1', 'b2.5', 'c5', 'd5'])
  })

  test('all microtasks of an event run before the next event, however long their chain', async () => {
    const scheduler = createScheduler()
    const order: string[] = []
    for (const name of ['one', 'two', 'three']) {
      scheduler.after(1, TEST, () => {
        order.push(name)
        void (async () => {
          for (let hop = 0; hop < 1_000; hop++) await Promise.resolve()
          order.push(`${name} done`)
        })()
      })
    }
    await scheduler.run()
    assert.deepEqual(order, ['one', 'one done', 'two', 'two done', 'three', 'three done'])
  })

  test('the end of a turn comes after its microtasks, at the same time; flushes come last', async () => {
    const scheduler = createScheduler()
    const order: string[] = []
    const note = (name: string) => () => void order.push(`${name}@${scheduler.nowMs}`)
    scheduler.after(1, TEST, () => {
      scheduler.flushAfterTurn(note('flush'))
      scheduler.endOfTurn(() => {
        note('end')()
        scheduler.endOfTurn(note('nested'))
        void Promise.resolve().then(note('microtask of end'))
      })
      void Promise.resolve().then(note('microtask'))
    })
    scheduler.after(1, TEST, note('next'))
    await scheduler.run()
    assert.deepEqual(order, ['microtask@1', 'end@1', 'microtask of end@1', 'nested@1', 'flush@1', 'next@1'])
  })
})

describe('runs', () => {
  test('stop at a time, at a condition, after a number of events, or when nothing is left', async () => {
    const scheduler = createScheduler()
    let ticks = 0
    const tick = (): void => {
      ticks++
      if (ticks < 100) scheduler.after(1, TEST, tick)
    }
    scheduler.after(1, TEST, tick)
    assert.equal(await scheduler.run({ untilMs: 10 }), 'time')
    assert.deepEqual([ticks, scheduler.nowMs], [10, 10])
    assert.equal(await scheduler.run({ until: () => ticks === 25 }), 'condition')
    assert.deepEqual([ticks, scheduler.nowMs], [25, 25])
    assert.equal(await scheduler.run({ maxEvents: 5 }), 'events')
    assert.equal(ticks, 30)
    assert.equal(await scheduler.run(), 'idle')
    assert.deepEqual([ticks, scheduler.eventCount], [100, 100])
    assert.equal(await scheduler.run({ untilMs: 500 }), 'time')
    assert.equal(scheduler.nowMs, 500)
  })

  test('an event that throws ends the run with its error', async () => {
    const scheduler = createScheduler()
    scheduler.after(1, TEST, () => {
      throw new Error('broken invariant')
    })
    await assert.rejects(scheduler.run(), /broken invariant/)
  })

  test('endless turns are an error, not a hang', async () => {
    const scheduler = createScheduler()
    const again = (): void => scheduler.endOfTurn(again)
    scheduler.after(1, TEST, again)
    await assert.rejects(scheduler.run(), /without end/)
  })

  test('a body that waits for what never comes is reported', async () => {
    const scheduler = createScheduler()
    await assert.rejects(
      driveUntilSettled(scheduler, () => new Promise(() => undefined)),
      /nothing left to do/,
    )
  })

  test('a kind keeps its number', () => {
    assert.equal(eventTag('test.scheduler'), TEST)
  })
})

describe('trace', () => {
  async function hashOf(extraDelayMs: number, traced: number): Promise<string> {
    const scheduler = createScheduler()
    for (let index = 0; index < 50; index++) {
      scheduler.after(index + (index === 49 ? extraDelayMs : 0), TEST, () => scheduler.trace(traced))
    }
    await scheduler.run()
    return scheduler.traceHash()
  }

  test('is the same for the same run and differs for any other', async () => {
    const hash = await hashOf(0, 1)
    assert.match(hash, /^[0-9a-f]{16}$/)
    assert.equal(await hashOf(0, 1), hash)
    assert.notEqual(await hashOf(0.001, 1), hash)
    assert.notEqual(await hashOf(0, 2), hash)
  })

  test('can be watched event by event', async () => {
    const seen: string[] = []
    const scheduler = createScheduler({ observe: (event) => seen.push(`${event.timeMs} ${event.kind}`) })
    scheduler.after(2, TEST, () => undefined)
    await scheduler.run()
    assert.deepEqual(seen, ['2 test.scheduler'])
  })
})

describe('log', () => {
  test('tells the story with virtual times, and how much of it is missing', async () => {
    const scheduler = createScheduler()
    const log = createSimLog(scheduler, 3)
    const logger = log.logger('n1').with({ group: 1 })
    for (let index = 0; index < 7; index++) {
      scheduler.after(index, TEST, () => logger.warning(`line ${index}`, { error: new Error('disk full') }))
    }
    await scheduler.run()
    const story = log.story().split('\n')
    assert.deepEqual(story[0], '… 4 earlier lines')
    assert.equal(story.length, 4)
    assert.match(story[3] ?? '', /^\s+6\.000 n1 warning line 6 group=1 error="disk full"$/)
  })
})
