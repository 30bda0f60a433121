/**
 * Flips one byte per trial in every kind of block of every kind of file, reads everything back in a
 * child process, and counts the outcomes. `node tools/engine-prototype/flips.ts [rocksdb|level] [flips] [seed]`
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Trial } from './flip-child.ts'
import { fill, type Verdict } from './flip-model.ts'
import { openSubject, SUBJECT_NAMES, type SubjectName } from './subjects.ts'
import { tableRegions } from './table-regions.ts'

const HANG_MS = 30_000
const SHARES = {
  data: 0.2,
  index: 0.13,
  filter: 0.13,
  meta: 0.08,
  footer: 0.08,
  manifest: 0.15,
  current: 0.04,
  other: 0.04,
  wal: 0.15,
}

const names = SUBJECT_NAMES.filter((name) => !process.argv[2] || process.argv[2] === name)
const flips = Number(process.argv[3] ?? 1200)
let randomState = Number(process.argv[4] ?? 1)
for (const name of names) await campaign(name)

function random(bound: number): number {
  randomState = (Math.imul(randomState, 1664525) + 1013904223) >>> 0
  return Math.floor((randomState / 2 ** 32) * bound)
}

async function campaign(name: SubjectName): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), `flips-${name}-`))
  const live = join(work, 'live')
  const template = join(work, 'template')
  const subject = await openSubject(name, live, { writeBufferBytes: 4 * 1024 * 1024 })
  await fill(subject)
  // Copied while open, so that the log part is still only in the log, as after a kill -9.
  mkdirSync(template)
  for (const file of readdirSync(live)) if (file !== 'LOCK') cpSync(join(live, file), join(template, file))
  await subject.close()
  const trials = plan(template)
  const outcomes = await runTrials(name, work, template, trials)
  report(name, trials, outcomes)
  rmSync(work, { recursive: true, force: true })
}

function plan(template: string): Trial[] {
  const places = new Map<string, { file: string; from: number; to: number }[]>()
  const add = (region: string, file: string, from: number, to: number) => {
    if (to > from) places.set(region, [...(places.get(region) ?? []), { file, from, to }])
  }
  for (const file of readdirSync(template)) {
    const bytes = readFileSync(join(template, file))
    if (/\.(ldb|sst)$/.test(file))
      for (const { name, from, to } of tableRegions(bytes)) add(name, file, from, to)
    else if (file.endsWith('.log')) add('wal', file, 0, bytes.length)
    else if (file.startsWith('MANIFEST')) add('manifest', file, 0, bytes.length)
    else if (file === 'CURRENT') add('current', file, 0, bytes.length)
    else if (!file.startsWith('LOG')) add('other', file, 0, bytes.length)
  }
  const trials: Trial[] = []
  for (const [region, share] of Object.entries(SHARES)) {
    const ranges = places.get(region) ?? []
    const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0)
    for (let flip = 0; flip < Math.round(flips * share) && total > 0; flip++) {
      let at = random(total)
      const range = ranges.find(({ from, to }) => (at < to - from ? true : ((at -= to - from), false)))
      if (range === undefined) continue
      const xor = flip % 2 === 0 ? 1 << random(8) : 1 + random(255)
      trials.push({ id: trials.length, file: range.file, offset: range.from + at, xor, region })
    }
  }
  return trials
}

type Outcome = {
  readonly open: string
  readonly point: Verdict
  readonly scan: Verdict
  readonly message?: string
}

async function runTrials(
  name: SubjectName,
  work: string,
  template: string,
  trials: Trial[],
): Promise<Map<number, Outcome>> {
  const outcomes = new Map<number, Outcome>()
  while (outcomes.size < trials.length) {
    const rest = trials.filter(({ id }) => !outcomes.has(id))
    const file = join(work, 'trials.json')
    writeFileSync(file, JSON.stringify(rest))
    const running = await runChild([name, template, work, file], (id, outcome) => outcomes.set(id, outcome))
    if (running !== null && !outcomes.has(running.id)) {
      outcomes.set(running.id, { open: running.end, point: running.end, scan: running.end })
    }
  }
  return outcomes
}

async function runChild(
  parameters: string[],
  onOutcome: (id: number, outcome: Outcome) => void,
): Promise<{ id: number; end: 'crash' | 'hang' } | null> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'flip-child.ts'), ...parameters], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let current: number | null = null
  let hung = false
  let watchdog: NodeJS.Timeout | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(watchdog)
    watchdog = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, HANG_MS)
    const { id, begin, ...outcome } = JSON.parse(line)
    if (begin) current = id
    else {
      current = null
      onOutcome(id, outcome)
    }
  }
  clearTimeout(watchdog)
  return current === null ? null : { id: current, end: hung ? 'hang' : 'crash' }
}

function report(name: SubjectName, trials: readonly Trial[], outcomes: ReadonlyMap<number, Outcome>): void {
  console.log(`\n${name}: ${trials.length} flips`)
  const rows: Record<string, Record<string, number>> = {}
  for (const trial of trials) {
    const outcome = outcomes.get(trial.id)
    if (outcome === undefined) continue
    for (const kind of ['open', 'point', 'scan'] as const) {
      if (kind === 'open' && outcome.open === 'ok') continue
      if (kind !== 'open' && outcome.open !== 'ok') continue
      const row = (rows[`${trial.region}/${kind}`] ??= {})
      row[outcome[kind]] = (row[outcome[kind]] ?? 0) + 1
      if (process.env['DETAIL'] && !['correct', 'error', 'prefix'].includes(outcome[kind])) {
        console.log(JSON.stringify({ ...trial, ...outcome }))
      }
    }
  }
  console.table(rows)
}
