/** Readings of this process for `/metrics`. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metric } from '../../server/metrics-text.ts'

const SAMPLE_INTERVAL_MS = 10
const NANOSECONDS_PER_SECOND = 1e9

export function startProcessMetrics(): () => readonly Metric[] {
  const delay = monitorEventLoopDelay({ resolution: SAMPLE_INTERVAL_MS })
  delay.enable()
  return () => {
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
        samples: [50, 99, 100].map((percent) => ({
          labels: { quantile: String(percent / 100) },
          value: delay.count === 0 ? 0 : delay.percentile(percent) / NANOSECONDS_PER_SECOND,
        })),
      },
    ]
    delay.reset()
    return readings
  }
}

function single(kind: Metric['kind'], name: string, help: string, value: number): Metric {
  return { name, kind, help, samples: [{ labels: {}, value }] }
}
