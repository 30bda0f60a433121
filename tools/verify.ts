/**
 * Everything that must hold before a change is taken: format, lint, types, layers, house style,
 * dead code, unit tests, tests with processes. What `npm test` runs. Never writes.
 *
 * All steps run, so that one look shows all that is wrong; any failure makes the exit code 1. A
 * step that checked nothing counts as failed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { checkLayers } from './layers.ts'
import { PROJECT_ROOT, readSourceFiles } from './source-files.ts'
import { parseTestSummary } from './test-summary.ts'
import { tidy } from './tidy.ts'

type Outcome = { readonly isGood: boolean; readonly count: string; readonly details: string }
type Step = { readonly name: string; readonly run: () => Promise<Outcome> }

/** Steps that hang are ended. The whole stays below five minutes; on a machine that others slow down, not above ten. */
const STEP_MS_MAX = 300_000

const UNIT_TESTS = [
  '{src,sim,tools,bench}/**/*.test.ts',
  'test/*.test.ts',
  'test/{scripts,conformance}/**/*.test.ts',
]
const PROCESS_TESTS = ['test/integration/**/*.test.ts']

const STEPS: readonly Step[] = [
  { name: 'format', run: () => command('biome', ['check'], /Checked (\d+ files)/) },
  {
    name: 'lint',
    run: () => command('oxlint', ['--type-aware', '--format=default'], /on (\d+ files with \d+ rules)/),
  },
  { name: 'types', run: () => command('tsc', ['-p', '.', '--pretty', 'false']) },
  { name: 'layers', run: layers },
  { name: 'tidy', run: style },
  { name: 'dead code', run: () => command('knip', ['--no-progress', '--no-config-hints']) },
  { name: 'unit tests', run: unitTests },
  { name: 'process tests', run: () => tests([['--test-concurrency=2', ...PROCESS_TESTS]]) },
]

async function command(name: string, args: readonly string[], countIn?: RegExp): Promise<Outcome> {
  const { code, output } = await run(path.join(PROJECT_ROOT, 'node_modules', '.bin', name), args)
  const count = countIn?.exec(output)?.[1]
  const sawNothing = countIn !== undefined && (count === undefined || count.startsWith('0 '))
  return {
    isGood: code === 0 && !sawNothing,
    count: count ?? '',
    details: sawNothing && code === 0 ? `checked nothing:\n${output}` : output,
  }
}

async function layers(): Promise<Outcome> {
  const { modules, dependencies, violations } = await checkLayers()
  return {
    isGood: violations.length === 0,
    count: `${modules} modules, ${dependencies} imports`,
    details: violations.join('\n'),
  }
}

async function style(): Promise<Outcome> {
  const files = readSourceFiles()
  const findings = tidy(files)
  return {
    isGood: files.length > 0 && findings.length === 0,
    count: `${files.length} files`,
    details: findings.join('\n'),
  }
}

/** A process per file costs more than most files do: all run in two, side by side. */
function unitTests(): Promise<Outcome> {
  return tests(
    ['1/2', '2/2'].map((shard) => ['--test-isolation=none', `--test-shard=${shard}`, ...UNIT_TESTS]),
  )
}

/** One run for each list of arguments, all at the same time. */
async function tests(runs: readonly (readonly string[])[]): Promise<Outcome> {
  const ended = await Promise.all(
    runs.map((args) => run(process.execPath, ['--test', '--test-reporter=spec', ...args])),
  )
  const total = { tests: 0, passed: 0, skipped: 0 }
  let bad = ''
  for (const { code, output } of ended) {
    const summary = parseTestSummary(output)
    const isGood = code === 0 && summary !== null && summary.passed > 0 && summary.failed === 0
    total.tests += summary?.tests ?? 0
    total.passed += summary?.passed ?? 0
    total.skipped += summary?.skipped ?? 0
    if (!isGood) bad += `${summary === null ? `no summary, exit code ${code}\n` : ''}${failures(output)}\n`
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  return { isGood: bad === '', count: `${total.passed} of ${total.tests} passed${skipped}`, details: bad }
}

/** The end of the spec reporter repeats each failure in full. */
function failures(output: string): string {
  const at = output.lastIndexOf('✖ failing tests:')
  return at === -1 ? output.split('\n').slice(-60).join('\n') : output.slice(at)
}

async function run(file: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(file, args, {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
    timeout: STEP_MS_MAX,
  })
  const [out, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code: code as number | null, output: out + errors }
}

async function attempt(step: Step): Promise<Outcome> {
  try {
    return await step.run()
  } catch (error) {
    return { isGood: false, count: '', details: String(error) }
  }
}

if (import.meta.main) {
  const failed: string[] = []
  for (const step of STEPS) {
    const startedMs = performance.now()
    process.stdout.write(`${step.name.padEnd(14)}`)
    const { isGood, count, details } = await attempt(step)
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    console.log(`${isGood ? 'ok    ' : 'FAILED'} ${seconds.padStart(6)} s  ${count}`)
    if (isGood) continue
    failed.push(step.name)
    console.log(details.trimEnd().replace(/^/gm, '    '))
  }
  console.log(failed.length === 0 ? 'all good' : `failed: ${failed.join(', ')}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
