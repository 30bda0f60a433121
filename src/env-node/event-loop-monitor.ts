/**
 * How late the main loop turns, and how busy it is: a metric, and a reason to give elections more time.
 *
 * The samples are the timers that the process has anyway (a node's ticks come every few hundredths of a
 * second): how late one fires is the delay. One callback that takes 50 ms shows as a delay of up to 50 ms.
 * A timer of its own would wake an idle process as often as the ticks do. (Node's own monitor has one, forgets
 * a delay that spans its reset, and counts the interval in.)
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
  /** A timer of the main loop fired, so long after it was due. */
  timerFired(lateMs: number): void
}

const MICROSECONDS_PER_MS = 1_000

export function createEventLoopMonitor(): EventLoopMonitor {
  // In microseconds, of which it takes no fewer than one.
  const delays = createHistogram()
  let utilizationAtReset: EventLoopUtilization = performance.eventLoopUtilization()
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
    timerFired: (lateMs) => delays.record(Math.max(1, Math.round(lateMs * MICROSECONDS_PER_MS))),
  }
}
