/** Readings of this process for `/metrics`. */
import type { EventLoopMonitor } from '../../env-node/event-loop-monitor.ts'
import type { Metric } from '../../server/metrics-text.ts'

const MS_PER_SECOND = 1_000

/** Each call reads what happened since the last one. */
export function makeProcessMetrics(loop: EventLoopMonitor): () => readonly Metric[] {
  return () => {
    const { p50Ms, p99Ms, maxMs, busyRatio } = loop.read()
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const readings: readonly Metric[] = [
      single('gauge', 'process_resident_memory_bytes', 'Memory the process occupies', rss),
      single('gauge', 'holdfast_process_heap_bytes', 'Memory that objects occupy', heapUsed),
      single(
        'counter',
        'process_cpu_seconds_total',
        'Time the processors spent on the process',
        (user + system) / 1e6,
      ),
      {
        name: 'holdfast_event_loop_delay_seconds',
        kind: 'gauge',
        help: 'How late the main loop turned since the last reading',
        samples: [
          { labels: { quantile: '0.5' }, value: p50Ms / MS_PER_SECOND },
          { labels: { quantile: '0.99' }, value: p99Ms / MS_PER_SECOND },
          { labels: { quantile: '1' }, value: maxMs / MS_PER_SECOND },
        ],
      },
      single(
        'gauge',
        'holdfast_event_loop_busy_ratio',
        'Part of the time since the last reading in which the main loop worked, 0 to 1',
        busyRatio,
      ),
    ]
    loop.reset()
    return readings
  }
}

function single(kind: Metric['kind'], name: string, help: string, value: number): Metric {
  return { name, kind, help, samples: [{ labels: {}, value }] }
}
