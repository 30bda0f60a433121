/**
 * `npm run sim -- --seed N [--trace]` or `--seeds A..B [--minutes M] [--jobs J]`: runs seeds, one after
 * the other or J at a time, and tells the story of the first that fails. Exit code 1 when one failed.
 */
import { parseArgs } from 'node:util'
import { numberOption } from '../tools/number-option.ts'
import { runSeed, type SeedResult } from './seeds/run-seed.ts'
import type { PlanLimits } from './seeds/seed-plan.ts'
import { createRunners, failureOf, type SeedOutcome, type SeedRunner } from './seeds/seed-runner.ts'
import { shrink } from './seeds/shrink.ts'

const USAGE = `npm run sim -- --seed N [--trace] [--strikes K] [--clients C] [--duration-ms D]
npm run sim -- --seeds A..B [--minutes M] [--jobs J] [--keep-going]
Both: [--shrink-seconds S], how long to look for the smallest run that fails; 0: not at all`
const SHRINK_SECONDS = '60'
const REPORT_EVERY_MS = 10_000
const STORY_LINES = 200

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      jobs: { type: 'string', default: '1' },
      strikes: { type: 'string' },
      clients: { type: 'string' },
      'duration-ms': { type: 'string' },
      'shrink-seconds': { type: 'string', default: SHRINK_SECONDS },
      trace: { type: 'boolean', default: false },
      'keep-going': { type: 'boolean', default: false },
    },
  })
  const limits = {
    ...limit('strikes', values.strikes),
    ...limit('clients', values.clients),
    ...limit('durationMs', values['duration-ms']),
  }
  const shrinkMs = numberOption('--shrink-seconds', values['shrink-seconds']) * 1_000
  if (values.seed !== undefined) {
    // Who asked for a smaller run has one.
    const isWhole = Object.keys(limits).length === 0
    return one(numberOption('--seed', values.seed), limits, values.trace, isWhole ? shrinkMs : 0)
  }
  const range = /^(\d+)\.\.(\d+)$/.exec(values.seeds ?? '')
  if (range === null) {
    console.error(USAGE)
    return 2
  }
  const limitMs =
    values.minutes === undefined
      ? Number.POSITIVE_INFINITY
      : numberOption('--minutes', values.minutes) * 60_000
  const seeds = { from: Number(range[1]), to: Number(range[2]), limitMs }
  return many(seeds, numberOption('--jobs', values.jobs), values['keep-going'], shrinkMs)
}

function limit(name: keyof PlanLimits, value: string | undefined): PlanLimits {
  return value === undefined ? {} : { [name]: Number(value) }
}

async function one(seed: number, limits: PlanLimits, isTraced: boolean, shrinkMs: number): Promise<number> {
  const startMs = performance.now()
  try {
    const result = await runSeed(seed, {
      ...limits,
      ...(isTraced ? { onLine: (line) => console.log(line) } : {}),
    })
    console.log(describe(result), `${((performance.now() - startMs) / 1000).toFixed(1)} s`)
    return 0
  } catch (error) {
    tell(failureOf(error), Number.POSITIVE_INFINITY, limits)
    await tellSmallest(seed, Number.POSITIVE_INFINITY, shrinkMs)
    return 1
  }
}

type Range = { readonly from: number; readonly to: number; readonly limitMs: number }
type Failed = Extract<SeedOutcome, { kind: 'failed' }>

/** Hands each seed to the first runner that is free. After a failure no new one is begun, unless told otherwise. */
async function many(range: Range, jobs: number, keepsGoing: boolean, shrinkMs: number): Promise<number> {
  const startMs = performance.now()
  const results: SeedResult[] = []
  const failed: Failed[] = []
  let next = range.from
  let reportedMs = startMs
  const take = (outcome: SeedOutcome): void => {
    if (outcome.kind === 'passed') results.push(outcome.result)
    else {
      failed.push(outcome)
      if (keepsGoing) console.log(outcome.message)
    }
    const nowMs = performance.now()
    if (nowMs - reportedMs < REPORT_EVERY_MS) return
    reportedMs = nowMs
    console.log(summary(results, failed.length, nowMs - startMs, jobs))
  }
  const isOver = (): boolean =>
    next > range.to || performance.now() - startMs >= range.limitMs || (failed.length > 0 && !keepsGoing)
  const runners = createRunners(jobs)
  try {
    const work = async (runner: SeedRunner): Promise<void> => {
      while (!isOver()) take(await runner.run(next++))
    }
    await Promise.all(runners.map(work))
  } finally {
    for (const runner of runners) runner.close()
  }
  // Seeds that ran side by side may end in any order.
  failed.sort((left, right) => left.seed - right.seed)
  if (failed[0] !== undefined && !keepsGoing) {
    tell(failed[0], STORY_LINES, {})
    await tellSmallest(failed[0].seed, STORY_LINES, shrinkMs)
  }
  console.log(summary(results, failed.length, performance.now() - startMs, jobs))
  console.log(faultSummary(results))
  if (failed.length > 0) console.log(`failed seeds: ${failed.map(({ seed }) => seed).join(' ')}`)
  return failed.length === 0 ? 0 : 1
}

async function tellSmallest(seed: number, lines: number, shrinkMs: number): Promise<void> {
  const endMs = performance.now() + shrinkMs
  const smallest = await shrink(seed, () => performance.now() < endMs)
  if (smallest === null) return
  console.log(`\nthe smallest of ${smallest.runs} runs that fails like this:`)
  tell(failureOf(smallest.failure), lines, smallest.limits)
}

function tell({ seed, message, story, stack }: Failed, lines: number, limits: PlanLimits): void {
  const { strikes, clients, durationMs } = limits
  const options = [
    ...(strikes === undefined ? [] : [`--strikes ${strikes}`]),
    ...(clients === undefined ? [] : [`--clients ${clients}`]),
    ...(durationMs === undefined ? [] : [`--duration-ms ${durationMs}`]),
  ]
  console.log(story.split('\n').slice(-lines).join('\n'))
  console.log(`\n${message}\nagain: npm run sim -- ${[`--seed ${seed}`, ...options].join(' ')}`)
  if (stack !== '') console.log(stack)
}

function describe(result: SeedResult): string {
  const faults = Object.entries(result.faults).map(([kind, count]) => `${kind} ${count}`)
  return [
    `seed ${result.seed}: ${(result.virtualMs / 1000).toFixed(1)} virtual s, ${result.events} events,`,
    `${result.answered} answered, ${result.unknown} unknown, ${result.serials} serials,`,
    `${result.elections} elections, ${result.strikes} strikes:`,
    `${faults.join(', ')}; trace ${result.traceHash}`,
  ].join(' ')
}

function summary(results: readonly SeedResult[], failed: number, realMs: number, jobs: number): string {
  const sum = (of: (result: SeedResult) => number): number =>
    results.reduce((total, one) => total + of(one), 0)
  const virtualMs = sum((result) => result.virtualMs)
  return [
    `${results.length + failed} seeds, ${failed} failed;`,
    `${(virtualMs / 1000).toFixed(0)} virtual s in ${(realMs / 1000).toFixed(0)} s (${(virtualMs / realMs).toFixed(1)}×${jobs === 1 ? '' : `, ${jobs} at a time`});`,
    `${sum((result) => result.answered)} answered, ${sum((result) => result.unknown)} unknown,`,
    `${sum((result) => result.serials)} serials,`,
    `${sum((result) => result.elections)} elections`,
  ].join(' ')
}

function faultSummary(results: readonly SeedResult[]): string {
  const counts = new Map<string, number>()
  for (const { faults } of results) {
    for (const [kind, count] of Object.entries(faults)) counts.set(kind, (counts.get(kind) ?? 0) + count)
  }
  const byKind = [...counts].sort(([left], [right]) => (left < right ? -1 : 1))
  return `faults: ${byKind.map(([kind, count]) => `${kind} ${count}`).join(', ')}`
}

process.exitCode = await main()
