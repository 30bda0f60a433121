/**
 * A whole cluster in one process and on one virtual clock: machines, network, clients, checkers.
 * Everything that happens follows from the seed.
 */

import type { GroupId } from '../../src/base/ids.ts'
import type { DiskOperation } from '../../src/env/disk.ts'
import type { NodeOptions } from '../../src/server/node-options.ts'
import { createSimNetwork, type SimNetwork } from '../network/network.ts'
import { createRaftChecker, type RaftChecker } from '../raft/raft-checker.ts'
import { createSimLog, type SimLog } from '../world/logger.ts'
import { createSimRandom, type SimRandom } from '../world/random.ts'
import { createScheduler, type Scheduler } from '../world/scheduler.ts'
import { type MachineClock, PEER_PORT, SimNode } from './sim-node.ts'

export type SimClusterOptions = {
  readonly seed: number | string
  readonly nodes: number
  readonly node?: Partial<NodeOptions>
  readonly clock?: MachineClock
  readonly diskLatencyMs?: (random: SimRandom, operation: DiskOperation, host: string) => number
  readonly engineLatencyMs?: (random: SimRandom) => number
  /** See network-frames.ts; true when absent. */
  readonly remembersFrames?: boolean
  /** Every log line, as it is written. */
  readonly onLine?: (line: string) => void
}

export type SimCluster = {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly random: SimRandom
  readonly log: SimLog
  readonly nodes: readonly SimNode[]
  readonly checkers: ReadonlyMap<GroupId, RaftChecker>
  /** Lets virtual time pass; throws what a node or a checker threw. */
  run(forMs: number): Promise<void>
  /** Lets time pass until the condition holds; throws after `limitMs`. */
  runUntil(what: string, condition: () => boolean, limitMs: number): Promise<void>
}

export function createSimCluster(options: SimClusterOptions): SimCluster {
  const scheduler = createScheduler()
  const random = createSimRandom(options.seed)
  const network = createSimNetwork({ scheduler, random: random.fork('network') })
  const log = createSimLog(scheduler, undefined, options.onLine)
  const checkers = new Map<GroupId, RaftChecker>()
  const checkerOf = (group: GroupId): RaftChecker => {
    const known = checkers.get(group)
    if (known !== undefined) return known
    const checker = createRaftChecker()
    checkers.set(group, checker)
    return checker
  }
  const world = {
    scheduler,
    network,
    random,
    log,
    checkerOf,
    options: options.node ?? {},
    clock: options.clock ?? { skewMsMax: 100, driftPerMillionMax: 50 },
    diskLatencyMs: options.diskLatencyMs ?? ((source: SimRandom) => 0.05 + source.next() * 0.2),
    engineLatencyMs: options.engineLatencyMs ?? ((source: SimRandom) => source.next() * 0.5),
    remembersFrames: options.remembersFrames ?? true,
  }
  const hosts = Array.from({ length: options.nodes }, (_, at) => `n${at + 1}`)
  const seeds = [{ host: 'n1', port: PEER_PORT }]
  const nodes = hosts.map((host, at) => new SimNode(host, at === 0 ? [] : seeds, world))
  const runUntil = async (what: string, condition: () => boolean, limitMs: number): Promise<void> => {
    const end = await scheduler.run({ until: condition, untilMs: scheduler.nowMs + limitMs })
    if (end !== 'condition' && !condition())
      throw new Error(`${what}: not within ${limitMs} virtual ms (${end})`)
  }
  return {
    scheduler,
    network,
    random,
    log,
    nodes,
    checkers,
    runUntil,
    run: async (forMs) => {
      await scheduler.run({ untilMs: scheduler.nowMs + forMs })
    },
  }
}

/** Starts all machines and waits until every group has all its voters. */
export async function formCluster(cluster: SimCluster): Promise<void> {
  for (const node of cluster.nodes) node.start()
  const voters = Math.min(3, cluster.nodes.length)
  await cluster.runUntil(
    'the cluster forms',
    () =>
      cluster.nodes.every((node) => {
        if (node.startFailure !== null) throw node.startFailure
        const groups = node.running?.status().groups ?? []
        return groups.length >= 1 && groups.every((group) => isFormed(group, voters))
      }),
    30_000,
  )
}

function isFormed(
  group: { readonly leader: unknown; readonly replicas: readonly { readonly role: string }[] },
  voters: number,
): boolean {
  return (
    group.leader !== null && group.replicas.filter((replica) => replica.role === 'voter').length === voters
  )
}
