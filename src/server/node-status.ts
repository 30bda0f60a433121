/**
 * What a node knows about itself and its cluster, as plain data: the body of `/status`, the input
 * of `/metrics` and of `holdfast status`. A snapshot: taken at one moment, by one node, which may
 * be cut off from the others; what it knows of them is as old as their last message.
 */
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'
import type { LogIndex, Term } from '../base/log-entry.ts'
import type { Address } from '../env/network.ts'
import type { Role } from './node-options.ts'

export interface NodeStatusSource {
  /** Cheap enough for once a second: no I/O, no promise. */
  status(): NodeStatus
}

/** `unreachable`: this node has no connection to it. */
export type NodeState = 'starting' | 'serving' | 'draining' | 'degraded' | 'needs-operator' | 'unreachable'

export type NodeStatus = {
  readonly version: string
  readonly clusterId: string | null
  /** The node that answers; it is in `nodes` too. */
  readonly nodeId: NodeId
  readonly uptimeMs: number
  readonly nodes: readonly NodeSummary[]
  /** Every group this node knows of; `local` is null where it has no replica. */
  readonly groups: readonly GroupStatus[]
  readonly storage: StorageStatus
  readonly clients: ClientStatus
}

export type NodeSummary = {
  readonly id: NodeId
  /** null until the node has told it. */
  readonly pid: number | null
  /** Where its peers reach it. */
  readonly address: Address
  readonly redis: Address | null
  readonly http: Address | null
  readonly roles: readonly Role[]
  readonly state: NodeState
}

export type GroupStatus = {
  readonly gid: GroupId
  readonly term: Term
  /** null: this node knows of none at the moment. */
  readonly leader: NodeId | null
  readonly replicas: readonly ReplicaStatus[]
  readonly commit: LogIndex
  /** Ranges with both ends included, ascending: `[0, 16383]` is every slot. */
  readonly slots: readonly (readonly [number, number])[]
  readonly local: LocalReplicaStatus | null
}

export type ReplicaStatus = {
  readonly nodeId: NodeId
  readonly replicaId: ReplicaId
  readonly role: 'voter' | 'learner'
  /** How many committed entries it has not confirmed; null: only the leader knows. */
  readonly lag: number | null
}

export type ReplicaRole = 'leader' | 'candidate' | 'follower' | 'learner'

export type LocalReplicaStatus = {
  readonly role: ReplicaRole
  readonly applied: LogIndex
  /** Committed and not yet applied here. */
  readonly applyLag: number
  /** Entries the log holds for this group, first to last. */
  readonly logEntries: number
  readonly healthy: boolean
  /** Why not; null when healthy. */
  readonly reason: string | null
}

export type StorageState = 'healthy' | 'degraded' | 'needs-operator'

export type StorageStatus = {
  readonly state: StorageState
  /** One line with a code; null when healthy. */
  readonly reason: string | null
  readonly logBytes: number
  readonly freeBytes: number
  readonly totalBytes: number
  readonly syncs: number
}

export type ClientStatus = {
  readonly connections: number
  /** Since the node started. */
  readonly commands: number
  readonly errors: number
  readonly refusedConnections: number
}
