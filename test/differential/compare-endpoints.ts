/**
 * Runs one seed's random calls on two servers, in pipelines, and finds the first reply in which
 * they differ. Both must be empty, or they are emptied first.
 */

import { createSimRandom, type SimRandom } from '../../sim/world/random.ts'
import type { ByteString } from '../../src/base/bytes.ts'
import { sameReply } from './compare-replies.ts'
import {
  ALL_KEYS,
  type Call,
  randomCall,
  randomKey,
  randomScanOptions,
  randomTransactionCall,
} from './random-commands.ts'
import type { Endpoint } from './redis-server.ts'
import { connectRespClient, type RespClient } from './resp-client.ts'
import { isError, type WireReply } from './resp-reply.ts'

export type Comparison = {
  /** The reference. */
  readonly left: Endpoint
  readonly right: Endpoint
  readonly seed: number
  readonly protocol: '2' | '3'
  readonly pipelines: number
}

export type ComparisonResult = { readonly calls: number; readonly difference: string | null }

const PIPELINE_CALLS_MAX = 30
const SCAN_ROUNDS_MAX = 10_000
const SOON_MS = 15
const SOON_PAUSE_MS = 60
const SIZE_TIMEOUT_MS = 3000

type Pair = {
  readonly left: RespClient
  readonly right: RespClient
  readonly protocol: '2' | '3'
  readonly history: Call[]
}

export async function compareEndpoints(comparison: Comparison): Promise<ComparisonResult> {
  const random = createSimRandom(comparison.seed)
  const [left, right] = await connectBoth(comparison)
  const [otherLeft, otherRight] = await connectBoth(comparison)
  const history: Call[] = []
  const { protocol } = comparison
  const pair: Pair = { left, right, protocol, history }
  const other: Pair = { left: otherLeft, right: otherRight, protocol, history }
  try {
    for (const one of [pair, other]) {
      await both(one, (client) => client.pipeline([['hello', protocol], ['flushall']]))
    }
    for (let step = 0; step < comparison.pipelines; step++) {
      const difference = await runStep(pair, other, random)
      if (difference !== null) {
        const title = `seed ${comparison.seed}, RESP${comparison.protocol}, after ${pair.history.length} calls`
        return { calls: pair.history.length, difference: `${title}: ${difference}` }
      }
    }
    return { calls: pair.history.length, difference: null }
  } finally {
    for (const client of [left, right, otherLeft, otherRight]) client.close()
  }
}

function connectBoth({ left, right }: Comparison): Promise<[RespClient, RespClient]> {
  return Promise.all([connectRespClient(left), connectRespClient(right)])
}

function runStep(pair: Pair, other: Pair, random: SimRandom): Promise<string | null> {
  if (random.chance(0.25)) return compareTransaction(pair, other, random)
  if (random.chance(0.1)) return compareScan(pair, randomScanOptions(random))
  if (random.chance(0.03)) return compareExpiry(pair, random)
  if (random.chance(0.1)) return compareSize(pair)
  const calls = Array.from({ length: random.between(1, PIPELINE_CALLS_MAX) }, () => randomCall(random))
  return comparePipeline(pair, calls)
}

async function comparePipeline(pair: Pair, calls: readonly Call[]): Promise<string | null> {
  if (calls.length === 0) return null
  const [left, right] = await both(pair, (client) => client.pipeline(calls))
  for (const [index, call] of calls.entries()) {
    pair.history.push(call)
    const [one, other] = [left[index] as WireReply, right[index] as WireReply]
    const isExec = (call[0] as string).toLowerCase() === 'exec'
    const queued = isExec ? queuedBefore(calls, index) : []
    if (!sameReply(call, one, other, queued)) return describe(pair.history, one, other)
  }
  return null
}

/** Not FLUSHALL: with us it touches watched keys that do not exist (known-differences.test.ts). */
function randomCallBetween(random: SimRandom): Call {
  const call = randomCall(random)
  return /^flush/i.test(call[0] as string) ? ['ping'] : call
}

function queuedBefore(calls: readonly Call[], exec: number): readonly Call[] {
  const multi = calls.findIndex((call) => call[0] === 'multi')
  return calls.slice(multi + 1, exec).filter((call) => call[0] !== 'multi' && call[0] !== 'watch')
}

/**
 * WATCH, then perhaps something of another connection, then a transaction: all of it in one pipeline,
 * or in parts. Sometimes a queued command is wrong, or it ends otherwise.
 */
async function compareTransaction(pair: Pair, other: Pair, random: SimRandom): Promise<string | null> {
  const watched = Array.from({ length: random.below(3) }, () => randomKey(random))
  const watch: Call[] = watched.length > 0 ? [['watch', ...watched]] : []
  const body = Array.from({ length: random.between(0, 8) }, () => randomTransactionCall(random))
  const end = random.chance(0.85) ? 'exec' : random.pick(['discard', 'reset'])
  const after: Call[] = end === 'reset' ? [['hello', pair.protocol], ['exec']] : [['get', randomKey(random)]]
  const calls: Call[] = [['multi'], ...body, [end], ...after]
  if (random.chance(0.3)) return comparePipeline(pair, [...watch, randomCallBetween(random), ...calls])
  const difference = await comparePipeline(pair, watch)
  if (difference !== null) return difference
  const between = Array.from({ length: random.below(3) }, () => randomCallBetween(random))
  return (await comparePipeline(random.chance(0.8) ? other : pair, between)) ?? comparePipeline(pair, calls)
}

/** Cursors are each server's own business; what a whole scan finds is not. */
async function compareScan(pair: Pair, options: readonly ByteString[]): Promise<string | null> {
  const [left, right] = await both(pair, (client) => scanAll(client, options))
  pair.history.push(['scan', '0', ...options])
  return JSON.stringify(left) === JSON.stringify(right) ? null : describe(pair.history, left, right)
}

async function scanAll(client: RespClient, options: readonly ByteString[]): Promise<WireReply | string[]> {
  const found = new Set<string>()
  let cursor = '0'
  for (let round = 0; round < SCAN_ROUNDS_MAX; round++) {
    const reply = await client.call('scan', cursor, ...options)
    if (isError(reply) || !('members' in reply)) return reply
    const [next, keys] = reply.members
    if (next === undefined || !('text' in next) || keys === undefined || !('members' in keys)) return reply
    for (const member of keys.members) found.add(JSON.stringify(member))
    if (next.text === '0') return [...found].sort()
    cursor = next.text as string
  }
  throw new Error(`SCAN did not end in ${SCAN_ROUNDS_MAX} rounds`)
}

/** A key that expires while nobody looks is gone afterwards, for every command. */
async function compareExpiry(pair: Pair, random: SimRandom): Promise<string | null> {
  const key = randomKey(random)
  const expiring: Call = random.chance(0.5)
    ? ['set', key, 'v', 'px', String(SOON_MS)]
    : ['pexpire', key, String(SOON_MS)]
  const difference = await comparePipeline(pair, [expiring])
  if (difference !== null) return difference
  await new Promise((resolve) => setTimeout(resolve, SOON_PAUSE_MS))
  return comparePipeline(pair, [
    ['get', key],
    ['type', key],
    ['pttl', key],
    ['exists', key],
  ])
}

/**
 * Keys that have expired are counted until they are deleted: in Redis when somebody looks at them,
 * in ours a little later through the log. So this waits for agreement.
 */
async function compareSize(pair: Pair): Promise<string | null> {
  await comparePipeline(pair, [['exists', ...ALL_KEYS]])
  const deadline = Date.now() + SIZE_TIMEOUT_MS
  for (;;) {
    const difference = await comparePipeline(pair, [['dbsize']])
    if (difference === null || Date.now() > deadline) return difference
    await new Promise((resolve) => setTimeout(resolve, SOON_PAUSE_MS))
  }
}

async function both<Result>(
  pair: Pair,
  run: (client: RespClient) => Promise<Result>,
): Promise<[Result, Result]> {
  return Promise.all([run(pair.left), run(pair.right)])
}

const HISTORY_SHOWN = 12
const EXEC_HISTORY_SHOWN = 30

/** The replies, and the calls before that touched the same keys. */
function describe(history: readonly Call[], left: unknown, right: unknown): string {
  const last = history.at(-1) as Call
  const words = new Set(last.slice(1))
  const isRelated = (call: Call): boolean =>
    /^flush/i.test(call[0] as string) || call.slice(1).some((word) => words.has(word))
  const before = history.slice(0, -1)
  const isExec = last[0] === 'exec'
  const related = (isExec ? before : before.filter(isRelated)).slice(
    isExec ? -EXEC_HISTORY_SHOWN : -HISTORY_SHOWN,
  )
  const lines = related.map((call) => `  ${JSON.stringify(call)}`)
  return `${JSON.stringify(last)}\n  reference: ${JSON.stringify(left)}\n  ours:      ${JSON.stringify(right)}\nbefore:\n${lines.join('\n')}`
}
