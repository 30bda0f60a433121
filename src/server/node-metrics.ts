/** What `/metrics` says: the readings of a status under names that stay. */
import { type Metric, type Sample } from './metrics-text.ts'
import type { GroupStatus, LocalReplicaStatus, NodeStatus, StorageState } from './node-status.ts'

const STORAGE_STATES: readonly StorageState[] = ['healthy', 'degraded', 'needs-operator']

export function nodeMetrics(status: NodeStatus): readonly Metric[] {
  return [
    ...processMetrics(status),
    ...groupMetrics(status),
    ...storageMetrics(status),
    ...clientMetrics(status),
  ]
}

function processMetrics(status: NodeStatus): readonly Metric[] {
  const { version, nodeId, nodes } = status
  return [
    gauge('holdfast_build_info', 'Always 1; the labels say which program answers', [
      { labels: { version, node: nodeId }, value: 1 },
    ]),
    single('gauge', 'holdfast_uptime_seconds', 'Time since the node started', status.uptimeMs / 1_000),
    gauge(
      'holdfast_node_state',
      'Always 1; the label says the state of each node as this one sees it',
      nodes.map(({ id, state }) => ({ labels: { node: id, state }, value: 1 })),
    ),
  ]
}

function groupMetrics({ groups, nodeId }: NodeStatus): readonly Metric[] {
  const all = (read: (group: GroupStatus) => number): readonly Sample[] =>
    groups.map((group) => ({ labels: { group: String(group.gid) }, value: read(group) }))
  const local = (read: (replica: LocalReplicaStatus) => number): readonly Sample[] =>
    groups.flatMap(({ gid, local: replica }) =>
      replica === null ? [] : [{ labels: { group: String(gid) }, value: read(replica) }],
    )
  return [
    gauge(
      'holdfast_group_term',
      'Raft term',
      all(({ term }) => term),
    ),
    gauge(
      'holdfast_group_commit_index',
      'Last entry known to be committed',
      all(({ commit }) => commit),
    ),
    gauge(
      'holdfast_group_has_leader',
      '1 if this node knows a leader',
      all(({ leader }) => bit(leader !== null)),
    ),
    gauge(
      'holdfast_group_is_leader',
      '1 if this node leads',
      all(({ leader }) => bit(leader === nodeId)),
    ),
    gauge('holdfast_group_slots', 'Hash slots the group owns', all(countSlots)),
    gauge(
      'holdfast_group_applied_index',
      'Last entry applied here',
      local(({ applied }) => applied),
    ),
    gauge(
      'holdfast_group_apply_lag_entries',
      'Committed and not applied here',
      local(({ applyLag }) => applyLag),
    ),
    gauge(
      'holdfast_group_log_entries',
      'Entries in the log here',
      local(({ logEntries }) => logEntries),
    ),
    gauge(
      'holdfast_group_healthy',
      '1 if the replica here votes and applies',
      local(({ healthy }) => bit(healthy)),
    ),
    gauge(
      'holdfast_group_replica_lag_entries',
      'Committed and not confirmed by the replica; only the leader knows',
      lags(groups),
    ),
  ]
}

function lags(groups: readonly GroupStatus[]): readonly Sample[] {
  return groups.flatMap(({ gid, replicas }) =>
    replicas.flatMap(({ nodeId, lag }) =>
      lag === null ? [] : [{ labels: { group: String(gid), node: nodeId }, value: lag }],
    ),
  )
}

function storageMetrics({ storage }: NodeStatus): readonly Metric[] {
  return [
    gauge(
      'holdfast_storage_state',
      '1 at the state the data directory is in',
      STORAGE_STATES.map((state) => ({ labels: { state }, value: bit(state === storage.state) })),
    ),
    single('gauge', 'holdfast_storage_log_bytes', 'Size of the write-ahead log', storage.logBytes),
    single('gauge', 'holdfast_storage_free_bytes', 'Free space of the data directory', storage.freeBytes),
    single(
      'gauge',
      'holdfast_storage_size_bytes',
      'Size of the file system of the data directory',
      storage.totalBytes,
    ),
    single('counter', 'holdfast_storage_syncs_total', 'Times the log was made durable', storage.syncs),
  ]
}

function clientMetrics({ clients }: NodeStatus): readonly Metric[] {
  return [
    single('gauge', 'holdfast_client_connections', 'Open client connections', clients.connections),
    single('counter', 'holdfast_client_commands_total', 'Commands answered', clients.commands),
    single('counter', 'holdfast_client_errors_total', 'Commands answered with an error', clients.errors),
    single(
      'counter',
      'holdfast_client_refused_connections_total',
      'Connections refused because there were too many',
      clients.refusedConnections,
    ),
  ]
}

export function countSlots({ slots }: Pick<GroupStatus, 'slots'>): number {
  return slots.reduce((sum, [from, to]) => sum + to - from + 1, 0)
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, kind: 'gauge', help, samples }
}

function single(kind: Metric['kind'], name: string, help: string, value: number): Metric {
  return { name, kind, help, samples: [{ labels: {}, value }] }
}

function bit(value: boolean): number {
  return value ? 1 : 0
}
