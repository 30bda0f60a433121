/**
 * One round: clients use fresh keys, harm is done and undone, the cluster must be whole again in
 * time, every node is asked for every key, and all that was answered must have one explanation.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Verdict } from '../../sim/checkers/linearizability.ts'
import { RedisClient } from '../../sim/cluster/redis-client.ts'
import { KEYS_PER_GROUP, KeyClient, type KeyWorkload, keyName } from '../../sim/workloads/key-client.ts'
import { KeyHistory } from '../../sim/workloads/key-history.ts'
import { answerOf } from '../../sim/workloads/key-model.ts'
import type { SimRandom } from '../../sim/world/random.ts'
import { createNodeClock } from '../../src/env-node/node-clock.ts'
import { createNodeNetwork } from '../../src/env-node/node-network.ts'
import type { Fault } from './faults/fault.ts'
import type { NemesisWorld } from './nemesis-world.ts'
import type { Endpoint, NodeProcess } from './node-process.ts'
import type { PauseWatch } from './pause-watch.ts'

export type RoundResult = {
  readonly round: number
  readonly faults: readonly string[]
  readonly whom: string
  readonly calls: number
  readonly unknown: number
  /** Without an acknowledged write of anybody, from just before the harm until all was well. */
  readonly pauseMs: number
  /** From the end of the harm until every node serves, and all agree on who leads. */
  readonly healedMs: number
  readonly verdict: Verdict
  readonly findings: readonly string[]
  readonly histories: readonly KeyHistory[]
}

const WORKLOAD: KeyWorkload = {
  clients: 6,
  keyGroups: 4,
  pauseMsMax: 15,
  readShare: 0.4,
  largeValueShare: 0.02,
  largeValueBytes: 100_000,
  expiryShare: 0.2,
  // A busy machine fires our timers late.
  expiryToleranceMs: 300,
  requestTimeoutMs: 3_000,
}
const BEFORE_MS = 400
const AFTER_MS = 400
/** After this, whoever runs the cluster looks for nodes that say that they need it. */
const SELF_HEALING_MS = 15_000
const HEALING_MS_MAX = 30_000
const POLL_MS = 20
const LAST_READ_MS_MAX = 10_000

const clock = createNodeClock()
const network = createNodeNetwork()

export type RoundOptions = {
  readonly round: number
  readonly faults: readonly Fault[]
  readonly durationMs: number
  readonly random: SimRandom
  readonly pauses: PauseWatch
}

export async function runRound(world: NemesisWorld, options: RoundOptions): Promise<RoundResult> {
  const { round, faults, durationMs, random, pauses } = options
  const histories = Array.from(
    { length: WORKLOAD.keyGroups },
    () => new KeyHistory(KEYS_PER_GROUP, () => performance.now()),
  )
  const firstGroup = round * WORKLOAD.keyGroups
  const findings: string[] = []
  const clients = startClients(world, histories, firstGroup, random.fork('clients'), findings)
  await sleep(BEFORE_MS)
  pauses.start()
  const whom = await Promise.all(
    faults.map(async (fault, at) => {
      // Not all at the same moment.
      await sleep((at * random.next() * durationMs) / 2)
      return fault.run(world, random.fork(`${fault.name}-${at}`), durationMs)
    }),
  )
  const healedMs = await untilWhole(world, findings)
  await sleep(AFTER_MS)
  const pauseMs = pauses.stop()
  for (const client of clients) client.stop()
  await Promise.all(clients.map((client) => client.done.catch(() => undefined)))
  for (const node of world.cluster.nodes) await lastWord(node, histories, firstGroup, findings)
  const verdict = judge(histories, findings)
  findings.push(...world.findings.splice(0))
  world.trim()
  return {
    round,
    faults: faults.map((fault) => fault.name),
    whom: whom.join(' + '),
    calls: histories.reduce((total, history) => total + history.calls.length, 0),
    unknown: histories.reduce((total, history) => total + countUnknown(history), 0),
    pauseMs,
    healedMs,
    verdict,
    findings,
    histories,
  }
}

export function startClients(
  world: { readonly cluster: { readonly endpoints: readonly Endpoint[] } },
  histories: readonly KeyHistory[],
  firstGroup: number,
  random: SimRandom,
  findings: string[],
): readonly KeyClient[] {
  const servers = world.cluster.endpoints
  const place = (): { clock: typeof clock; network: typeof network } => ({ clock, network })
  return Array.from({ length: WORKLOAD.clients }, (_value, at) => {
    const keyWorld = { place, servers, histories, firstGroup }
    const client = new KeyClient(at + 1, keyWorld, WORKLOAD, random.fork(`client-${at + 1}`))
    client.done.catch((error: unknown) => findings.push(`${client.name}: ${String(error)}`))
    return client
  })
}

/** Resolves when everything that was harmed works again; how long that took. */
async function untilWhole(world: NemesisWorld, findings: string[]): Promise<number> {
  const startMs = performance.now()
  const elapsedMs = (): number => performance.now() - startMs
  world.heal()
  await world.untilStarted()
  let isOperated = false
  for (;;) {
    const trouble = await world.cluster.trouble()
    if (trouble === null) return elapsedMs()
    if (elapsedMs() > HEALING_MS_MAX) {
      findings.push(`not whole ${HEALING_MS_MAX} ms after the harm: ${trouble}\n${world.cluster.logs()}`)
      return elapsedMs()
    }
    if (elapsedMs() > SELF_HEALING_MS && !isOperated) {
      isOperated = true
      findings.push(`not whole by itself after ${SELF_HEALING_MS} ms: ${trouble}`)
      world.heal()
      for (const node of world.cluster.nodes) await operate(world, node, findings)
    }
    await sleep(POLL_MS)
  }
}

/** What an operator would do with a node that says that it needs one. */
async function operate(world: NemesisWorld, node: NodeProcess, findings: string[]): Promise<void> {
  // `heal` has started it.
  if (!node.isRunning) return
  const status = await world.cluster.status(node)
  if (!node.isRunning || status?.storage.state === 'healthy') return
  findings.push(`${node.id} is started anew: ${status?.storage.reason ?? 'it does not answer'}\n${node.log}`)
  await world.kill(node)
  world.start(node)
  await world.untilStarted()
}

/** Every key, asked of this node: the last calls of every history. */
async function lastWord(
  node: NodeProcess,
  histories: readonly KeyHistory[],
  firstGroup: number,
  findings: string[],
): Promise<void> {
  const client = new RedisClient(network)
  const keys = Array.from({ length: KEYS_PER_GROUP }, (_value, key) => key)
  const untilMs = performance.now() + LAST_READ_MS_MAX
  for (const [at, history] of histories.entries()) {
    for (;;) {
      if (performance.now() > untilMs) {
        findings.push(`${node.id} did not answer for ${LAST_READ_MS_MAX} ms after the harm`)
        client.close()
        return
      }
      if (!client.isConnected && !(await client.connect(node.redis.host, node.redis.port))) {
        await sleep(POLL_MS)
        continue
      }
      const invocation = history.invoke(`last-${node.id}`, { kind: 'get', keys })
      const timer = setTimeout(() => client.close(), LAST_READ_MS_MAX)
      const reply = await client.call('MGET', ...keys.map((key) => keyName(firstGroup + at, key)))
      clearTimeout(timer)
      if (reply.kind === 'array') {
        invocation.answered(answerOf(reply))
        break
      }
      invocation.refused()
      await sleep(POLL_MS)
    }
  }
  client.close()
}

/** Of those that a client asked; the store lets keys expire by itself. */
function countUnknown({ calls }: KeyHistory): number {
  return calls.filter(({ answer, input }) => answer === null && input.kind !== 'expire').length
}

function judge(histories: readonly KeyHistory[], findings: string[]): Verdict {
  let worst: Verdict = 'linearizable'
  for (const [at, history] of histories.entries()) {
    const verdict = history.check()
    if (verdict === 'linearizable') continue
    if (worst !== 'violated') worst = verdict
    findings.push(`keys of group ${at}: no order explains the answers (${verdict})`)
  }
  return worst
}
