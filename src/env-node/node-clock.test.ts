import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeClock } from '../../test/conformance/clock-suite.ts'
import { createNodeClock, MAX_TIMER_DELAY_MS } from './node-clock.ts'
import { createTurnQueue } from './turn-queue.ts'

describeClock('node clock', () => ({ clock: createNodeClock(), run: (body) => body() }))

test('a delay that Node would turn into none is refused', () => {
  const clock = createNodeClock()
  assert.throws(() => clock.setTimer(MAX_TIMER_DELAY_MS + 1, () => undefined))
  clock.setTimer(MAX_TIMER_DELAY_MS, () => undefined).cancel()
})

test('many callbacks of one turn run in one turn, flushes last, microtasks between', async () => {
  const queue = createTurnQueue()
  const order: string[] = []
  await new Promise<void>((resolve) => {
    queue.flushAfterTurn(() => {
      order.push('flush')
      setImmediate(resolve)
    })
    queue.endOfTurn(() => {
      order.push('run')
      void Promise.resolve().then(() => order.push('microtask'))
      queue.endOfTurn(() => order.push('nested'))
    })
    setImmediate(() => order.push('later turn'))
  })
  assert.deepEqual(order.slice(0, 4), ['run', 'nested', 'microtask', 'flush'])
})
