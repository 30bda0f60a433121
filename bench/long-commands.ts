/**
 * The longest stretch of a node's main loop while other clients read and write and somebody sends
 * what takes long: KEYS over a million keys, huge hashes and values, a hundred thousand arguments,
 * FLUSHALL, and a hundred thousand keys that expire at one instant.
 *
 *   node bench/long-commands.ts [--keys 1000000] [--many 100000] [--only TEXT] [--alone]
 *
 * --alone: without the other clients. A stretch is processor time of the main thread between two
 * turns of a timer (loop-probe.ts).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { numberOption } from '../tools/number-option.ts'
import type { LoadClient } from './load/load-client.ts'
import { type Answered, fillHash, longReads, longWrites, send } from './long-work.ts'
import { describeReading, probeEnvironment, readProbe, resetProbe } from './loop-reading.ts'
import { expireAtOnce } from './mass-expiry.ts'
import { fill, printRows, type Row, taskFor, withLoads, withNode } from './own-node.ts'

const TARGET = '≤ 20 ms CPU'
const MIXED_MS = 5_000
const ERROR_CHARS = 90
const LEAD_MS = 500
const LARGE_BYTES = 32 * 1024 * 1024
const TRANSACTION_COMMANDS = 16_000
/** Keys of the clients beside; the command's own keys are others. */
const MIXED_LOAD = { keys: 10_000, clients: 10, pipeline: 4 } as const

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    many: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
    alone: { type: 'boolean', default: false },
  },
})
const keys = numberOption('--keys', values.keys)
const many = numberOption('--many', values.many)

type Parts = {
  readonly node: NodeProcess
  readonly file: string
  readonly client: LoadClient
  /** Beside the command. */
  readonly beside: readonly [LoadClient, LoadClient]
}

/** What the probe sees while other clients work and `command` runs. */
async function during(parts: Parts, what: string, command: () => Promise<string>): Promise<Row> {
  const { node, file, beside } = parts
  await resetProbe(file)
  const extent = { warmUpMs: 0, measureMs: MIXED_MS }
  const others = values.alone
    ? Promise.resolve([])
    : Promise.all([
        beside[0].run(taskFor(node, { ...MIXED_LOAD, test: 'set', extent })),
        beside[1].run(taskFor(node, { ...MIXED_LOAD, test: 'incr', extent })),
      ])
  await sleep(LEAD_MS)
  const outcome = await command()
  const slowestMs = Math.max(0, ...(await others).map(({ maxMs }) => maxMs))
  const reading = describeReading(await readProbe(file))
  const row: Row = [what, TARGET, `${reading}; others waited ${slowestMs.toFixed(0)} ms at most; ${outcome}`]
  console.error(row.join('  '))
  return row
}

function describeAnswer({ milliseconds, bytes, error }: Answered): string {
  const outcome = error === null ? `${bytes} bytes` : `refused (${error.slice(0, ERROR_CHARS)})`
  return `${outcome} after ${milliseconds.toFixed(0)} ms`
}

async function measureAll(parts: Parts, writesPerSecond: number): Promise<readonly Row[]> {
  const { node } = parts
  const sizes = { many, largeBytes: LARGE_BYTES, commands: TRANSACTION_COMMANDS }
  const rows = [await during(parts, 'nothing else', () => Promise.resolve('for comparison'))]
  await send(node.redis, fillHash(many))
  for (const { name, before, requests } of [...longReads(sizes), ...longWrites(sizes)]) {
    if (before !== undefined) await send(node.redis, before())
    if (!isWanted(name)) continue
    rows.push(await during(parts, name, async () => describeAnswer(await send(node.redis, requests()))))
  }
  const expiry = `${many} keys expire at one instant`
  if (isWanted(expiry)) {
    const { atMs, countLeft } = await expireAtOnce(parts.client, node, many, writesPerSecond)
    await sleep(Math.max(0, atMs - Date.now() - LEAD_MS * 2))
    rows.push(await during(parts, expiry, countLeft))
  }
  if (isWanted('FLUSHALL')) {
    rows.push(
      await during(parts, `FLUSHALL of ${keys} keys`, async () =>
        describeAnswer(await send(node.redis, [['FLUSHALL']])),
      ),
    )
  }
  return rows
}

function isWanted(name: string): boolean {
  return values.only.split(',').some((text) => name.includes(text))
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-probe-'))
const file = join(directory, 'reading')
try {
  const rows = await withLoads(3, ([first, ...others]) =>
    withNode({ environment: probeEnvironment(file) }, async (node) => {
      const client = first as LoadClient
      const { requestsPerSecond } = await fill(client, node, keys)
      return measureAll({ node, file, client, beside: others as [LoadClient, LoadClient] }, requestsPerSecond)
    }),
  )
  printRows(rows)
} finally {
  await rm(directory, { recursive: true, force: true })
}
