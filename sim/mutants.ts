/**
 * `npm run sim:mutants -- [--only NAME,…] [--jobs N] [--effort F] [--judges NAME,…] [--quick | --write]`: puts each bug of the table into
 * a copy of the sources and lets the random simulations look for it. Exit code 1 when one survives,
 * when a judge merely broke, or when an edit does not fit the sources any more.
 *
 *   --effort  multiplies what each judge may run before a bug counts as alive
 *   --judges  only these: raft, log, rot, cluster
 *   --quick   only those of sim/mutants/kills.json, by the seed that killed them: every kill is shown again
 *   --write   keeps what was found in sim/mutants/kills.json
 */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { numberOption } from '../tools/number-option.ts'
import { JUDGE_NAMES, type JudgeName } from './judges.ts'
import type { Mutant } from './mutants/mutant.ts'
import { MUTANTS } from './mutants/mutant-table.ts'
import { type Attempt, type Budget, FIRST_SEED, judgesOf, type Trial, tryMutant } from './mutants/trial.ts'

const KILLS_FILE = path.join(import.meta.dirname, 'mutants', 'kills.json')
const BUDGETS: Readonly<Record<JudgeName, Budget>> = {
  raft: { seedsMax: 3_000, cpuSeconds: 60 },
  log: { seedsMax: 1_000, cpuSeconds: 30 },
  rot: { seedsMax: 1_000, cpuSeconds: 30 },
  cluster: { seedsMax: 600, cpuSeconds: 180 },
}
/** Another seed tells another story after a change of what seeds draw: a few more are tried then. */
const QUICK_CPU_SECONDS = 60

export type Kill = { readonly judge: JudgeName; readonly seed: number; readonly reason: string }
export type Kills = Readonly<Record<string, Kill>>

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      jobs: { type: 'string', default: '2' },
      effort: { type: 'string', default: '1' },
      judges: { type: 'string', default: JUDGE_NAMES.join(',') },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  })
  const names = values.only?.split(',') ?? null
  const unknown = names?.filter((name) => !MUTANTS.some((mutant) => mutant.name === name)) ?? []
  if (unknown.length > 0) throw new Error(`no mutant is called ${unknown.join(', ')}`)
  const kills = JSON.parse(await readFile(KILLS_FILE, 'utf8')) as Kills
  const chosen = MUTANTS.filter(
    ({ name }) => (names === null || names.includes(name)) && (!values.quick || kills[name] !== undefined),
  )
  const startMs = performance.now()
  const trials = await tryAll(chosen, kills, numberOption('--jobs', values.jobs), (mutant) =>
    values.quick
      ? quickAttempts(mutant, kills[mutant.name])
      : attemptsOf(mutant, numberOption('--effort', values.effort)).filter(({ judge }) =>
          values.judges.split(',').includes(judge),
        ),
  )
  const alive = trials.filter((trial) => trial.fate !== 'killed')
  for (const trial of alive) console.log(`ALIVE ${describe(trial)}`)
  const moved = values.quick ? trials.filter((trial) => hasMoved(trial, kills[trial.mutant.name])) : []
  for (const { mutant } of moved) console.log(`${mutant.name}: not by its old seed; refresh with --write`)
  const cpuMs = trials.reduce((sum, trial) => sum + trial.cpuMs, 0)
  console.log(
    `${trials.length - alive.length} of ${trials.length} mutants killed in`,
    `${((performance.now() - startMs) / 1_000).toFixed(0)} s, ${(cpuMs / 1_000).toFixed(0)} s of processor time`,
  )
  if (values.write) await keep(kills, trials)
  return alive.length === 0 ? 0 : 1
}

async function tryAll(
  mutants: readonly Mutant[],
  kills: Kills,
  jobs: number,
  attempts: (mutant: Mutant) => readonly Attempt[],
): Promise<readonly Trial[]> {
  const trials: Trial[] = []
  const left = [...mutants]
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const trial = await sound(await tryMutant(mutant, attempts(mutant)), kills[mutant.name])
      trials.push(trial)
      console.log(describe(trial))
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, work))
  return trials
}

/** A seed that was not known to find it must pass without the bug: else it is the seed that is wrong, or the product. */
async function sound(trial: Trial, kill: Kill | undefined): Promise<Trial> {
  const { mutant, judge, seed } = trial
  if (judge === null || !hasMoved(trial, kill)) return trial
  const budget = { seedsMax: 1, cpuSeconds: QUICK_CPU_SECONDS }
  const without = await tryMutant({ ...mutant, edits: [] }, [{ judge, from: seed, budget }])
  if (without.fate === 'survived') return trial
  return { ...trial, fate: 'broken', reason: `seed ${seed} fails without the bug: ${without.reason}` }
}

function attemptsOf(mutant: Mutant, effort: number): readonly Attempt[] {
  return judgesOf(mutant).map((judge) => {
    const { seedsMax, cpuSeconds } = BUDGETS[judge]
    const budget = { seedsMax: Math.ceil(seedsMax * effort), cpuSeconds: cpuSeconds * effort }
    return { judge, from: FIRST_SEED, budget }
  })
}

function quickAttempts(mutant: Mutant, kill: Kill | undefined): readonly Attempt[] {
  const few = attemptsOf(mutant, 1).map((attempt) => ({
    ...attempt,
    budget: { ...attempt.budget, cpuSeconds: QUICK_CPU_SECONDS },
  }))
  if (kill === undefined) return few
  return [
    { judge: kill.judge, from: kill.seed, budget: { seedsMax: 1, cpuSeconds: QUICK_CPU_SECONDS } },
    ...few,
  ]
}

function hasMoved(trial: Trial, kill: Kill | undefined): boolean {
  return trial.fate === 'killed' && (trial.judge !== kill?.judge || trial.seed !== kill.seed)
}

async function keep(before: Kills, trials: readonly Trial[]): Promise<void> {
  const found = new Map(Object.entries(before))
  for (const { mutant, fate, judge, seed, reason } of trials) {
    if (fate === 'killed' && judge !== null)
      found.set(mutant.name, { judge, seed, reason: reason.slice(0, 160) })
    else found.delete(mutant.name)
  }
  const known = MUTANTS.flatMap(({ name }) => {
    const kill = found.get(name)
    return kill === undefined ? [] : [[name, kill] as const]
  })
  await writeFile(KILLS_FILE, `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`)
}

function describe({ mutant, fate, judge, seeds, reason, cpuMs }: Trial): string {
  const what = fate === 'killed' ? `${judge} ${seeds}` : fate.toUpperCase()
  const seconds = `${(cpuMs / 1_000).toFixed(0)} s`
  return `${mutant.name.padEnd(46)} ${what.padEnd(12)} ${seconds.padStart(6)}  ${reason.slice(0, 150)}`
}

process.exitCode = await main()
