/**
 * Holdfast beside the stores that people would take instead, on this machine, in one run:
 *
 *   npm run bench -- [--rounds 5] [--seconds 2] [--keys 100000] [--quick] [--only holdfast-1,etcd-1]
 *                    [--tests set,get] [--json FILE] [--write]
 *
 * The stores are loaded one at a time, round by round, so that a machine that grows slower grows
 * slower for all; who comes first changes with the round. Clusters of three are stopped while
 * another store is measured, single servers run on. Figures are medians with their range, ratios
 * are of figures of the same round. Any error reply, or a value that is
 * not there, ends the run: a rate of errors is not a rate.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { LoadTest } from '../src/cli/bench/resp-requests.ts'
import { type CrossCheck, crossCheck } from './cross-check.ts'
import { type DiskRate, measureDisk } from './disk-rate.ts'
import { etcdVersion } from './etcd-server.ts'
import { IdleClusters } from './idle-clusters.ts'
import { LoadClient } from './load/load-client.ts'
import type { LoadFigures } from './load/load-task.ts'
import { cpuMicroseconds } from './process-usage.ts'
import { placeBetweenMarkers, type Report, renderReport } from './report.ts'
import { Rounds } from './rounds.ts'
import { SUBJECT_NAMES, type Subject, type SubjectName, startSubjects } from './subjects.ts'

const PAGE = new URL('../docs/performance.md', import.meta.url)
const TESTS = ['set', 'get', 'incr', 'hset'] as const
const PIPELINES = [1, 16] as const
const CLIENTS = 50
const VALUE_BYTES = 128
const FILL_PIPELINE = 64
const IDLE_MS = 2_000
/** After a start files are prepared, functions compiled, memory collected. */
const SETTLE_MS = 8_000
const DISK_MS = 500
const WARM_UP_PART = 0.2
const PROCESSOR_MS_PER_S = 1_000

type Settings = {
  readonly rounds: number
  readonly measureMs: number
  readonly keys: number
  readonly only: readonly SubjectName[]
  readonly tests: readonly LoadTest[]
  readonly json: string | undefined
  readonly writes: boolean
}

async function main(settings: Settings): Promise<void> {
  const loadBefore = loadavg()
  const { subjects, stop } = await startSubjects(settings.only)
  const client = new LoadClient()
  try {
    const idleCpuMs = await measureIdle(subjects)
    for (const subject of subjects) await fill(client, subject, settings)
    const rounds = new Rounds()
    const idle = new IdleClusters(subjects)
    const disk = await measureRounds({ client, idle, subjects, settings, rounds })
    const crossChecks: CrossCheck[] = []
    for (const subject of subjects) {
      say(`the same with another client: ${subject.name}`)
      await idle.runOnly(subject)
      const common = { clients: CLIENTS, valueBytes: VALUE_BYTES, keys: settings.keys }
      crossChecks.push(
        ...(await crossCheck(subject, PIPELINES, rounds, { ...common, measureMs: settings.measureMs })),
      )
    }
    const report: Report = {
      circumstances: circumstances(settings, subjects, loadBefore),
      subjects: subjects.map(({ name }) => name),
      loads: loadsOf(settings),
      disk,
      idleCpuMs,
      crossChecks,
    }
    publish(report, rounds, settings)
  } finally {
    client.close()
    await stop()
  }
}

function loadsOf({ tests }: Settings): Report['loads'] {
  return tests.flatMap((test) => PIPELINES.map((pipeline) => ({ test, pipeline })))
}

type Run = {
  readonly client: LoadClient
  readonly idle: IdleClusters
  readonly subjects: readonly Subject[]
  readonly settings: Settings
  readonly rounds: Rounds
}

async function measureRounds(run: Run): Promise<readonly DiskRate[]> {
  const { subjects, settings, rounds } = run
  const disk: DiskRate[] = []
  // The first is not counted: programs are compiled while they run, files grow to their size.
  for (let round = 0; round <= settings.rounds; round++) {
    if (round > 0) disk.push(measureDisk(DISK_MS))
    const first = round % subjects.length
    const order = [...subjects.slice(first), ...subjects.slice(0, first)]
    for (const { test, pipeline } of loadsOf(settings)) {
      for (const subject of order) {
        if (!subject.tests.includes(test)) continue
        const figures = await measure(run, subject, test, pipeline)
        if (round > 0) rounds.add({ subject: subject.name, test, pipeline }, figures)
        const { requestsPerSecond, cpuUsPerRequest, p99Ms, ownLoad } = figures
        say(
          `round ${round} of ${settings.rounds}, ${test}, pipeline ${pipeline}: ${subject.name} ` +
            `${requestsPerSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(2)} ms, ${cpuUsPerRequest.toFixed(1)} µs, loop ${(ownLoad * 100).toFixed(0)} %`,
        )
      }
    }
  }
  return disk
}

async function measure(
  { client, idle, settings }: Run,
  subject: Subject,
  test: LoadTest,
  pipeline: number,
): Promise<LoadFigures> {
  await idle.runOnly(subject)
  return client.run({
    protocol: subject.protocol,
    ...(await subject.address()),
    test,
    clients: CLIENTS,
    pipeline,
    valueBytes: VALUE_BYTES,
    keys: settings.keys,
    order: 'random',
    extent: { warmUpMs: settings.measureMs * WARM_UP_PART, measureMs: settings.measureMs },
    pids: subject.pids,
    ...(subject.fence === undefined || test === 'get' ? {} : { fence: subject.fence }),
  })
}

async function measureIdle(subjects: readonly Subject[]): Promise<Report['idleCpuMs']> {
  say(`what each uses without load, in ${IDLE_MS / 1_000} s`)
  await sleep(SETTLE_MS)
  const before = subjects.map(({ pids }) => cpuMicroseconds(pids))
  await sleep(IDLE_MS)
  return Object.fromEntries(
    subjects.map(({ name, pids }, at) => {
      const usedMs = (cpuMicroseconds(pids) - (before[at] as number)) / 1_000
      return [name, (usedMs / IDLE_MS) * PROCESSOR_MS_PER_S]
    }),
  )
}

/** Gets find what they ask for. */
async function fill(client: LoadClient, subject: Subject, { keys }: Settings): Promise<void> {
  say(`filling ${subject.name} with ${keys} keys`)
  await client.run({
    protocol: subject.protocol,
    ...(await subject.address()),
    test: 'set',
    clients: CLIENTS,
    pipeline: FILL_PIPELINE,
    valueBytes: VALUE_BYTES,
    keys,
    order: 'inTurn',
    extent: { requests: keys },
    pids: subject.pids,
  })
}

function circumstances(
  settings: Settings,
  subjects: readonly Subject[],
  loadBefore: readonly number[],
): Report['circumstances'] {
  const [processor] = cpus()
  const load = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join(' ')
  const uses = (part: string): boolean => subjects.some(({ name }) => name.startsWith(part))
  const redis = (): string =>
    /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? ''
  const rows: (readonly [string, string])[] = [
    [
      'machine',
      `${cpus().length} × ${processor?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    ],
    ['load average before, after', `${load(loadBefore)}, ${load(loadavg())}`],
    ['Node', process.version],
    ...(uses('redis') ? [['redis-server', redis()] as const] : []),
    ...(uses('etcd') ? [['etcd', etcdVersion() ?? ''] as const] : []),
    [
      'load',
      `${CLIENTS} connections, values of ${VALUE_BYTES} bytes, ${settings.keys} keys at random, ${settings.measureMs} ms each after a warm-up of ${settings.measureMs * WARM_UP_PART} ms, ${settings.rounds} rounds`,
    ],
  ]
  return rows
}

function publish(report: Report, rounds: Rounds, { json, writes }: Settings): void {
  const text = renderReport(report, rounds)
  process.stdout.write(text)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...report, rounds }, null, 1)}\n`)
  if (writes) writeFileSync(PAGE, placeBetweenMarkers(readFileSync(PAGE, 'utf8'), text))
}

function say(what: string): void {
  process.stderr.write(`${what}\n`)
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string' },
      keys: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: SUBJECT_NAMES.join(',') },
      tests: { type: 'string', default: TESTS.join(',') },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  })
  const { quick } = values
  return {
    rounds: positive('rounds', values.rounds),
    measureMs: positive('seconds', values.seconds ?? (quick ? '0.5' : '2')) * 1_000,
    keys: positive('keys', values.keys ?? (quick ? '10000' : '100000')),
    only: choose('only', values.only, SUBJECT_NAMES),
    tests: choose('tests', values.tests, TESTS),
    json: values.json,
    writes: values.write,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} ${text}: it must be a number above 0`)
  return value
}

function choose<const Choice extends string>(
  name: string,
  text: string,
  all: readonly Choice[],
): readonly Choice[] {
  const words = text.split(',')
  const unknown = words.find((word) => !all.some((each) => each === word))
  if (unknown !== undefined) throw new Error(`--${name} ${unknown}: there is only ${all.join(', ')}`)
  return all.filter((each) => words.includes(each))
}

await main(readSettings())
