/**
 * What a node costs: time from its start on an empty directory until it serves, memory when idle,
 * and the longest its main loop is busy under load.
 *
 *   node bench/cost.ts [--starts 9] [--requests 100000]
 *
 * Figures of a busy machine are worse; the load is printed beside them.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { renderColumns } from '../src/cli/columns.ts'
import { distribution } from '../test/nemesis/gap-watch.ts'
import { NodeProcess } from '../test/nemesis/node-process.ts'
import type { LoopReading } from './loop-probe.ts'

const IDLE_MS = 5_000
/** Longer than the probe takes to write down what it saw. */
const SETTLE_MS = 1_200
const ANY_PORTS = ['redis', 'http', 'peer', 'milvus'].map((name) => `--${name}-port=0`)
const BENCHMARK_TESTS = ['set', 'get', 'incr', 'mset', 'hset'] as const

const run = promisify(execFile)
const { values } = parseArgs({
  options: { starts: { type: 'string', default: '9' }, requests: { type: 'string', default: '100000' } },
})

type Row = readonly [what: string, target: string, measured: string]

async function withNode<Result>(
  environment: Readonly<Record<string, string>>,
  use: (node: NodeProcess) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-cost-'))
  const node = new NodeProcess({
    id: 'n1',
    directory: join(directory, 'data'),
    flags: ANY_PORTS,
    environment,
  })
  try {
    await node.start()
    return await use(node)
  } finally {
    if (node.isRunning) await node.kill()
    await rm(directory, { recursive: true, force: true })
  }
}

async function measureStarts(count: number): Promise<readonly Row[]> {
  const starts: number[] = []
  for (let start = 0; start < count; start++)
    starts.push(await withNode({}, (node) => Promise.resolve(node.lastStartMs)))
  const { p50, max } = distribution(starts)
  return [
    [`start to serving, empty directory, ${count} times`, '≤ 1000 ms', `median ${p50} ms, max ${max} ms`],
  ]
}

async function measureMemory(): Promise<readonly Row[]> {
  const residentMib = await withNode({}, async (node) => {
    await sleep(IDLE_MS)
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))
    return Number(found?.[1]) / 1024
  })
  return [[`resident memory, idle for ${IDLE_MS / 1_000} s`, '≤ 150 MiB', `${residentMib.toFixed(0)} MiB`]]
}

async function measureLoop(requests: string): Promise<readonly Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-probe-'))
  const file = join(directory, 'reading')
  const environment = {
    NODE_OPTIONS: `--import ${new URL('loop-probe.ts', import.meta.url).href}`,
    LOOP_PROBE_FILE: file,
  }
  try {
    return await withNode(environment, async (node) => {
      const rows: Row[] = []
      for (const test of BENCHMARK_TESTS) {
        await sleep(SETTLE_MS)
        writeFileSync(`${file}.reset`, '')
        while (existsSync(`${file}.reset`)) await sleep(20)
        const words = ['-p', String(node.redis.port), '-t', test, '-n', requests, '-P', '16', '-q']
        const { stdout } = await run('redis-benchmark', words)
        await sleep(SETTLE_MS)
        const reading = JSON.parse(readFileSync(file, 'utf8')) as LoopReading
        const perSecond = Math.round(Number(/: ([\d.]+) requests per second/.exec(stdout)?.[1]))
        rows.push([
          `main loop, redis-benchmark ${test} -P 16 (${perSecond}/s)`,
          '≤ 20 ms CPU',
          `${reading.cpuMsMax.toFixed(1)} ms CPU, ${reading.wallMsMax.toFixed(1)} ms by the clock, ` +
            `${reading.cpuOver20Ms} of ${reading.stretches} over 20 ms CPU`,
        ])
      }
      return rows
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const rows = [
  ...(await measureStarts(Number(values.starts))),
  ...(await measureMemory()),
  ...(await measureLoop(values.requests)),
]
console.log(renderColumns(['WHAT', 'TARGET', 'MEASURED'], rows))
console.log(
  `load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`,
)
