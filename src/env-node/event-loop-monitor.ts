/**
 * How late the main loop turns, and how busy it is: a metric, and a reason to give elections more time.
 *
 * A timer is due every SAMPLE_INTERVAL_MS; how late it fires is the delay. One callback that takes 50 ms
 * shows as a delay of 30 to 50 ms: the longest delay is about the longest time for which nothing else
 * got its turn. (Node's own monitor forgets a delay that spans its reset, and counts the interval in.)
 */
import { createHistogram, type EventLoopUtilization } from 'node:perf_hooks'

export type EventLoopReading = {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Part of the time in which the loop was not waiting, 0 to 1. */
  readonly busyRatio: number
}

export interface EventLoopMonitor {
  /** Since the start or the last reset. */
  read(): EventLoopReading
  reset(): void
  stop(): void
}

const SAMPLE_INTERVAL_MS = 20
const MICROSECONDS_PER_MS = 1_000

export function startEventLoopMonitor(): EventLoopMonitor {
  // In microseconds, of which it takes no fewer than one.
  const delays = createHistogram()
  let utilizationAtReset: EventLoopUtilization = performance.eventLoopUtilization()
  let lastFiredMs = performance.now()
  const sampling = setInterval(() => {
    const nowMs = performance.now()
    const delayMs = nowMs - lastFiredMs - SAMPLE_INTERVAL_MS
    lastFiredMs = nowMs
    delays.record(Math.max(1, Math.round(delayMs * MICROSECONDS_PER_MS)))
  }, SAMPLE_INTERVAL_MS)
  sampling.unref()
  const inMs = (microseconds: number): number => (delays.count === 0 ? 0 : microseconds / MICROSECONDS_PER_MS)
  return {
    read: () => ({
      p50Ms: inMs(delays.percentile(50)),
      p99Ms: inMs(delays.percentile(99)),
      maxMs: inMs(delays.max),
      busyRatio: performance.eventLoopUtilization(utilizationAtReset).utilization,
    }),
    reset: () => {
      delays.reset()
      utilizationAtReset = performance.eventLoopUtilization()
    },
    stop: () => clearInterval(sampling),
  }
}
