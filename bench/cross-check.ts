/**
 * The load of `npm run bench` once more with the clients that the others publish: redis-benchmark,
 * and etcd's own in Go when ETCD_BENCHMARK names it (bench/build-etcd-benchmark.sh builds it).
 * Where our loop were slow or wrong, the rates would disagree.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { randomText } from '../src/cli/bench/requests.ts'
import { cpuMicroseconds } from './process-usage.ts'
import type { Cell, Rounds } from './rounds.ts'
import type { Subject } from './subjects.ts'

export type CrossCheck = {
  readonly cell: Cell
  readonly client: 'redis-benchmark' | "etcd's benchmark"
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUsPerRequest: number
}

type Settings = {
  readonly clients: number
  readonly valueBytes: number
  readonly keys: number
  readonly measureMs: number
}

const run = promisify(execFile)
const RUN_MS_MAX = 120_000
const KEY_BYTES = 22
const TESTS = ['set', 'get'] as const
/** A run of fewer says nothing. */
const REQUESTS_MIN = 1_000

/** As many requests as our own loop had answered in that time. Empty when there is no such client for the subject. */
export async function crossCheck(
  subject: Subject,
  pipelines: readonly number[],
  rounds: Rounds,
  settings: Settings,
): Promise<readonly CrossCheck[]> {
  const goClient = process.env['ETCD_BENCHMARK']
  // redis-benchmark can't send WAIT after each batch.
  if (subject.fence !== undefined || (subject.protocol === 'etcd' && goClient === undefined)) return []
  const found: CrossCheck[] = []
  for (const test of TESTS) {
    for (const pipeline of pipelines) {
      const cell: Cell = { subject: subject.name, test, pipeline }
      const rate = rounds.summary(cell, 'requestsPerSecond')?.median
      if (rate === undefined) continue
      const requests = Math.max(REQUESTS_MIN, Math.round((rate * settings.measureMs) / 1_000))
      const { port } = await subject.address()
      const beforeUs = cpuMicroseconds(subject.pids)
      const figures =
        subject.protocol === 'redis'
          ? await redisBenchmark(cell, port, requests, settings)
          : await etcdBenchmark(goClient as string, cell, port, requests, settings)
      const cpuUsPerRequest = (cpuMicroseconds(subject.pids) - beforeUs) / requests
      found.push({ cell, ...figures, cpuUsPerRequest })
    }
  }
  return found
}

type ClientFigures = Omit<CrossCheck, 'cell' | 'cpuUsPerRequest'>

async function redisBenchmark(
  { test, pipeline }: Cell,
  port: number,
  requests: number,
  { clients, valueBytes, keys }: Settings,
): Promise<ClientFigures> {
  // The keys that our own loop has filled: __rand_int__ becomes twelve digits.
  const key = 'bench:key:__rand_int__'
  const words = test === 'set' ? ['SET', key, randomText(valueBytes, 1)] : ['GET', key]
  const { stdout } = await run(
    'redis-benchmark',
    [
      ...['-p', String(port), '-c', String(clients), '-P', String(pipeline), '-n', String(requests), '--csv'],
      ...['-r', String(keys), ...words],
    ],
    { timeout: RUN_MS_MAX },
  )
  const [headings = [], values = []] = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')))
  const number = (name: string): number => readNumber(name, values[headings.indexOf(name)])
  return {
    client: 'redis-benchmark',
    requestsPerSecond: number('rps'),
    p50Ms: number('p50_latency_ms'),
    p99Ms: number('p99_latency_ms'),
  }
}

async function etcdBenchmark(
  program: string,
  { test, pipeline }: Cell,
  port: number,
  requests: number,
  { clients, valueBytes, keys }: Settings,
): Promise<ClientFigures> {
  const words =
    test === 'set'
      ? ['put', `--key-size=${KEY_BYTES}`, `--val-size=${valueBytes}`, `--key-space-size=${keys}`]
      : ['range', `bench:key:${'0'.repeat(12)}`]
  const { stdout } = await run(
    program,
    [
      ...[`--endpoints=127.0.0.1:${port}`, `--conns=${clients}`, `--clients=${clients * pipeline}`],
      ...[...words, `--total=${requests}`],
    ],
    { timeout: RUN_MS_MAX },
  )
  const number = (pattern: RegExp): number => readNumber(String(pattern), pattern.exec(stdout)?.[1])
  return {
    client: "etcd's benchmark",
    requestsPerSecond: number(/Requests\/sec:\s*([\d.]+)/),
    p50Ms: number(/50% in ([\d.]+) secs/) * 1_000,
    p99Ms: number(/99% in ([\d.]+) secs/) * 1_000,
  }
}

function readNumber(what: string, text: string | undefined): number {
  const value = Number(text)
  assert(text !== undefined && Number.isFinite(value), `the client printed no ${what}`)
  return value
}
