/**
 * A node with far more data than memory, which the kernel enforces: writes, reads and a start after kill -9 with
 * values of many times the limit. Every value that is read is compared.
 *
 *   node bench/beyond-memory.ts [--gib 20] [--value-bytes 16384] [--limit-mib 512] [--max-memory 128MiB]
 *
 * As root on Linux the node runs in a cgroup of its own and is killed when it takes more than the limit; anywhere
 * else its memory is only measured, and the output says so. Needs about one and a half times as much room on the disk.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { distribution } from '../test/nemesis/gap-watch.ts'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { connectResp, type TestConnection } from '../test/nemesis/resp-connection.ts'
import { numberOption } from '../tools/number-option.ts'
import { printRows, type Row, withNode } from './own-node.ts'
import { peakMib } from './process-usage.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20
const CONNECTIONS = 8
const PIPELINE = 16
const READS = 20_000
const PROGRESS_BYTES = GIB / 2
/** Values are pieces of this text, each from another place. */
const TEXT_BYTES = MIB
const MEMORY_GROUPS = '/sys/fs/cgroup/memory'

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '20' },
    'value-bytes': { type: 'string', default: '16384' },
    'limit-mib': { type: 'string', default: '512' },
    'max-memory': { type: 'string', default: '128MiB' },
  },
})
const valueBytes = numberOption('--value-bytes', values['value-bytes'])
const keys = Math.ceil((numberOption('--gib', values.gib) * GIB) / valueBytes)
const limitMib = numberOption('--limit-mib', values['limit-mib'])

const text = makeText()

function makeText(): string {
  let state = 1
  let made = ''
  while (made.length < TEXT_BYTES + valueBytes) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    made += String.fromCharCode(32 + ((state >>> 24) % 95))
  }
  return made
}

function valueOf(key: number): string {
  const from = Math.imul(key, 40_503) & (TEXT_BYTES - 1)
  return `${key}:${text.slice(from, from + valueBytes - 1 - String(key).length)}`
}

/** A cgroup that holds what runs in it to `limitMib`; null where there is none to be had. */
function makeMemoryGroup(): string | null {
  if (!existsSync(join(MEMORY_GROUPS, 'memory.limit_in_bytes')) || process.getuid?.() !== 0) return null
  const group = join(MEMORY_GROUPS, `holdfast-${process.pid}`)
  mkdirSync(group)
  writeFileSync(join(group, 'memory.limit_in_bytes'), String(limitMib * MIB))
  return group
}

/** Runs `each` for all numbers below `count`, so many at once. */
async function forAll(
  connections: readonly TestConnection[],
  count: number,
  each: (connection: TestConnection, number: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const work = async (connection: TestConnection): Promise<void> => {
    while (next < count) await each(connection, next++)
  }
  await Promise.all(connections.flatMap((one) => Array.from({ length: PIPELINE }, () => work(one))))
}

async function connect(node: NodeProcess): Promise<readonly TestConnection[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, () => connectResp(node.redis)))
}

async function write(node: NodeProcess): Promise<Row> {
  const connections = await connect(node)
  const startMs = performance.now()
  let nextReport = PROGRESS_BYTES
  await forAll(connections, keys, async (connection, key) => {
    assert.equal(await connection.call('SET', `k${key}`, valueOf(key)), 'OK')
    if (key * valueBytes < nextReport) return
    nextReport += PROGRESS_BYTES
    const seconds = (performance.now() - startMs) / 1_000
    console.log(
      `${((key * valueBytes) / GIB).toFixed(1)} GiB after ${seconds.toFixed(0)} s, ${peakMib(node.pid).toFixed(0)} MiB at most`,
    )
  })
  for (const connection of connections) connection.close()
  const rate = (keys * valueBytes) / MIB / ((performance.now() - startMs) / 1_000)
  return [`${((keys * valueBytes) / GIB).toFixed(1)} GiB written`, '', `${rate.toFixed(0)} MiB/s`]
}

async function read(node: NodeProcess, when: string): Promise<Row> {
  const connections = await connect(node)
  const latencies: number[] = []
  const startMs = performance.now()
  await forAll(connections, READS, async (connection, number) => {
    const key = (Math.imul(number, 2_654_435_761) >>> 0) % keys
    const sentMs = performance.now()
    assert.equal(await connection.call('GET', `k${key}`), valueOf(key), `the value of k${key}`)
    latencies.push(performance.now() - sentMs)
  })
  const rate = READS / ((performance.now() - startMs) / 1_000)
  assert.equal(await (connections[0] as TestConnection).call('DBSIZE'), keys)
  for (const connection of connections) connection.close()
  const { p50, p99 } = distribution(latencies)
  return [
    `${READS} random values read and compared, ${when}`,
    '',
    `${rate.toFixed(0)}/s, p50 ${p50} ms, p99 ${p99} ms`,
  ]
}

async function run(node: NodeProcess, isEnforced: boolean): Promise<readonly Row[]> {
  const written = await write(node)
  const reads = [await read(node, 'right after')]
  const peaks = [peakMib(node.pid)]
  await node.kill()
  const startMs = performance.now()
  await node.start()
  const start = performance.now() - startMs
  reads.push(await read(node, 'after kill -9'))
  peaks.push(peakMib(node.pid))
  const peak = `${Math.max(...peaks).toFixed(0)} MiB at most`
  return [
    written,
    ...reads,
    ['kill -9, until it serves', '', `${start.toFixed(0)} ms`],
    [
      'resident memory',
      `≤ ${limitMib} MiB`,
      isEnforced ? `${peak}, enforced by the kernel` : `${peak}, not enforced here`,
    ],
  ]
}

const group = makeMemoryGroup()
// The shell becomes the node, within the group.
const launcher = group === null ? [] : ['sh', '-c', `echo $$ > ${group}/cgroup.procs; exec "$@"`, 'sh']
const flags = [`--max-memory=${values['max-memory']}`, '--max-value-size=1MiB']
try {
  printRows(await withNode({ flags, launcher }, (node) => run(node, group !== null)))
} finally {
  if (group !== null) rmdirSync(group)
}
