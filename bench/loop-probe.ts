/**
 * Loaded into a node's process (`--import`) to find the longest time its main loop did not turn: by
 * the clock, and in processor time of the main thread, which other programs on the machine can't
 * lengthen. A timer is due every few milliseconds; what happened between two of its turns is one
 * stretch, of one callback or several, so the longest stretch is never shorter than the longest callback.
 *
 * LOOP_PROBE_FILE: where the readings go, every half second. Creating LOOP_PROBE_FILE.reset begins anew.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { PerformanceObserver } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

export type LoopReading = {
  readonly wallMsMax: number
  readonly cpuMsMax: number
  /** What the garbage collector took of that stretch, by the clock. */
  readonly gcMsOfMax: number
  /** Stretches of more than 20 ms of processor time. */
  readonly cpuOver20Ms: number
  readonly stretches: number
}

const TICK_MS = 2
const WRITE_MS = 500
const LONG_MS = 20

const EMPTY: LoopReading = { wallMsMax: 0, cpuMsMax: 0, gcMsOfMax: 0, cpuOver20Ms: 0, stretches: 0 }

const file = process.env['LOOP_PROBE_FILE']
if (isMainThread && file !== undefined) watch(file)

function watch(path: string): void {
  let reading: { -readonly [Name in keyof LoopReading]: number } = { ...EMPTY }
  let gcMs = 0
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration
  }).observe({ entryTypes: ['gc'] })
  let lastMs = performance.now()
  let lastCpuMs = cpuMs()
  setInterval(() => {
    const nowMs = performance.now()
    const nowCpuMs = cpuMs()
    const cpu = nowCpuMs - lastCpuMs
    reading.wallMsMax = Math.max(reading.wallMsMax, nowMs - lastMs - TICK_MS)
    if (cpu > reading.cpuMsMax) {
      reading.cpuMsMax = cpu
      reading.gcMsOfMax = gcMs
    }
    gcMs = 0
    reading.stretches += 1
    if (cpu > LONG_MS) reading.cpuOver20Ms += 1
    lastMs = nowMs
    lastCpuMs = nowCpuMs
  }, TICK_MS).unref()
  setInterval(() => {
    if (existsSync(`${path}.reset`)) {
      rmSync(`${path}.reset`)
      reading = { ...EMPTY }
    }
    writeFileSync(`${path}.tmp`, JSON.stringify(reading))
    renameSync(`${path}.tmp`, path)
  }, WRITE_MS).unref()
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
