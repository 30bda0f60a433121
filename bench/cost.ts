/**
 * What a node costs: time from its start on an empty directory until it serves, memory when idle,
 * and the longest its main loop is busy under load.
 *
 *   node bench/cost.ts [--starts 9] [--requests 100000]
 *
 * Figures of a busy machine are worse; the load is printed beside them.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { distribution } from '../test/nemesis/gap-watch.ts'
import { numberOption } from '../tools/number-option.ts'
import { describeReading, probeEnvironment, readProbe, resetProbe } from './loop-reading.ts'
import { printRows, type Row, withNode } from './own-node.ts'
import { residentMib } from './process-usage.ts'

const IDLE_MS = 5_000
const BENCHMARK_TESTS = ['set', 'get', 'incr', 'mset', 'hset'] as const

const run = promisify(execFile)
const { values } = parseArgs({
  options: { starts: { type: 'string', default: '9' }, requests: { type: 'string', default: '100000' } },
})

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
  const mib = await withNode({}, async (node) => {
    await sleep(IDLE_MS)
    return residentMib([node.pid])
  })
  return [[`resident memory, idle for ${IDLE_MS / 1_000} s`, '≤ 150 MiB', `${mib.toFixed(0)} MiB`]]
}

async function measureLoop(requests: string): Promise<readonly Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-probe-'))
  const file = join(directory, 'reading')
  try {
    return await withNode({ environment: probeEnvironment(file) }, async (node) => {
      const rows: Row[] = []
      for (const test of BENCHMARK_TESTS) {
        await resetProbe(file)
        const words = ['-p', String(node.redis.port), '-t', test, '-n', requests, '-P', '16', '-q']
        const { stdout } = await run('redis-benchmark', words)
        const perSecond = Math.round(Number(/: ([\d.]+) requests per second/.exec(stdout)?.[1]))
        rows.push([
          `main loop, redis-benchmark ${test} -P 16 (${perSecond}/s)`,
          '≤ 20 ms CPU',
          describeReading(await readProbe(file)),
        ])
      }
      return rows
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

printRows([
  ...(await measureStarts(numberOption('--starts', values.starts))),
  ...(await measureMemory()),
  ...(await measureLoop(values.requests)),
])
