/** Puts together what a node says about itself and its cluster (node-status.ts). */
import { CONTROL_GROUP, type GroupId, type NodeId, type ReplicaId } from '../base/ids.ts'
import type { Catalog, NodeRecord } from '../cluster/catalog.ts'
import type { FreeSpace } from '../env/disk.ts'
import type { Group } from '../replica/group.ts'
import { type RepairReport, reportRepair } from '../replica/repair-report.ts'
import type { Transport } from '../replica/transport/transport.ts'
import type { LogMetrics } from '../storage/log/shared-log.ts'
import type { Role } from './node-options.ts'
import type {
  ClientStatus,
  GroupStatus,
  LocalReplicaStatus,
  NodeState,
  NodeStatus,
  NodeSummary,
  ReplicaStatus,
  StorageStatus,
} from './node-status.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- only what all groups have in common is read
type AnyGroup = Group<any, any>

export type StatusSources = {
  readonly version: string
  readonly clusterId: string | null
  readonly nodeId: NodeId
  readonly self: ReplicaId
  readonly roles: readonly Role[]
  readonly uptimeMs: number
  readonly state: NodeState
  readonly catalog: Catalog | null
  readonly groups: ReadonlyMap<GroupId, AnyGroup>
  readonly transport: Transport
  readonly log: LogMetrics
  readonly logFailure: Error | null
  readonly space: FreeSpace | null
  readonly clients: ClientStatus
}

export function buildStatus(sources: StatusSources): NodeStatus {
  const { version, clusterId, nodeId, uptimeMs, catalog, groups } = sources
  return {
    version,
    clusterId,
    nodeId,
    uptimeMs,
    nodes: (catalog?.nodes ?? []).map((node) => summary(node, sources)),
    groups: [...groups.values()]
      .sort((left, right) => left.id - right.id)
      .map((group) => groupStatus(group, catalog)),
    storage: storageStatus(sources),
    clients: sources.clients,
  }
}

function summary(node: NodeRecord, sources: StatusSources): NodeSummary {
  const isSelf = node.replicaId === sources.self
  const state = isSelf
    ? sources.state
    : sources.transport.isConnected(node.replicaId)
      ? 'serving'
      : 'unreachable'
  return {
    id: node.nodeId,
    pid: node.processId,
    address: node.peer,
    redis: node.redis,
    http: node.http,
    roles: isSelf ? sources.roles : ['control', 'data', 'gateway'],
    state,
  }
}

function groupStatus(group: AnyGroup, catalog: Catalog | null): GroupStatus {
  const status = group.raft.status()
  const nameOf = (replica: ReplicaId): NodeId =>
    catalog?.nodes.find((node) => node.replicaId === replica)?.nodeId ?? (`replica-${replica}` as NodeId)
  const replica = (id: ReplicaId, role: 'voter' | 'learner'): ReplicaStatus => {
    const match = status.progress?.get(id)?.match
    return {
      nodeId: nameOf(id),
      replicaId: id,
      role,
      lag: match === undefined ? null : Math.max(0, status.commit - match),
    }
  }
  const { voters, learners } = status.membership
  const slots = catalog?.groups.find((record) => record.group === group.id)?.slots ?? []
  return {
    gid: group.id,
    term: status.term,
    leader: status.leader === null ? null : nameOf(status.leader),
    replicas: [...voters.map((id) => replica(id, 'voter')), ...learners.map((id) => replica(id, 'learner'))],
    commit: status.commit,
    slots: group.id === CONTROL_GROUP ? [] : slots,
    local: localStatus(group),
  }
}

function localStatus(group: AnyGroup): LocalReplicaStatus {
  const status = group.raft.status()
  const isLearner = status.membership.learners.includes(status.id)
  const role = status.role === 'preCandidate' ? 'candidate' : status.role
  return {
    role: isLearner ? 'learner' : role,
    applied: status.applied,
    applyLag: Math.max(0, status.commit - status.applied),
    logEntries: Math.max(0, status.lastIndex - status.firstIndex + 1),
    healthy: group.health.kind === 'healthy',
    reason: group.health.kind === 'healthy' ? null : group.health.reason,
  }
}

/** Of the replicas here whose logs are damaged: the one that no waiting helps, if there is one. */
function worstRepair(groups: ReadonlyMap<GroupId, AnyGroup>): RepairReport | null {
  let worst: RepairReport | null = null
  for (const { id, raft } of groups.values()) {
    const report = raft.isRepairing ? reportRepair(raft.status()) : null
    if (report === null || worst?.needsOperator === true) continue
    if (worst === null || report.needsOperator) worst = { ...report, text: `group ${id}: ${report.text}` }
  }
  return worst
}

function storageStatus({ log, logFailure, space, groups }: StatusSources): StorageStatus {
  const broken = [...groups.values()].find((group) => group.health.kind === 'failed')
  const repair = worstRepair(groups)
  const needsOperator = broken !== undefined || repair?.needsOperator === true
  const isDegraded = logFailure !== null || repair !== null
  const state = needsOperator ? 'needs-operator' : isDegraded ? 'degraded' : 'healthy'
  const reason =
    broken !== undefined && broken.health.kind === 'failed'
      ? broken.health.reason
      : (logFailure?.message ?? repair?.text ?? null)
  return {
    state,
    reason,
    logBytes: log.bytesOnDisk,
    freeBytes: space?.freeBytes ?? 0,
    totalBytes: space?.totalBytes ?? 0,
    syncs: log.syncs,
  }
}
