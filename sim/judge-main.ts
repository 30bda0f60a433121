/**
 * `node sim/judge-main.ts --judge raft|log|rot|cluster --seeds A..B [--seconds S]`: runs the seeds
 * of one judge until one fails or so much processor time is spent. The last line is the outcome as JSON, for sim/mutants.ts.
 */
import { parseArgs } from 'node:util'
import { numberOption } from '../tools/number-option.ts'
import { JUDGE_NAMES, type JudgeName, judge } from './judges.ts'
import { chainOf, type ErrorFacts } from './mutants/verdict.ts'

export type JudgeOutcome = {
  readonly seeds: number
  /** The last seed of `seeds` is the one that failed. */
  readonly failed: { readonly seed: number; readonly chain: readonly ErrorFacts[] } | null
  readonly cpuMs: number
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { judge: { type: 'string' }, seeds: { type: 'string' }, seconds: { type: 'string' } },
  })
  const name = JUDGE_NAMES.find((known) => known === values.judge)
  const range = /^(\d+)\.\.(\d+)$/.exec(values.seeds ?? '')
  if (name === undefined || range === null) {
    console.error(`node sim/judge-main.ts --judge ${JUDGE_NAMES.join('|')} --seeds A..B [--seconds S]`)
    return 2
  }
  const limitMs =
    values.seconds === undefined
      ? Number.POSITIVE_INFINITY
      : numberOption('--seconds', values.seconds) * 1_000
  const outcome = await run(name, Number(range[1]), Number(range[2]), limitMs)
  for (const { name: kind, message, stack } of outcome.failed?.chain ?? []) {
    console.log(stack === '' ? `${kind}: ${message}` : stack)
  }
  console.log(JSON.stringify(outcome))
  return outcome.failed === null ? 0 : 1
}

async function run(name: JudgeName, from: number, to: number, limitMs: number): Promise<JudgeOutcome> {
  let seeds = 0
  const outcome = (failed: JudgeOutcome['failed']): JudgeOutcome => ({
    seeds,
    failed,
    cpuMs: cpuMs(),
  })
  for (let seed = from; seed <= to && cpuMs() < limitMs; seed++) {
    seeds += 1
    try {
      await judge(name, seed)
    } catch (error) {
      return outcome({ seed, chain: chainOf(error) })
    }
  }
  return outcome(null)
}

/** Of this process: what a run costs, whatever else the machine does. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return Math.round((user + system) / 1_000)
}

process.exitCode = await main()
