/**
 * `npm run sim -- --seed N [--trace]` or `--seeds A..B [--minutes M]`: runs seeds one after the
 * other, and tells the story of the first that fails. Exit code 1 when one failed.
 */
import { parseArgs } from 'node:util'
import { runSeed, SeedFailure, type SeedResult } from './run-seed.ts'
import type { PlanLimits } from './seed-plan.ts'

const USAGE = `npm run sim -- --seed N [--trace] [--strikes K] [--clients C] [--duration-ms D]
npm run sim -- --seeds A..B [--minutes M] [--keep-going]`
const REPORT_EVERY_MS = 10_000
const STORY_LINES = 200

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      strikes: { type: 'string' },
      clients: { type: 'string' },
      'duration-ms': { type: 'string' },
      trace: { type: 'boolean', default: false },
      'keep-going': { type: 'boolean', default: false },
    },
  })
  const limits = {
    ...limit('strikes', values.strikes),
    ...limit('clients', values.clients),
    ...limit('durationMs', values['duration-ms']),
  }
  if (values.seed !== undefined) return one(Number(values.seed), limits, values.trace)
  const range = /^(\d+)\.\.(\d+)$/.exec(values.seeds ?? '')
  if (range === null) {
    console.error(USAGE)
    return 2
  }
  const limitMs = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000
  return many(Number(range[1]), Number(range[2]), limitMs, values['keep-going'])
}

function limit(name: keyof PlanLimits, value: string | undefined): PlanLimits {
  return value === undefined ? {} : { [name]: Number(value) }
}

async function one(seed: number, limits: PlanLimits, isTraced: boolean): Promise<number> {
  const startMs = performance.now()
  try {
    const result = await runSeed(seed, {
      ...limits,
      ...(isTraced ? { onLine: (line) => console.log(line) } : {}),
    })
    console.log(describe(result), `${((performance.now() - startMs) / 1000).toFixed(1)} s`)
    return 0
  } catch (error) {
    tell(error, Number.POSITIVE_INFINITY)
    return 1
  }
}

async function many(from: number, to: number, limitMs: number, keepsGoing: boolean): Promise<number> {
  const startMs = performance.now()
  const results: SeedResult[] = []
  const failed: number[] = []
  let reportedMs = startMs
  for (let seed = from; seed <= to && performance.now() - startMs < limitMs; seed++) {
    try {
      results.push(await runSeed(seed))
    } catch (error) {
      failed.push(seed)
      if (keepsGoing && error instanceof SeedFailure) console.log(error.message)
      else {
        tell(error, STORY_LINES)
        break
      }
    }
    if (performance.now() - reportedMs < REPORT_EVERY_MS) continue
    reportedMs = performance.now()
    console.log(summary(results, failed, reportedMs - startMs))
  }
  console.log(summary(results, failed, performance.now() - startMs))
  console.log(faultSummary(results))
  if (failed.length > 0) console.log(`failed seeds: ${failed.join(' ')}`)
  return failed.length === 0 ? 0 : 1
}

function tell(error: unknown, lines: number): void {
  if (!(error instanceof SeedFailure)) throw error
  console.log(error.story.split('\n').slice(-lines).join('\n'))
  console.log(`\n${error.message}\nagain: npm run sim -- --seed ${error.seed}`)
  if (error.cause instanceof Error) console.log(error.cause.stack)
}

function describe(result: SeedResult): string {
  const faults = Object.entries(result.faults).map(([kind, count]) => `${kind} ${count}`)
  return [
    `seed ${result.seed}: ${(result.virtualMs / 1000).toFixed(1)} virtual s, ${result.events} events,`,
    `${result.answered} answered, ${result.unknown} unknown, ${result.elections} elections,`,
    `${faults.join(', ')}; trace ${result.traceHash}`,
  ].join(' ')
}

function summary(results: readonly SeedResult[], failed: readonly number[], realMs: number): string {
  const sum = (of: (result: SeedResult) => number): number =>
    results.reduce((total, one) => total + of(one), 0)
  const virtualMs = sum((result) => result.virtualMs)
  return [
    `${results.length + failed.length} seeds, ${failed.length} failed;`,
    `${(virtualMs / 1000).toFixed(0)} virtual s in ${(realMs / 1000).toFixed(0)} s (${(virtualMs / realMs).toFixed(1)}×);`,
    `${sum((result) => result.answered)} answered, ${sum((result) => result.unknown)} unknown,`,
    `${sum((result) => result.elections)} elections`,
  ].join(' ')
}

function faultSummary(results: readonly SeedResult[]): string {
  const counts = new Map<string, number>()
  for (const { faults } of results) {
    for (const [kind, count] of Object.entries(faults)) counts.set(kind, (counts.get(kind) ?? 0) + count)
  }
  return `faults: ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`
}

process.exitCode = await main()
