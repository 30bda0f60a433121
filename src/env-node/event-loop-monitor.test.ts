import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEventLoopMonitor } from './event-loop-monitor.ts'
import { createNodeClock } from './node-clock.ts'

test('the timers of a clock show how long the loop was kept from turning', async () => {
  const monitor = createEventLoopMonitor()
  const clock = createNodeClock((lateMs) => monitor.timerFired(lateMs))
  const wait = (delayMs: number): Promise<void> =>
    new Promise((resolve) => void clock.setTimer(delayMs, resolve))
  await wait(20)
  monitor.reset()
  const fired = wait(20)
  const end = performance.now() + 120
  while (performance.now() < end);
  await fired
  const reading = monitor.read()
  assert(reading.maxMs > 80 && reading.maxMs < 5_000, `max ${reading.maxMs}`)
  assert(reading.p50Ms <= reading.p99Ms && reading.p99Ms <= reading.maxMs + 1)
  assert(reading.busyRatio > 0.3 && reading.busyRatio <= 1, `busy ${reading.busyRatio}`)
  monitor.reset()
  assert(monitor.read().maxMs < 80)
})
