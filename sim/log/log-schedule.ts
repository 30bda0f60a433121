/**
 * Random schedules of appends, rotations, garbage collection, crashes and disk faults: what is
 * found afterwards is always one of the states that a log which keeps its word may have.
 */
import assert from 'node:assert/strict'
import type { SimDiskCall, SimDiskFault } from '../disk/disk.ts'
import { createSimDisk } from '../disk/disk.ts'
import type { SimRandom } from '../world/random.ts'
import { createSimRandom } from '../world/random.ts'
import { LogRun } from './log-workload.ts'

const OPENING_ATTEMPTS_MAX = 50

export type LogSchedule = {
  readonly segmentBytes: number
  readonly lives: number
  readonly stepsMax: number
  readonly callsMax: number
  /** Chance of each call to fail while faults are on. */
  readonly faultChance: number
}

export async function runLogSchedule(seed: number, schedule: LogSchedule): Promise<void> {
  const random = createSimRandom(`log ${seed}`)
  const disk = random.fork('disk')
  const faults = random.fork('faults')
  let isFaulty = false
  const sim = createSimDisk({
    random: disk,
    faults: (call: SimDiskCall): SimDiskFault | null => {
      run.crashIfDue(call.number)
      return isFaulty && faults.chance(schedule.faultChance) ? fault(faults, call) : null
    },
  })
  const run: LogRun = new LogRun({
    random: random.fork('run'),
    sim,
    segmentBytes: schedule.segmentBytes,
    largestPayload: 3 * schedule.segmentBytes,
  })
  try {
    for (let life = 0; life < schedule.lives; life++) {
      isFaulty = schedule.faultChance > 0 && random.chance(0.7)
      run.crashAfterCalls(1 + random.below(schedule.callsMax))
      await openUntilItWorks(run, random, () => (isFaulty = false))
      let outcome = await run.work(random.between(1, schedule.stepsMax))
      for (let failures = 0; outcome === 'failed' && failures < 5; failures++) {
        if (random.chance(0.3)) break
        outcome = await reopen(run, () => (isFaulty = false))
        if (outcome === 'running') outcome = await run.work(random.between(1, schedule.stepsMax))
      }
      if (outcome === 'running' && random.chance(0.2)) {
        run.armed()
        isFaulty = false
        await run.log?.close()
      }
      if (!run.isCrashed) run.crash()
    }
    isFaulty = false
    run.armed()
    await run.open()
  } catch (error) {
    throw new Error(`seed ${seed} of ${JSON.stringify(schedule)}`, { cause: error })
  }
}

/** Opening may fail or crash; each attempt is a new process. */
async function openUntilItWorks(run: LogRun, random: SimRandom, heal: () => void): Promise<void> {
  for (let attempt = 0; attempt < OPENING_ATTEMPTS_MAX; attempt++) {
    if (attempt === 5) heal()
    const outcome = await raceCrash(run, run.open())
    if (outcome === 'done') return
    if (outcome === 'failed') run.sim.kill()
    run.armed()
    if (random.chance(0.5)) run.crashAfterCalls(1 + random.below(60))
  }
  assert.fail('the log does not open')
}

async function reopen(run: LogRun, heal: () => void): Promise<'running' | 'failed' | 'crashed'> {
  for (let attempt = 0; attempt < 10; attempt++) {
    if (attempt === 5) heal()
    const outcome = await raceCrash(run, run.reopen())
    if (outcome !== 'failed') return outcome === 'done' ? 'running' : 'crashed'
  }
  return 'failed'
}

/** A crashed disk never answers: then the turn ends with nothing left to run. */
async function raceCrash(run: LogRun, work: Promise<void>): Promise<'done' | 'failed' | 'crashed'> {
  let outcome: 'done' | 'failed' | 'crashed' = 'crashed'
  let problem: unknown = null
  work.then(
    () => (outcome = 'done'),
    (error: unknown) => {
      outcome = 'failed'
      problem = error
    },
  )
  while (outcome === 'crashed' && !run.isCrashed) await new Promise(setImmediate)
  if (problem instanceof Error && problem.name !== 'DiskFault') throw problem
  return outcome
}

function fault(random: SimRandom, call: SimDiskCall): SimDiskFault | null {
  switch (call.operation) {
    case 'write':
    case 'open':
    case 'truncate':
      return { kind: 'error', errno: random.pick(['EIO', 'ENOSPC', 'EDQUOT']) }
    case 'datasync':
    case 'syncDirectory':
    case 'rename':
    case 'remove':
    case 'close':
    case 'makeDirectory':
      return { kind: 'error', errno: 'EIO' }
    default:
      // An unreadable sector is damage, not a failure: other tests.
      return null
  }
}

/** What a seed of the judge may be; the tests run each by itself. */
export const LOG_SCHEDULES = {
  appending: { segmentBytes: 64 * 1024, lives: 4, stepsMax: 25, callsMax: 120, faultChance: 0 },
  rotating: { segmentBytes: 4096, lives: 5, stepsMax: 40, callsMax: 400, faultChance: 0 },
  failing: { segmentBytes: 8192, lives: 5, stepsMax: 30, callsMax: 400, faultChance: 0.03 },
  failingOften: { segmentBytes: 4096, lives: 5, stepsMax: 30, callsMax: 300, faultChance: 0.2 },
} as const satisfies Readonly<Record<string, LogSchedule>>

export async function runLogSeed(seed: number): Promise<void> {
  const schedules = Object.values(LOG_SCHEDULES)
  await runLogSchedule(seed, schedules[seed % schedules.length] as LogSchedule)
}
