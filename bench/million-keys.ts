/**
 * A node with a million values of 128 bytes: its memory, and how long it takes until it serves
 * again after kill -9, when it was idle and in the middle of writes.
 *
 *   node bench/million-keys.ts [--keys 1000000] [--kills 3]
 *
 * After each kill all keys must be there: a fast start that forgets is a failure, not a figure.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { distribution } from '../test/nemesis/gap-watch.ts'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { connectResp } from '../test/nemesis/resp-connection.ts'
import { numberOption } from '../tools/number-option.ts'
import type { LoadClient } from './load/load-client.ts'
import { fill, printRows, type Row, taskFor, withLoad, withNode } from './own-node.ts'
import { residentMib } from './process-usage.ts'

const IDLE_MS = 5_000
const WRITING_MS = 2_000
const BYTES_PER_MIB = 1_048_576
const READY_TARGET = '≤ 3000 ms'

const { values } = parseArgs({
  options: { keys: { type: 'string', default: '1000000' }, kills: { type: 'string', default: '3' } },
})
const keys = numberOption('--keys', values.keys)
const kills = numberOption('--kills', values.kills)

async function measure(node: NodeProcess, client: LoadClient): Promise<readonly Row[]> {
  const filled = await fill(client, node, keys)
  const full = residentMib([node.pid])
  await sleep(IDLE_MS)
  const idle = residentMib([node.pid])
  const starts = { idle: [] as number[], writing: [] as number[] }
  for (let kill = 0; kill < kills; kill++) {
    starts.idle.push(await killAndStart(node))
    starts.writing.push(await killWhileWriting(node, client))
  }
  const megabytes = (mib: number): string => `${((mib * BYTES_PER_MIB) / 1_000_000).toFixed(0)} MB`
  const times = (found: readonly number[]): string => {
    const { p50, max } = distribution(found)
    return `median ${p50} ms, max ${max} ms`
  }
  return [
    [`${keys} keys of 128 bytes written`, '', `${filled.requestsPerSecond.toFixed(0)}/s`],
    ['resident memory, just written', '', megabytes(full)],
    [`resident memory, ${IDLE_MS / 1_000} s later`, '≤ 450 MB', megabytes(idle)],
    ['kill -9 when idle, until it serves', READY_TARGET, times(starts.idle)],
    ['kill -9 while it writes, until it serves', READY_TARGET, times(starts.writing)],
  ]
}

async function killAndStart(node: NodeProcess): Promise<number> {
  await node.kill()
  await node.start()
  const connection = await connectResp(node.redis)
  try {
    assert.equal(await connection.call('DBSIZE'), keys)
    assert.equal(await connection.call('EXISTS', `bench:key:${String(keys - 1).padStart(12, '0')}`), 1)
  } finally {
    connection.close()
  }
  return node.lastStartMs
}

async function killWhileWriting(node: NodeProcess, client: LoadClient): Promise<number> {
  const extent = { warmUpMs: 0, measureMs: WRITING_MS * 2 }
  const writing = client.run(taskFor(node, { test: 'set', keys, pipeline: 16, extent })).then(
    () => assert.fail('the load should have lost its server'),
    (error: unknown) => {
      if (!/closed a connection|ECONNRESET|EPIPE/.test(String(error))) throw error
    },
  )
  await sleep(WRITING_MS)
  const startMs = await killAndStart(node)
  await writing
  return startMs
}

printRows(await withLoad((client) => withNode({}, (node) => measure(node, client))))
