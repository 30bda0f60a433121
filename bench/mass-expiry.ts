/** Keys that all expire at one instant, and how long they stay after it. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { KEY_DIGITS } from '../src/cli/bench/requests.ts'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { connectResp } from '../test/nemesis/resp-connection.ts'
import type { LoadClient } from './load/load-client.ts'
import { fill } from './own-node.ts'

/** Until they expire the keys must be written, on a machine that may have become slower: so many times as long as before. */
const PATIENCE = 5
const LEAD_MS_MIN = 5_000
const POLL_MS = 20
const GONE_MS_MAX = 120_000

export type MassExpiry = {
  readonly atMs: number
  /** Waits until none is left. */
  readonly countLeft: () => Promise<string>
}

/** All are written when it resolves, before `atMs`. */
export async function expireAtOnce(
  client: LoadClient,
  node: NodeProcess,
  keys: number,
  writesPerSecond: number,
): Promise<MassExpiry> {
  const before = await countKeys(node)
  const leadMs = LEAD_MS_MIN + (keys / writesPerSecond) * 1_000 * PATIENCE
  const atMs = Math.ceil(Date.now() + leadMs)
  await fill(client, node, keys, { test: ['SET', `bench:expiring:${KEY_DIGITS}`, 'x', 'PXAT', String(atMs)] })
  assert(Date.now() < atMs, `${keys} keys were not written in ${leadMs} ms: the machine is too busy`)
  const countLeft = async (): Promise<string> => {
    await sleep(Math.max(0, atMs - Date.now()))
    const untilMs = atMs + GONE_MS_MAX
    // Other clients' keys come and go: one in a hundred may be theirs.
    const most = before + keys / 100
    while ((await countKeys(node)) > most && Date.now() < untilMs) await sleep(POLL_MS)
    return `${(await countKeys(node)) - before} more keys than before after ${Date.now() - atMs} ms`
  }
  return { atMs, countLeft }
}

async function countKeys(node: NodeProcess): Promise<number> {
  const connection = await connectResp(node.redis)
  try {
    return Number(await connection.call('DBSIZE'))
  } finally {
    connection.close()
  }
}
