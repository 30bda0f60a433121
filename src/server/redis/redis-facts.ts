/** What the connection-level Redis commands may know of this node (redis/server-facts.ts). */
import type { Clock } from '../../env/clock.ts'
import { ClientPause } from '../../redis/client-pause.ts'
import { CommandStatistics } from '../../redis/command-statistics.ts'
import type { CommandTable } from '../../redis/command-table.ts'
import type { RedisConfiguration } from '../../redis/redis-configuration.ts'
import { createRedisCounters, type ServerFacts, type ServerIdentity } from '../../redis/server-facts.ts'
import type { NodeStatus } from '../node-status.ts'
import type { RedisService } from './redis-service.ts'

export type RedisFactsOptions = {
  readonly clock: Clock
  readonly table: CommandTable
  readonly configuration: RedisConfiguration
  readonly identity: ServerIdentity
  readonly service: () => RedisService
  readonly status: () => NodeStatus
  readonly isLoading: () => boolean
  readonly leadsData: () => boolean
  readonly memoryBytes: () => number
  readonly residentMemoryBytes: () => number | null
  /** Null when it isn't known at once. */
  readonly keyCount: () => number | null
}

export function makeRedisFacts(options: RedisFactsOptions): ServerFacts {
  const clientPause = new ClientPause()
  let peakBytes = 0
  const measureMemory = (): number => {
    const usedBytes = options.memoryBytes()
    peakBytes = Math.max(peakBytes, usedBytes)
    return usedBytes
  }
  return {
    commands: options.table,
    configuration: options.configuration,
    identity: options.identity,
    counters: createRedisCounters(),
    statistics: new CommandStatistics(
      () => options.configuration.slowLog,
      () => options.clock.wallMs(),
    ),
    clientPause,
    wallMs: () => options.clock.wallMs(),
    monotonicMs: () => options.clock.monotonicMs(),
    // Every node takes writes (it forwards them), so that clients never have to look for another.
    role: () => 'master',
    isLoading: options.isLoading,
    keyspace: () => {
      const keys = options.keyCount()
      return keys === null ? null : { keys }
    },
    usedMemoryBytes: measureMemory,
    residentMemoryBytes: options.residentMemoryBytes,
    peakMemoryBytes: () => {
      measureMemory()
      return peakBytes
    },
    connectedReplicas: () => (options.leadsData() ? dataReplicas(options.status()) - 1 : 0),
    certainReplicas: () => Math.floor(dataReplicas(options.status()) / 2),
    pauseClients: (durationMs, mode) => {
      const nowMs = options.clock.monotonicMs()
      clientPause.begin(nowMs, nowMs + durationMs, mode)
      options.clock.setTimer(durationMs, () => {
        if (clientPause.untilMs <= options.clock.monotonicMs()) clientPause.end()
      })
    },
    unpauseClients: () => clientPause.end(),
    sessions: () => options.service().sessions(),
    closeSession: (id) => options.service().closeSession(id),
    holdfastFacts: () => holdfastFacts(options.status()),
  }
}

function dataReplicas(status: NodeStatus): number {
  return status.groups.find((group) => group.slots.length > 0)?.replicas.length ?? 1
}

function holdfastFacts(status: NodeStatus): (readonly [string, string | number])[] {
  const facts: (readonly [string, string | number])[] = [
    ['node_id', status.nodeId],
    ['cluster_id', status.clusterId ?? ''],
    ['nodes', status.nodes.length],
    ['storage_state', status.storage.state],
  ]
  for (const group of status.groups) {
    const { gid, term, leader, commit, local } = group
    facts.push([
      `group_${gid}`,
      `leader=${leader ?? ''},term=${term},commit=${commit},applied=${local?.applied ?? ''},replicas=${group.replicas.length}`,
    ])
  }
  return facts
}
