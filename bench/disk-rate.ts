/** How often this disk syncs: 128 bytes appended and synced, again and again. Durable writes of one client can't be faster. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LatencyHistogram } from '../src/cli/bench/latency-histogram.ts'

export type DiskRate = { readonly syncsPerSecond: number; readonly p50Us: number; readonly p99Us: number }

const APPEND_BYTES = 128

export function measureDisk(durationMs: number): DiskRate {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  const file = openSync(join(directory, 'log'), 'a')
  const bytes = Buffer.alloc(APPEND_BYTES, 'x')
  const latency = new LatencyHistogram()
  try {
    const beginMs = performance.now()
    let nowMs = beginMs
    while (nowMs - beginMs < durationMs) {
      writeSync(file, bytes)
      fdatasyncSync(file)
      const endMs = performance.now()
      latency.record((endMs - nowMs) * 1_000, 1)
      nowMs = endMs
    }
    return {
      syncsPerSecond: (latency.count / (nowMs - beginMs)) * 1_000,
      p50Us: latency.percentileUs(50) ?? 0,
      p99Us: latency.percentileUs(99) ?? 0,
    }
  } finally {
    closeSync(file)
    rmSync(directory, { recursive: true, force: true })
  }
}
