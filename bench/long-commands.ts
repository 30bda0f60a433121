/**
 * The longest stretch of a node's main loop while other clients read and write and somebody sends
 * what takes long: KEYS over a million keys, FLUSHALL of them, and a hundred thousand keys that
 * expire at one instant.
 *
 *   node bench/long-commands.ts [--keys 1000000] [--expiring 100000]
 *
 * A stretch is processor time of the main thread between two turns of a timer (loop-probe.ts).
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { KEY_DIGITS } from '../src/cli/bench/requests.ts'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { connectResp } from '../test/nemesis/resp-connection.ts'
import type { LoadClient } from './load/load-client.ts'
import { describeReading, probeEnvironment, readProbe, resetProbe } from './loop-reading.ts'
import { fill, printRows, type Row, taskFor, withLoad, withNode } from './own-node.ts'

const TARGET = '≤ 20 ms CPU'
const MIXED_MS = 5_000
const ERROR_CHARS = 80
const LEAD_MS = 500
/** Until they expire the keys must be written, on a machine that may have become slower: this many times as long as it took before. */
const PATIENCE = 5
const EXPIRY_MS_MIN = 10_000
/** Keys of the clients beside; the command's own keys are others. */
const MIXED_KEYS = 10_000
const MIXED_LOAD = { keys: MIXED_KEYS, clients: 10, pipeline: 4 } as const

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    expiring: { type: 'string', default: '100000' },
  },
})
const keys = Number(values.keys)
const expiring = Number(values.expiring)

type Parts = {
  readonly node: NodeProcess
  readonly file: string
  /** For clients beside the command, and for the command. */
  readonly beside: readonly [LoadClient, LoadClient]
  readonly client: LoadClient
}

/** What the probe sees while other clients work and `command` runs. */
async function during(parts: Parts, what: string, command: () => Promise<string>): Promise<Row> {
  const { node, file, beside } = parts
  await resetProbe(file)
  const extent = { warmUpMs: 0, measureMs: MIXED_MS }
  const others = Promise.all([
    beside[0].run(taskFor(node, { ...MIXED_LOAD, test: 'set', extent })),
    beside[1].run(taskFor(node, { ...MIXED_LOAD, test: 'incr', extent })),
  ])
  await sleep(LEAD_MS)
  const outcome = await command()
  const slowestMs = Math.max(...(await others).map(({ maxMs }) => maxMs))
  const reading = describeReading(await readProbe(file))
  return [what, TARGET, `${reading}; others waited ${slowestMs.toFixed(0)} ms at most; ${outcome}`]
}

async function sendOnce({ client, node }: Parts, words: readonly string[]): Promise<string> {
  const extent = { requests: 1 }
  const beginMs = performance.now()
  // An error is an answer to be told: the loop beside it is what is measured.
  const outcome = await client.run(taskFor(node, { test: words, keys: 1, clients: 1, extent })).then(
    () => 'answered',
    (error: unknown) =>
      `refused (${String(error)
        .replace(/^.*the first: /, '')
        .slice(0, ERROR_CHARS)})`,
  )
  return `${outcome} after ${(performance.now() - beginMs).toFixed(0)} ms`
}

async function countKeys(node: NodeProcess): Promise<number> {
  const connection = await connectResp(node.redis)
  try {
    return Number(await connection.call('DBSIZE'))
  } finally {
    connection.close()
  }
}

async function measureExpiry(parts: Parts, writesPerSecond: number): Promise<Row> {
  const { node, client } = parts
  const leadMs = EXPIRY_MS_MIN + (expiring / writesPerSecond) * 1_000 * PATIENCE
  const atMs = Math.ceil(Date.now() + leadMs)
  const words = ['SET', `bench:expiring:${KEY_DIGITS}`, 'x', 'PXAT', String(atMs)]
  await fill(client, node, expiring, { test: words })
  const waitMs = atMs - Date.now() - LEAD_MS * 2
  assert(waitMs > 0, `${expiring} keys were not written in ${leadMs.toFixed(0)} ms: the machine is too busy`)
  await sleep(waitMs)
  return during(parts, `${expiring} keys expire at one instant`, async () => {
    await sleep(MIXED_MS - LEAD_MS)
    return `${await countKeys(node)} keys are left`
  })
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-probe-'))
const file = join(directory, 'reading')
try {
  const rows = await withLoad((client) =>
    withLoad((first) =>
      withLoad((second) =>
        withNode({ environment: probeEnvironment(file) }, async (node) => {
          const parts: Parts = { node, file, beside: [first, second], client }
          const { requestsPerSecond } = await fill(client, node, keys)
          return [
            await during(parts, 'nothing else', () => Promise.resolve('for comparison')),
            await during(parts, `KEYS * over ${keys} keys`, () => sendOnce(parts, ['KEYS', '*'])),
            await during(parts, `FLUSHALL of ${keys} keys`, () => sendOnce(parts, ['FLUSHALL'])),
            await measureExpiry(parts, requestsPerSecond),
          ]
        }),
      ),
    ),
  )
  printRows(rows)
} finally {
  await rm(directory, { recursive: true, force: true })
}
