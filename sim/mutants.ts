/**
 * `npm run sim:mutants -- [--only NAME] [--seeds A..B] [--minutes M]`: puts each bug of the table
 * into a copy of the sources and runs seeds until one fails. A bug that survives makes the exit
 * code 1, and so does an edit that does not fit the sources any more.
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
const COPIED = ['src', 'sim', 'package.json'] as const
/** Seeds that were not looked at when a bug was put into the table. */
const SEEDS = '10001..10300'
const MINUTES = '2'

type Verdict = { readonly mutant: Mutant; readonly seeds: number | null; readonly checker: string }

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
  const alive = verdicts.filter((verdict) => verdict.seeds === null)
  console.log(`${verdicts.length - alive.length} of ${verdicts.length} mutants killed`)
  return alive.length === 0 ? 0 : 1
}

async function judge(mutant: Mutant, seeds: string, minutes: string): Promise<Verdict> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-mutant-'))
  try {
    for (const name of COPIED) await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true })
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'))
    for (const edit of mutant.edits) await apply(folder, mutant.name, edit)
    const output = await runSeeds(folder, seeds, minutes)
    const found = /^seed (\d+) failed at [\d.]+ virtual ms: (.*)$/m.exec(output)
    if (found === null && !/seeds, 0 failed/.test(output))
      return { mutant, seeds: 1, checker: lastLine(output) }
    const first = Number(seeds.split('..')[0])
    return found === null
      ? { mutant, seeds: null, checker: '' }
      : { mutant, seeds: Number(found[1]) - first + 1, checker: found[2] ?? '' }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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

async function runSeeds(folder: string, seeds: string, minutes: string): Promise<string> {
  const child = spawn(process.execPath, ['sim/main.ts', '--seeds', seeds, '--minutes', minutes], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const outputs = Promise.all([text(child.stdout), text(child.stderr)])
  await once(child, 'close')
  return (await outputs).join('\n')
}

function describe({ mutant, seeds, checker }: Verdict): string {
  const fate = seeds === null ? 'SURVIVED' : `killed by seed ${seeds}`.padEnd(18)
  return `${mutant.name.padEnd(38)} ${fate} ${checker.slice(0, 140)}`
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? ''
}

process.exitCode = await main()
