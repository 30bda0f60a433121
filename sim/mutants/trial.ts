/**
 * Tries one mutant: puts the bug into a copy of the sources, and lets the judges run there, cheapest
 * first, until one throws for a reason of its own.
 *
 * A judge that ends without an outcome (a copy that does not even load), that breaks, or that hangs,
 * proves nothing: the mutant counts as alive, and the trial says what was seen.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import type { JudgeOutcome } from '../judge-main.ts'
import type { JudgeName } from '../judges.ts'
import { EditDoesNotFit, type Mutant, plant } from './mutant.ts'
import { verdictOf } from './verdict.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const COPIED = ['src', 'sim', 'tools', 'package.json'] as const
/** Wall clock over processor time: a judge that takes longer hangs. */
const HANG_FACTOR = 10
const HANG_MS_MIN = 300_000

/** What a judge may run: seeds that were not looked at when a bug was put into the table. */
export type Budget = { readonly seedsMax: number; readonly cpuSeconds: number }
export const FIRST_SEED = 10_001

export type Attempt = { readonly judge: JudgeName; readonly from: number; readonly budget: Budget }

export type Trial = {
  readonly mutant: Mutant
  readonly fate: 'killed' | 'survived' | 'broken' | 'edit does not fit'
  readonly judge: JudgeName | null
  /** The seed that showed it, and how many were needed, in the judge that showed it. */
  readonly seed: number
  readonly seeds: number
  readonly reason: string
  readonly cpuMs: number
}

/** The judges for a mutant: those of the part that has the bug, then whole clusters. */
export function judgesOf(mutant: Mutant): readonly JudgeName[] {
  const files = mutant.edits.map(({ file }) => file)
  const judges: JudgeName[] = []
  if (files.some((file) => file.startsWith('src/raft/'))) judges.push('raft')
  if (files.some((file) => file.startsWith('src/storage/'))) judges.push('log', 'rot')
  return [...judges, 'cluster']
}

export async function tryMutant(mutant: Mutant, attempts: readonly Attempt[]): Promise<Trial> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-mutant-'))
  const none = { mutant, judge: null, seed: 0, seeds: 0, reason: '', cpuMs: 0 }
  try {
    for (const name of COPIED) await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true })
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'))
    await plant(mutant, folder)
    let trial: Trial = { ...none, fate: 'survived' }
    for (const attempt of attempts) {
      const cpuMs = trial.cpuMs
      trial = await tryJudge(mutant, folder, attempt)
      trial = { ...trial, cpuMs: trial.cpuMs + cpuMs }
      if (trial.fate === 'killed') return trial
    }
    return trial
  } catch (error) {
    if (error instanceof EditDoesNotFit) return { ...none, fate: 'edit does not fit', reason: error.message }
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function tryJudge(mutant: Mutant, folder: string, { judge, from, budget }: Attempt): Promise<Trial> {
  const trial = { mutant, judge, seed: 0, seeds: 0, cpuMs: 0 }
  const seeds = `${from}..${from + budget.seedsMax - 1}`
  const args = [
    'sim/judge-main.ts',
    '--judge',
    judge,
    '--seeds',
    seeds,
    '--seconds',
    String(budget.cpuSeconds),
  ]
  const output = await run(folder, args, Math.max(HANG_MS_MIN, budget.cpuSeconds * 1_000 * HANG_FACTOR))
  if (output === null) return { ...trial, fate: 'broken', reason: 'a judge hangs' }
  const last = output.trim().split('\n').at(-1) ?? ''
  if (!last.startsWith('{'))
    return { ...trial, fate: 'broken', reason: `a judge ended without a word: ${last}` }
  const { seeds: count, failed, cpuMs } = JSON.parse(last) as JudgeOutcome
  if (failed === null) return { ...trial, fate: 'survived', seeds: count, reason: '', cpuMs }
  const { kind, reason } = verdictOf(failed.chain)
  return { ...trial, fate: kind, seed: failed.seed, seeds: count, reason, cpuMs }
}

/** What it wrote; null: it had to be ended. */
async function run(folder: string, args: readonly string[], limitMs: number): Promise<string | null> {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  })
  const closed = new Promise<string | null>((resolve) =>
    child.once('close', (_code, signal) => resolve(signal)),
  )
  const [output, errors, signal] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  return signal === null ? `${errors}\n${output}` : null
}
