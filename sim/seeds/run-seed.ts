/**
 * One seed: a cluster of whole nodes, clients that use it, faults that hit it, and at the end
 * everything that must hold. Throws `SeedFailure` with the story.
 *
 * While it runs: consensus is watched (raft-checker.ts), replicas at the same applied index hold the
 * same state, appended serial numbers take effect once, nothing throws, no node gives up without a
 * reason. Then a majority is healed and must serve alone; then all of it: every key is served within
 * `SERVE_MS`, every replica is healthy, every node stops and leaves nothing behind, all replicas hold the
 * same records, and the answers of the whole run have an order that explains them.
 *
 * A run that the plan ruins (a majority loses what it had) need not serve; it must not give a wrong
 * answer, and whatever refuses to start must say why.
 */

import type { DiskOperation } from '../../src/env/disk.ts'
import type { Address } from '../../src/env/network.ts'
import { compareEngines } from '../checkers/engine-records.ts'
import { checkDirectories, checkProcesses } from '../checkers/leftovers.ts'
import { serveEverything, serveSomewhere } from '../checkers/service.ts'
import { createSimCluster, type SimCluster } from '../cluster/sim-cluster.ts'
import { REDIS_PORT, type SimNode } from '../cluster/sim-node.ts'
import type { FaultKind } from '../faults/fault-plan.ts'
import { Nemesis, type NemesisCounts } from '../faults/nemesis.ts'
import { KEYS_PER_GROUP, KeyClient } from '../workloads/key-client.ts'
import { KeyHistory } from '../workloads/key-history.ts'
import { SerialClient } from '../workloads/serial-client.ts'
import { createSimClock } from '../world/clock.ts'
import { createSimRandom, type SimRandom } from '../world/random.ts'
import { eventTag } from '../world/scheduler.ts'
import { failOnUnhandledRejection } from '../world/unhandled-rejection.ts'
import { NodeStories } from './node-stories.ts'
import { drawSeedPlan, type PlanLimits, type SeedPlan } from './seed-plan.ts'

export type SeedResult = {
  readonly seed: number
  readonly virtualMs: number
  readonly events: number
  readonly answered: number
  readonly unknown: number
  /** Appends of serial numbers that were acknowledged, and reads that explained them. */
  readonly serials: number
  readonly elections: number
  /** Strikes of the nemesis. */
  readonly strikes: number
  readonly faults: NemesisCounts
  readonly traceHash: string
}

type FailedRun = {
  readonly story: string
  readonly strikes: number
  readonly clients: number
  readonly durationMs: number
}

export class SeedFailure extends Error {
  override readonly name = 'SeedFailure'
  readonly seed: number
  readonly virtualMs: number
  readonly reason: string
  readonly story: string
  /** How large the run was: for shrink.ts. */
  readonly strikes: number
  readonly clients: number
  readonly durationMs: number

  constructor(seed: number, virtualMs: number, run: FailedRun, cause: unknown) {
    const reason = textOf(cause)
    super(`seed ${seed} failed at ${virtualMs.toFixed(3)} virtual ms: ${reason}`, { cause })
    this.seed = seed
    this.virtualMs = virtualMs
    this.reason = reason
    this.story = run.story
    this.strikes = run.strikes
    this.clients = run.clients
    this.durationMs = run.durationMs
  }
}

export type SeedOptions = PlanLimits & {
  /** Log lines of the story of a failure. */
  readonly storyLines?: number
  /** Every log line as it happens. */
  readonly onLine?: (line: string) => void
}

const FORM_MS = 30_000
/** Beside the elections that it may take. */
const SERVE_MS = 10_000
const SERVE_ELECTIONS = 20
/** How long a ruined cluster is watched. */
const RUINED_MS = 15_000
/** When a cluster is ruined that is: this far into the run. */
const RUIN_AT = 0.6
/** Faults in which peers hear again what was said before. */
const REPEATING_KINDS: readonly FaultKind[] = ['looseFrames', 'replayConnection', 'foreignPeer']
const CLIENTS_END_MS = 15_000
const SETTLE_MS = 10_000
/** Where frames vanish, which no TCP does, a snapshot waits so long for an answer that was lost. */
const SETTLE_MS_OF_LOST_FRAMES = 45_000
const OBSERVE_MS = 50
const OBSERVE = eventTag('observe')
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
    diskLatencyMs: (source, operation, host) => diskLatencyMs(plan, source, operation, host),
    engineLatencyMs: (source) => source.next() * plan.engineLatencyMsMax,
    remembersFrames: REPEATING_KINDS.some((kind) => plan.faults.weights.has(kind)),
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  })
  const run = new SeedRun(seed, plan, cluster)
  try {
    return await failOnUnhandledRejection(cluster.scheduler, () => run.run())
  } catch (error) {
    const failed = { ...run.size, story: run.story(options.storyLines ?? 60) }
    throw new SeedFailure(seed, cluster.scheduler.nowMs, failed, error)
  }
}

function diskLatencyMs(plan: SeedPlan, random: SimRandom, operation: DiskOperation, host: string): number {
  const usualMs = 0.05 + random.next() * plan.diskLatencyMsMax
  if (operation !== 'datasync') return usualMs
  return usualMs + (plan.syncLatencyMs[Number(host.slice(1)) - 1] ?? 0)
}

class SeedRun {
  readonly #seed: number
  readonly #plan: SeedPlan
  readonly #cluster: SimCluster
  readonly #nemesis: Nemesis
  readonly #histories: readonly KeyHistory[]
  readonly #clients: KeyClient[] = []
  readonly #serials: SerialClient[] = []
  readonly #stories: NodeStories
  #undecided = ''

  constructor(seed: number, plan: SeedPlan, cluster: SimCluster) {
    this.#seed = seed
    this.#plan = plan
    this.#cluster = cluster
    this.#nemesis = new Nemesis(cluster, plan.faults, cluster.random.fork('nemesis'))
    this.#stories = new NodeStories(cluster)
    this.#observe()
    this.#histories = Array.from(
      { length: plan.workload.keyGroups },
      () => new KeyHistory(KEYS_PER_GROUP, () => cluster.scheduler.nowMs),
    )
  }

  get size(): { readonly strikes: number; readonly clients: number; readonly durationMs: number } {
    const { workload, durationMs } = this.#plan
    return { strikes: this.#nemesis.strikes, clients: workload.clients, durationMs }
  }

  async run(): Promise<SeedResult> {
    const { faults, durationMs } = this.#plan
    this.#startNodes()
    if (faults.disturbsFormation) this.#nemesis.begin()
    else await this.#formed()
    this.#startClients()
    await this.#cluster.run(faults.disturbsFormation ? 0 : 500)
    if (!faults.disturbsFormation) {
      this.#nemesis.allowDamage()
      this.#nemesis.begin()
    }
    if (faults.ruins) await this.#runRuined()
    else {
      await this.#cluster.run(durationMs)
      await this.#serveWithMajority()
      await this.#recover()
    }
    this.#checkHistories()
    return this.#result()
  }

  async #runRuined(): Promise<void> {
    const { durationMs } = this.#plan
    await this.#cluster.run(durationMs * RUIN_AT)
    this.#nemesis.ruin()
    await this.#cluster.run(durationMs * (1 - RUIN_AT))
    this.#nemesis.heal()
    await this.#cluster.run(RUINED_MS)
    await this.#endClients()
  }

  /** All but a random majority stays as bad as it is: dead, cut off, frozen, full. */
  async #serveWithMajority(): Promise<void> {
    const core = this.#nemesis.chooseCore()
    if (core === null) return
    this.#nemesis.healOnly(core)
    const served = serveSomewhere(this.#cluster, core, this.#histories, 'core')
    await this.#until(`${core.map((node) => node.host).join()} serve alone`, this.#serveMs, served)
  }

  async #recover(): Promise<void> {
    this.#nemesis.heal()
    await this.#endClients()
    const isWhole = (): boolean => this.#nemesis.isOver && this.#isFormed()
    await this.#cluster.runUntil('the cluster is whole again', isWhole, FORM_MS)
    const { nodes } = this.#cluster
    const served = serveEverything(this.#cluster, nodes, this.#histories, 'last')
    await this.#until('every key is served by every node', this.#serveMs, served)
    const servers = nodes.map((node) => ({ host: node.host, port: REDIS_PORT }))
    const reads = this.#serials.map((client, at) => client.readAll(servers[at % servers.length] as Address))
    await this.#until('every serial number is read', this.#serveMs, Promise.all(reads))
    await this.#settle()
    await this.#stopNodes()
    await compareEngines(this.#cluster)
    await checkDirectories(this.#cluster)
  }

  get #serveMs(): number {
    return SERVE_MS + SERVE_ELECTIONS * this.#plan.electionTimeoutMs
  }

  story(lines: number): string {
    const calls = this.#histories.map((history, group) => `-- keys of group ${group}\n${history.story(8)}`)
    return [
      JSON.stringify(this.#plan, (_name, value: unknown) => (value instanceof Map ? [...value] : value)),
      ...calls,
      `-- log`,
      this.#cluster.log.story(lines),
      this.#stories.tell(),
      `-- nodes`,
      ...this.#cluster.nodes.flatMap(describeNode),
      this.#undecided,
    ].join('\n')
  }

  #observe(): void {
    this.#stories.observe()
    this.#cluster.scheduler.after(OBSERVE_MS, OBSERVE, () => this.#observe())
  }

  #startNodes(): void {
    const { nodes, scheduler } = this.#cluster
    const { lateNodes, lateByMs } = this.#plan
    nodes.forEach((node, at) => {
      if (at < nodes.length - lateNodes) node.start()
      else scheduler.after(lateByMs, LATE, () => node.isUp || node.start())
    })
  }

  #startClients(): void {
    const { scheduler, network, nodes, random } = this.#cluster
    const { workload } = this.#plan
    const world = {
      place: (name: string) => {
        const clock = createSimClock(scheduler)
        return { clock, network: network.attach(name, clock) }
      },
      servers: nodes.map((node) => ({ host: node.host, port: REDIS_PORT })),
      histories: this.#histories,
      firstGroup: 0,
    }
    for (let number = 1; number <= workload.clients; number++) {
      this.#clients.push(new KeyClient(number, world, workload, random.fork(`client-${number}`)))
    }
    for (let number = 1; number <= this.#plan.serialClients; number++) {
      const name = `s${number}`
      this.#serials.push(new SerialClient(name, world, this.#plan.serials, random.fork(`serials-${name}`)))
    }
  }

  async #endClients(): Promise<void> {
    const clients = [...this.#clients, ...this.#serials]
    for (const client of clients) client.stop()
    await this.#until('every client ends', CLIENTS_END_MS, Promise.all(clients.map((client) => client.done)))
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

  async #settle(): Promise<void> {
    const losesFrames = this.#plan.faults.weights.has('looseFrames')
    const limitMs = losesFrames ? SETTLE_MS_OF_LOST_FRAMES : SETTLE_MS
    await this.#cluster.runUntil('the replicas settle', () => this.#isSettled(), limitMs)
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
    const { nodes } = this.#cluster
    const stops = nodes.map(async (node) => {
      if (node.running === null) throw new Error(`${node.host} does not serve`)
      await node.running.stop()
    })
    await this.#until('every node stops', FORM_MS, Promise.all(stops))
    await this.#cluster.run(1_000)
    checkProcesses(this.#cluster)
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
      serials: this.#serials.reduce((total, client) => total + client.acknowledged, 0),
      strikes: this.#nemesis.strikes,
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
