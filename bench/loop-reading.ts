/** Reads what bench/loop-probe.ts has seen in a node's process. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoopReading } from './loop-probe.ts'

/** Longer than the probe takes to write down what it saw. */
const SETTLE_MS = 1_200
const POLL_MS = 20

export function probeEnvironment(file: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import ${new URL('loop-probe.ts', import.meta.url).href}`,
    LOOP_PROBE_FILE: file,
  }
}

/** From now on it counts anew. */
export async function resetProbe(file: string): Promise<void> {
  await sleep(SETTLE_MS)
  writeFileSync(`${file}.reset`, '')
  while (existsSync(`${file}.reset`)) await sleep(POLL_MS)
}

export async function readProbe(file: string): Promise<LoopReading> {
  await sleep(SETTLE_MS)
  return JSON.parse(readFileSync(file, 'utf8')) as LoopReading
}

export function describeReading(reading: LoopReading): string {
  const { cpuMsMax, gcMsOfMax, wallMsMax, cpuOver20Ms, stretches } = reading
  return (
    `${cpuMsMax.toFixed(1)} ms CPU (${gcMsOfMax.toFixed(1)} collecting garbage), ${wallMsMax.toFixed(1)} ms by the clock, ` +
    `${cpuOver20Ms} of ${stretches} over 20 ms CPU`
  )
}
