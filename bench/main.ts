/**
 * Holdfast beside redis-server on this machine, in one run: `npm run bench`.
 *
 * All stores run at the same time and are measured in turn, round by round, so that a machine that
 * grows slower grows slower for all; figures are medians with their spread, and ratios are of
 * figures from the same round. Redis syncs before it answers (`appendfsync always`), as Holdfast
 * does: the same promise, or the comparison would mean nothing.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startNodes } from '../test/differential/node-endpoint.ts'
import { redisServerMissing, startRedisServer } from '../test/differential/redis-server.ts'

const run = promisify(execFile)

const ROUNDS = 5
const CLIENTS = 50
const VALUE_BYTES = 128
const TESTS = ['set', 'get', 'incr', 'hset'] as const
const LOADS = [
  { pipeline: 1, requests: 20_000 },
  { pipeline: 16, requests: 160_000 },
] as const

type Subject = { readonly name: string; readonly port: number; readonly stop: () => Promise<void> }
type Figures = Map<string, number[]>

async function main(): Promise<void> {
  const missing = redisServerMissing()
  if (missing !== undefined)
    throw new Error(`the comparison needs redis-server and redis-benchmark: ${missing}`)
  const subjects = await startSubjects()
  try {
    const figures: Figures = new Map()
    for (let round = 1; round <= ROUNDS; round++) {
      for (const load of LOADS) {
        for (const subject of subjects) {
          process.stderr.write(`round ${round} of ${ROUNDS}, pipeline ${load.pipeline}: ${subject.name}\n`)
          await measure(subject, load, figures)
        }
      }
    }
    process.stdout.write(table(subjects, figures))
  } finally {
    for (const subject of subjects) await subject.stop()
  }
}

async function startSubjects(): Promise<readonly Subject[]> {
  const redis = await startRedisServer(['--appendonly', 'yes', '--appendfsync', 'always'])
  const one = await startNodes(1)
  const three = await startNodes(3)
  const first = (nodes: typeof one): number => nodes.endpoints[0]?.port ?? 0
  return [
    { name: 'redis-server, appendfsync always', port: redis.endpoint.port, stop: () => redis.stop() },
    { name: 'Holdfast, one node', port: first(one), stop: () => one.stop() },
    { name: 'Holdfast, three nodes', port: first(three), stop: () => three.stop() },
  ]
}

async function measure(subject: Subject, load: (typeof LOADS)[number], figures: Figures): Promise<void> {
  const { stdout } = await run('redis-benchmark', [
    ...['-p', String(subject.port), '-t', TESTS.join(','), '-c', String(CLIENTS), '-d', String(VALUE_BYTES)],
    ...['-n', String(load.requests), '-P', String(load.pipeline), '-r', '100000', '--csv'],
  ])
  for (const line of stdout.trim().split('\n').slice(1)) {
    const [test, perSecond] = line.split(',').map((cell) => cell.replaceAll('"', ''))
    const key = keyOf(subject.name, String(test), load.pipeline)
    figures.set(key, [...(figures.get(key) ?? []), Number(perSecond)])
  }
}

function table(subjects: readonly Subject[], figures: Figures): string {
  const rows: string[] = [
    '| test | pipeline | store | requests/s, median (min–max) | ratio to redis-server, median (min–max) |',
    '|---|---|---|---|---|',
  ]
  const reference = (subjects[0] as Subject).name
  for (const test of TESTS) {
    for (const { pipeline } of LOADS) {
      const against = figures.get(keyOf(reference, test.toUpperCase(), pipeline)) ?? []
      for (const { name } of subjects) {
        const found = figures.get(keyOf(name, test.toUpperCase(), pipeline)) ?? []
        const ratios = found.map((value, round) => value / (against[round] ?? Number.NaN))
        rows.push(`| ${test} | ${pipeline} | ${name} | ${spread(found, 0)} | ${spread(ratios, 2)} |`)
      }
    }
  }
  return `${rows.join('\n')}\n`
}

function keyOf(store: string, test: string, pipeline: number): string {
  return `${store}/${test}/${pipeline}`
}

function spread(values: readonly number[], digits: number): string {
  if (values.length === 0) return 'no figure'
  const sorted = [...values].sort((left, right) => left - right)
  const show = (value: number | undefined): string => (value ?? Number.NaN).toFixed(digits)
  return `${show(sorted[Math.floor(sorted.length / 2)])} (${show(sorted[0])}–${show(sorted.at(-1))})`
}

await main()
