/**
 * One seed: a cluster of whole nodes, clients that use it, faults that hit it, and at the end
 * everything that must hold. Throws `SeedFailure` with the story.
 *
 * While it runs: consensus is watched (raft-checker.ts), nothing throws, no node gives up without a
 * reason. After all faults were undone: every key is served within `SERVE_MS`, every replica is
 * healthy, every node stops, all replicas hold the same records, and the answers of the whole run
 * have an order that explains them.
 */

import { compareEngines } from './checkers/engine-records.ts'
import { createSimClock } from './clock.ts'
import { RedisClient } from './cluster/redis-client.ts'
import { createSimCluster, type SimCluster } from './cluster/sim-cluster.ts'
import { REDIS_PORT, type SimNode } from './cluster/sim-node.ts'
import { Nemesis, type NemesisCounts } from './faults/nemesis.ts'
import { createSimRandom } from './random.ts'
import { eventTag } from './scheduler.ts'
import { drawSeedPlan, type PlanLimits, type SeedPlan } from './seed-plan.ts'
import { failOnUnhandledRejection } from './unhandled-rejection.ts'
import { KEYS_PER_GROUP, KeyClient, keyName } from './workloads/key-client.ts'
import { KeyHistory } from './workloads/key-history.ts'
import { answerOf } from './workloads/key-model.ts'

export type SeedResult = {
  readonly seed: number
  readonly virtualMs: number
  readonly events: number
  readonly answered: number
  readonly unknown: number
  readonly elections: number
  readonly faults: NemesisCounts
  readonly traceHash: string
}

export class SeedFailure extends Error {
  override readonly name = 'SeedFailure'
  readonly seed: number
  readonly virtualMs: number
  readonly story: string

  constructor(seed: number, virtualMs: number, story: string, cause: unknown) {
    super(`seed ${seed} failed at ${virtualMs.toFixed(3)} virtual ms: ${textOf(cause)}`, { cause })
    this.seed = seed
    this.virtualMs = virtualMs
    this.story = story
  }
}

export type SeedOptions = PlanLimits & {
  /** Log lines of the story of a failure. */
  readonly storyLines?: number
  /** Every log line as it happens. */
  readonly onLine?: (line: string) => void
}

const FORM_MS = 30_000
const SERVE_MS = 10_000
const CLIENTS_END_MS = 15_000
const SETTLE_MS = 10_000
const LATE = eventTag('late-node')

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const random = createSimRandom(seed)
  const plan = drawSeedPlan(random.fork('plan'), options)
  const cluster = createSimCluster({
    seed,
    nodes: plan.nodes,
    node: {
      logSegmentBytes: plan.logSegmentBytes,
      groupOptions: plan.groupOptions,
      heartbeatMs: plan.heartbeatMs,
      electionTimeoutMs: plan.electionTimeoutMs,
    },
    clock: plan.clock,
    diskLatencyMs: (source) => 0.05 + source.next() * plan.diskLatencyMsMax,
    engineLatencyMs: (source) => source.next() * plan.engineLatencyMsMax,
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  })
  const run = new SeedRun(seed, plan, cluster)
  try {
    return await failOnUnhandledRejection(cluster.scheduler, () => run.run())
  } catch (error) {
    throw new SeedFailure(seed, cluster.scheduler.nowMs, run.story(options.storyLines ?? 60), error)
  }
}

class SeedRun {
  readonly #seed: number
  readonly #plan: SeedPlan
  readonly #cluster: SimCluster
  readonly #nemesis: Nemesis
  readonly #histories: readonly KeyHistory[]
  #undecided = ''

  constructor(seed: number, plan: SeedPlan, cluster: SimCluster) {
    this.#seed = seed
    this.#plan = plan
    this.#cluster = cluster
    this.#nemesis = new Nemesis(cluster, plan.faults, cluster.random.fork('nemesis'))
    this.#histories = Array.from(
      { length: plan.workload.keyGroups },
      () => new KeyHistory(KEYS_PER_GROUP, () => cluster.scheduler.nowMs),
    )
  }

  async run(): Promise<SeedResult> {
    const { faults, durationMs, workload } = this.#plan
    this.#startNodes()
    if (faults.disturbsFormation) this.#nemesis.begin()
    else await this.#formed()
    const clients = this.#startClients()
    await this.#cluster.run(faults.disturbsFormation ? 0 : 500)
    if (!faults.disturbsFormation) {
      this.#nemesis.allowDamage()
      this.#nemesis.begin()
    }
    await this.#cluster.run(durationMs)
    this.#nemesis.heal()
    for (const client of clients) client.stop()
    await this.#until('every client ends', CLIENTS_END_MS, Promise.all(clients.map((client) => client.done)))
    const isWhole = (): boolean => this.#nemesis.isOver && this.#isFormed()
    await this.#cluster.runUntil('the cluster is whole again', isWhole, FORM_MS)
    await this.#until(
      'every key is served by every node',
      SERVE_MS,
      this.#serveEverything(workload.keyGroups),
    )
    await this.#settle()
    await this.#stopNodes()
    await compareEngines(this.#cluster)
    this.#checkHistories()
    return this.#result()
  }

  story(lines: number): string {
    const calls = this.#histories.map((history, group) => `-- keys of group ${group}\n${history.story(8)}`)
    return [
      JSON.stringify(this.#plan, (_name, value: unknown) => (value instanceof Map ? [...value] : value)),
      ...calls,
      `-- log`,
      this.#cluster.log.story(lines),
      `-- nodes`,
      ...this.#cluster.nodes.flatMap(describeNode),
      this.#undecided,
    ].join('\n')
  }

  #startNodes(): void {
    const { nodes, scheduler } = this.#cluster
    const { lateNodes, lateByMs } = this.#plan
    nodes.forEach((node, at) => {
      if (at < nodes.length - lateNodes) node.start()
      else scheduler.after(lateByMs, LATE, () => node.isUp || node.start())
    })
  }

  #startClients(): readonly KeyClient[] {
    const { scheduler, network, nodes, random } = this.#cluster
    const world = {
      place: (name: string) => {
        const clock = createSimClock(scheduler)
        return { clock, network: network.attach(name, clock) }
      },
      servers: nodes.map((node) => ({ host: node.host, port: REDIS_PORT })),
      histories: this.#histories,
      firstGroup: 0,
    }
    return Array.from({ length: this.#plan.workload.clients }, (_, at) => {
      return new KeyClient(at + 1, world, this.#plan.workload, random.fork(`client-${at + 1}`))
    })
  }

  #formed(): Promise<void> {
    return this.#cluster.runUntil('the cluster forms', () => this.#isFormed(), FORM_MS)
  }

  #isFormed(): boolean {
    const { nodes } = this.#cluster
    const voters = Math.min(3, nodes.length)
    return nodes.every((node) => {
      const groups = node.running?.status().groups ?? []
      return (
        groups.every((group) => {
          const count = group.replicas.filter((replica) => replica.role === 'voter').length
          return group.leader !== null && count === voters
        }) && groups.length >= 1
      )
    })
  }

  /** Also the last word of the histories: what was acknowledged is still there. */
  async #serveEverything(keyGroups: number): Promise<void> {
    await Promise.all(this.#cluster.nodes.map((node) => this.#serveBy(node, keyGroups)))
  }

  async #serveBy(node: SimNode, keyGroups: number): Promise<void> {
    const name = `last-${node.host}`
    const clock = createSimClock(this.#cluster.scheduler)
    const client = new RedisClient(this.#cluster.network.attach(name, clock))
    const pause = (): Promise<void> => new Promise((resolve) => clock.setTimer(50, resolve))
    for (let group = 0; group < keyGroups; group++) {
      const keys = Array.from({ length: KEYS_PER_GROUP }, (_, key) => key)
      const names = keys.map((key) => keyName(group, key))
      for (;;) {
        if (!client.isConnected && !(await client.connect(node.host, REDIS_PORT))) {
          await pause()
          continue
        }
        const written = await client.call('SET', `last:${node.host}:${group}`, 'x')
        const invocation = (this.#histories[group] as KeyHistory).invoke(name, { kind: 'get', keys })
        const reply = await client.call('MGET', ...names)
        if (reply.kind === 'array') {
          invocation.answered(answerOf(reply))
          if (written.kind === 'status') break
        } else invocation.refused()
        await pause()
      }
    }
    client.close()
  }

  async #settle(): Promise<void> {
    await this.#cluster.runUntil('the replicas settle', () => this.#isSettled(), SETTLE_MS)
    for (const node of this.#cluster.nodes) {
      for (const { gid, local } of node.running?.status().groups ?? []) {
        if (local?.healthy === false) throw new Error(`${node.host} group ${gid}: ${local.reason}`)
      }
    }
  }

  /** All replicas of each group have applied the same, and the state check has followed the last write. */
  #isSettled(): boolean {
    const applied = new Map<number, number>()
    for (const node of this.#cluster.nodes) {
      for (const { group, raft } of node.replicas) {
        const status = raft.status()
        const common = applied.get(group) ?? status.lastIndex
        applied.set(group, common)
        if (status.applied !== common || status.lastIndex !== common) return false
      }
    }
    return true
  }

  async #stopNodes(): Promise<void> {
    const { nodes, network } = this.#cluster
    const stops = nodes.map(async (node) => {
      if (node.running === null) throw new Error(`${node.host} does not serve`)
      await node.running.stop()
    })
    await this.#until('every node stops', FORM_MS, Promise.all(stops))
    await this.#cluster.run(1_000)
    for (const node of nodes) {
      const open = network.connectionCount(node.host)
      if (open > 0) throw new Error(`${node.host} has ${open} connections after it stopped`)
    }
  }

  #checkHistories(): void {
    for (const [group, history] of this.#histories.entries()) {
      const verdict = history.check()
      if (verdict === 'linearizable') continue
      this.#undecided = `-- all calls of group ${group}\n${history.story(5_000)}`
      throw new Error(`the answers about key group ${group} have no explanation: ${verdict}`)
    }
  }

  async #until(what: string, limitMs: number, done: Promise<unknown>): Promise<void> {
    let end: { readonly error: unknown } | 'done' | null = null
    done.then(
      () => {
        end = 'done'
      },
      (error: unknown) => {
        end = { error }
      },
    )
    await this.#cluster.runUntil(what, () => end !== null, limitMs)
    const reached = end as { readonly error: unknown } | 'done' | null
    if (reached !== null && reached !== 'done') throw reached.error
  }

  #result(): SeedResult {
    const { scheduler, checkers } = this.#cluster
    const sum = (of: (history: KeyHistory) => number): number =>
      this.#histories.reduce((total, history) => total + of(history), 0)
    return {
      seed: this.#seed,
      virtualMs: scheduler.nowMs,
      events: scheduler.eventCount,
      answered: sum((history) => history.answered),
      unknown: sum((history) => history.unknown),
      elections: [...checkers.values()].reduce((total, checker) => total + checker.elections, 0),
      faults: this.#nemesis.counts,
      traceHash: scheduler.traceHash(),
    }
  }
}

function describeNode(node: SimNode): readonly string[] {
  const state = node.running?.status().nodes.find(({ id }) => id === node.host)?.state
  const head = `${node.host} ${node.isUp ? (state ?? 'starting') : 'down'} ${node.clock?.state ?? ''}`
  return [
    head,
    ...node.replicas.map(({ group, raft }) => {
      const { progress, ...status } = raft.status()
      const peers = progress === null ? '' : ` ${JSON.stringify([...progress])}`
      const repairs = raft.isRepairing ? ' repairing' : ''
      return `   group ${group}${repairs} ${JSON.stringify(status)}${peers}`
    }),
  ]
}

function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const reason = cause.cause === undefined ? '' : ` (${textOf(cause.cause)})`
  return cause.message + reason
}
