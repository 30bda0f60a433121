/** What `holdfast status` prints. Pure. */
import type { GroupStatus, NodeStatus, NodeSummary, ReplicaStatus } from '../../server/node-status.ts'
import { type Cell, renderColumns } from '../columns.ts'
import { showAddress } from '../options/value-kinds.ts'

export function renderStatus(status: NodeStatus): string {
  const { clusterId, nodeId, version, uptimeMs, nodes, groups } = status
  return (
    `cluster ${clusterId ?? '(not joined yet)'}, answered by ${nodeId} (version ${version}, up ${showUptime(uptimeMs)})\n` +
    `${renderStorage(status)}\n` +
    `${renderColumns(['NODE', 'STATE', 'PEERS', 'REDIS', 'HTTP', 'PID', 'ROLES'], nodes.map(nodeRow))}\n` +
    renderColumns(['GROUP', 'LEADER', 'TERM', 'COMMIT', 'SLOTS', 'REPLICAS', 'HERE'], groups.map(groupRow))
  )
}

function renderStorage({ storage }: NodeStatus): string {
  const reason = storage.reason === null ? '' : ` (${storage.reason})`
  const free = `${showBytes(storage.freeBytes)} free of ${showBytes(storage.totalBytes)}`
  return `storage ${storage.state}${reason}: log ${showBytes(storage.logBytes)}, ${free}\n`
}

function nodeRow({ id, state, address, redis, http, pid, roles }: NodeSummary): readonly Cell[] {
  const place = (known: NodeSummary['redis']): string => (known === null ? '-' : showAddress(known))
  return [id, state, showAddress(address), place(redis), place(http), pid ?? '-', roles.join(',')]
}

function groupRow({ gid, leader, term, commit, slots, replicas, local }: GroupStatus): readonly Cell[] {
  const here =
    local === null
      ? '-'
      : `${local.role}, applied ${local.applied}${local.healthy ? '' : `, UNHEALTHY: ${local.reason ?? 'no reason given'}`}`
  return [gid, leader ?? 'none', term, commit, showSlots(slots), replicas.map(showReplica).join(', '), here]
}

function showReplica({ nodeId, role, lag }: ReplicaStatus): string {
  const notes = [
    ...(role === 'learner' ? ['learner'] : []),
    ...(lag === null || lag === 0 ? [] : [`lag ${lag}`]),
  ]
  return notes.length === 0 ? nodeId : `${nodeId} (${notes.join(', ')})`
}

export function showSlots(slots: GroupStatus['slots']): string {
  if (slots.length === 0) return '-'
  return slots.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

/** The two largest units that matter: `3 d 4 h`. */
export function showUptime(uptimeMs: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ]
  const first = units.findIndex(([, size]) => uptimeMs >= size)
  if (first < 0) return '0 s'
  let rest = uptimeMs
  const parts: string[] = []
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(' ')
}

/** With three digits: `79.2 GiB`. */
export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_024
    unit++
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}
