/** Group hosts over simulated disks, network and clocks, with the tiny machine: `src/replica` without a server. */
import assert from 'node:assert/strict'
import { slowEngineStore } from '../sim/cluster/slow-engine.ts'
import { createSimDisk, type SimDisk } from '../sim/disk/disk.ts'
import { createSimNetwork, type SimNetwork } from '../sim/network/network.ts'
import { createSimClock, type SimClock } from '../sim/world/clock.ts'
import { driveUntilSettled } from '../sim/world/drive.ts'
import { createSimLog, type SimLog } from '../sim/world/logger.ts'
import { createSimRandom, type SimRandom } from '../sim/world/random.ts'
import { createScheduler, type Scheduler } from '../sim/world/scheduler.ts'
import { makeGroupId, makeNodeId, makeReplicaId, type ReplicaId } from '../src/base/ids.ts'
import { type Clock, sleep } from '../src/env/clock.ts'
import type { Address } from '../src/env/network.ts'
import type { Membership } from '../src/raft/membership.ts'
import type { Group } from '../src/replica/group.ts'
import { GroupHost } from '../src/replica/group-host.ts'
import { DEFAULT_GROUP_OPTIONS, type GroupOptions } from '../src/replica/group-options.ts'
import { Transport } from '../src/replica/transport/transport.ts'
import { openSharedLog } from '../src/storage/log/open-shared-log.ts'
import type { SharedLog } from '../src/storage/log/shared-log.ts'
import { createMemoryEngineStore, type MemoryEngineStore } from '../src/storage/memory-engine.ts'
import { createTinyMachine, type TinyCommand } from './tiny-machine.ts'

export const CLUSTER_GROUP = makeGroupId(0)
const PORT = 7400

export type ClusterNode = {
  readonly id: ReplicaId
  readonly host: string
  disk: SimDisk
  readonly engines: MemoryEngineStore
  /** What each call of its engine takes beside the usual. */
  engineDelayMs: number
  clock: SimClock
  transport: Transport
  log: SharedLog
  groups: GroupHost
  isUp: boolean
  starts: number
  readonly logHealth: string[]
}

export class ReplicaCluster {
  readonly scheduler: Scheduler = createScheduler()
  readonly network: SimNetwork
  readonly log: SimLog
  readonly nodes: ClusterNode[] = []
  readonly #random: SimRandom
  readonly #clock: Clock
  readonly #options: GroupOptions
  #size = 0

  constructor(seed: number, options: Partial<GroupOptions> = {}) {
    this.#random = createSimRandom(seed)
    this.network = createSimNetwork({ scheduler: this.scheduler, random: this.#random.fork('network') })
    this.log = createSimLog(this.scheduler)
    this.#clock = createSimClock(this.scheduler)
    this.#options = { ...DEFAULT_GROUP_OPTIONS, ...options }
  }

  async run<Result>(body: () => Promise<Result>): Promise<Result> {
    try {
      return await driveUntilSettled(this.scheduler, body)
    } catch (error) {
      console.error(this.log.story(60))
      throw error
    }
  }

  wait(ms: number): Promise<void> {
    return sleep(this.#clock, ms)
  }

  /** `size` founding voters, all started. */
  async found(size: number): Promise<void> {
    this.#size = size
    for (let id = 1; id <= size; id++) {
      this.nodes.push(this.#makeNode(id))
      await this.start(this.#node(id), true)
    }
  }

  async start(node: ClusterNode, isNew = false): Promise<void> {
    assert(!node.isUp)
    const random = this.#random.fork(`${node.host} ${this.scheduler.nowMs}`)
    node.clock = createSimClock(this.scheduler)
    node.isUp = true
    node.starts += 1
    const logger = this.log.logger(node.host)
    const { clock } = node
    const network = this.network.attach(node.host, clock)
    node.log = await openSharedLog({ disk: node.disk.disk(), clock, random, logger, segmentBytes: 64 * 1024 })
    const address = { host: node.host, port: PORT }
    node.transport = new Transport(
      { network, clock, random, logger },
      {
        clusterId: 'c',
        replicaId: node.id,
        nodeId: makeNodeId(node.host),
        incarnation: node.starts,
        address,
      },
      {
        onRaftMessages: (group, from, messages) => node.groups.onRaftMessages(group, from, messages),
        onNotice: (kind, from, body) => node.groups.onNotice(kind, from, body),
        onPeerClosed: (peer) => node.groups.onPeerClosed(peer),
        onPeerRestarted: (peer) => node.groups.onPeerRestarted(peer),
        onUnreachable: (peer) => node.groups.onUnreachable(peer),
        onPeerAddress: () => undefined,
      },
    )
    const engines = slowEngineStore(node.engines, clock, () => 0.1 + random.next() + node.engineDelayMs)
    node.groups = new GroupHost(
      node.id,
      { clock, random, logger, log: node.log, engines, transport: node.transport, incarnation: node.starts },
      this.#options,
      {
        machineOf: () => ({ machine: createTinyMachine(), advanceTime: { kind: 'time' } }),
        onChange: () => undefined,
        onApplied: () => undefined,
        onHealth: () => undefined,
        onLogHealth: (error) => node.logHealth.push(error === null ? 'well' : error.message),
      },
    )
    await node.transport.listen(address)
    await node.groups.recover()
    if (isNew) await node.groups.found(CLUSTER_GROUP, this.#founders())
    node.groups.start()
    node.transport.setPeers(this.#addresses())
  }

  /** The process dies; with `losesPower` what was not synced is gone too. */
  crash(node: ClusterNode, losesPower = true): void {
    node.isUp = false
    node.clock.kill()
    this.network.kill(node.host, 'reset')
    if (losesPower) node.disk.crash()
    else node.disk.kill()
    node.engines.crash()
  }

  async stop(node: ClusterNode): Promise<void> {
    await node.groups.stop()
    await node.transport.stop()
    await node.log.close()
    node.isUp = false
    node.clock.kill()
    this.network.kill(node.host, 'close')
    node.disk.kill()
    node.engines.crash()
  }

  /** The one that leads with the support of a majority of living nodes; waits for it. */
  async leader(among: readonly ClusterNode[] = this.nodes): Promise<ClusterNode> {
    for (let attempt = 0; attempt < 2_000; attempt++) {
      const leaders = among.filter((node) => node.isUp && groupOf(node)?.isLeader === true)
      const newest = leaders.sort((left, right) => termOf(right) - termOf(left))[0]
      if (newest !== undefined) return newest
      await this.wait(5)
    }
    throw new Error('no leader')
  }

  /** Tries until it is known to have happened exactly once; only for commands known not to have happened otherwise. */
  async execute(command: TinyCommand, among: readonly ClusterNode[] = this.nodes): Promise<string> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const outcome = await propose(await this.leader(among), command)
      if (!outcome.startsWith('!')) return outcome
      assert(outcome === '!notLeader' || outcome === '!notCommitted', `${outcome} while nothing was wrong`)
      await this.wait(20)
    }
    throw new Error('never executed')
  }

  async until(what: string, condition: () => boolean, withinMs = 20_000): Promise<void> {
    const endMs = this.scheduler.nowMs + withinMs
    while (!condition()) {
      if (this.scheduler.nowMs > endMs) throw new Error(`not within ${withinMs} ms: ${what}`)
      await this.wait(10)
    }
  }

  #founders(): Membership {
    const voters: ReplicaId[] = []
    for (let id = 1; id <= this.#size; id++) voters.push(makeReplicaId(id))
    return { voters, votersOutgoing: [], learners: [], learnersNext: [] }
  }

  #addresses(): Map<ReplicaId, Address> {
    return new Map(this.#founders().voters.map((id) => [id, { host: `n${id}`, port: PORT }]))
  }

  #node(id: number): ClusterNode {
    return this.nodes[id - 1] as ClusterNode
  }

  #makeNode(id: number): ClusterNode {
    const random = this.#random.fork(`node ${id}`)
    const node = {
      id: makeReplicaId(id),
      host: `n${id}`,
      engines: createMemoryEngineStore({ random: random.fork('engines') }),
      isUp: false,
      engineDelayMs: 0,
      starts: 0,
      logHealth: [],
    } as unknown as ClusterNode
    node.disk = createSimDisk({
      random: random.fork('disk'),
      clock: {
        wallMs: () => node.clock.wallMs(),
        monotonicMs: () => node.clock.monotonicMs(),
        setTimer: (delayMs, run) => node.clock.setTimer(delayMs, run),
        endOfTurn: (run) => node.clock.endOfTurn(run),
      },
      latencyMs: () => 0.5 + random.next(),
    })
    return node
  }
}

export function groupOf(node: ClusterNode): Group<TinyCommand, string> | undefined {
  return node.groups?.groups.get(CLUSTER_GROUP)
}

function termOf(node: ClusterNode): number {
  return groupOf(node)?.raft.term ?? 0
}

/** The reply, or `!` and the kind of failure. */
export function propose(node: ClusterNode, command: TinyCommand): Promise<string> {
  return new Promise((resolve) => {
    const group = groupOf(node)
    assert(group !== undefined)
    group.propose(command, 32, { reply: resolve, fail: (failure) => resolve(`!${failure.kind}`) })
  })
}

export function query(node: ClusterNode, command: TinyCommand): Promise<string> {
  return new Promise((resolve) => {
    const group = groupOf(node)
    assert(group !== undefined)
    group.query(command, { reply: resolve, fail: (failure) => resolve(`!${failure.kind}`) })
  })
}
