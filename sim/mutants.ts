/**
 * `npm run sim:mutants -- [--only NAME] [--seeds A..B] [--minutes M]`: puts each bug of the table
 * into a copy of the sources and runs seeds until one fails, then the random runs of the parts. A
 * bug that survives makes the exit code 1, and so does an edit that does not fit the sources any more.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { MUTANTS, type Mutant } from './mutants/mutant-table.ts'

const ROOT = path.join(import.meta.dirname, '..')
const COPIED = ['src', 'sim', 'test', 'package.json'] as const
/** Seeds that were not looked at when a bug was put into the table. */
const SEEDS = '10001..10300'
const MINUTES = '2'
/** Random runs of one part against a model, without a transport and a node that hide some bugs. */
const PART_SUITES = ['src/raft/raft-random.test.ts', 'src/storage/log/log-crash.test.ts'] as const

type Verdict = { readonly mutant: Mutant; readonly killer: string | null; readonly checker: string }

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, seeds: { type: 'string' }, minutes: { type: 'string' } },
  })
  const chosen = MUTANTS.filter(({ name }) => values.only === undefined || name === values.only)
  if (chosen.length === 0) throw new Error(`no mutant is called ${values.only}`)
  const seeds = values.seeds ?? SEEDS
  const verdicts: Verdict[] = []
  for (const mutant of chosen) {
    const verdict = await judge(mutant, seeds, values.minutes ?? MINUTES)
    verdicts.push(verdict)
    console.log(describe(verdict))
  }
  const alive = verdicts.filter((verdict) => verdict.killer === null)
  console.log(`${verdicts.length - alive.length} of ${verdicts.length} mutants killed`)
  return alive.length === 0 ? 0 : 1
}

async function judge(mutant: Mutant, seeds: string, minutes: string): Promise<Verdict> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-mutant-'))
  try {
    for (const name of COPIED) await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true })
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'))
    for (const edit of mutant.edits) await apply(folder, mutant.name, edit)
    return (await judgeBySeeds(mutant, folder, seeds, minutes)) ?? (await judgeByParts(mutant, folder))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function judgeBySeeds(
  mutant: Mutant,
  folder: string,
  seeds: string,
  minutes: string,
): Promise<Verdict | null> {
  const output = await run(folder, [
    'sim/main.ts',
    '--seeds',
    seeds,
    '--minutes',
    minutes,
    '--shrink-seconds',
    '0',
  ])
  const found = /^seed (\d+) failed at [\d.]+ virtual ms: (.*)$/m.exec(output)
  if (found !== null) {
    const count = Number(found[1]) - Number(seeds.split('..')[0]) + 1
    return { mutant, killer: `seed ${count}`, checker: found[2] ?? '' }
  }
  const isClean = /seeds, 0 failed/.test(output)
  return isClean ? null : { mutant, killer: 'seed 1', checker: output.trim().split('\n').at(-1) ?? '' }
}

async function judgeByParts(mutant: Mutant, folder: string): Promise<Verdict> {
  for (const suite of PART_SUITES) {
    const output = await run(folder, ['--test', suite])
    const found = /^ℹ fail ([1-9]\d*)$/m.exec(output)
    if (found === null) continue
    const reason = /\[?\w*Error\b[^:]*: (.*)/.exec(output)
    return { mutant, killer: path.basename(suite, '.test.ts'), checker: reason?.[1] ?? '' }
  }
  return { mutant, killer: null, checker: '' }
}

async function apply(
  folder: string,
  name: string,
  edit: { readonly file: string; readonly find: string; readonly replace: string },
): Promise<void> {
  const file = path.join(folder, edit.file)
  const before = await readFile(file, 'utf8')
  const count = before.split(edit.find).length - 1
  if (count !== 1)
    throw new Error(`${name}: ${edit.file} has ${count} places that read ${JSON.stringify(edit.find)}`)
  await writeFile(
    file,
    before.replace(edit.find, () => edit.replace),
  )
}

async function run(folder: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const outputs = Promise.all([text(child.stdout), text(child.stderr)])
  await once(child, 'close')
  return (await outputs).join('\n')
}

function describe({ mutant, killer, checker }: Verdict): string {
  const fate = killer === null ? 'SURVIVED' : `killed by ${killer}`.padEnd(22)
  return `${mutant.name.padEnd(38)} ${fate} ${checker.slice(0, 140)}`
}

process.exitCode = await main()
