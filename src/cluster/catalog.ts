/**
 * The catalog: which nodes form the cluster and which slots each group owns. The state of the
 * control group, small enough to be one record.
 */
import type { ByteString } from '../base/bytes.ts'
import { bytesToUtf8, utf8ToBytes } from '../base/bytes.ts'
import {
  type GroupId,
  isNodeId,
  makeGroupId,
  makeReplicaId,
  type NodeId,
  type ReplicaId,
  SLOT_COUNT,
} from '../base/ids.ts'

export type Endpoint = { readonly host: string; readonly port: number }

export type NodeRecord = {
  readonly replicaId: ReplicaId
  readonly nodeId: NodeId
  /** Drawn once per data directory: the same node asking again gets the same replica id. */
  readonly joinToken: string
  readonly peer: Endpoint
  readonly redis: Endpoint
  readonly http: Endpoint | null
  readonly processId: number
}

export type GroupRecord = {
  readonly group: GroupId
  /** Ranges with both ends included, ascending. */
  readonly slots: readonly (readonly [number, number])[]
}

export type Catalog = {
  readonly clusterId: string
  readonly replicationFactor: number
  readonly nextReplicaId: number
  /** Ascending by replica id. */
  readonly nodes: readonly NodeRecord[]
  readonly groups: readonly GroupRecord[]
  /** Join tokens of data directories that were replaced, oldest first: a late request of theirs must not come back. */
  readonly displacedTokens: readonly string[]
}

const FORMAT_VERSION = 1

export function encodeCatalog(catalog: Catalog): ByteString {
  return utf8ToBytes(JSON.stringify({ version: FORMAT_VERSION, ...catalog }))
}

/** Throws for bytes that `encodeCatalog` did not write: they passed a checksum, so a program is wrong. */
export function decodeCatalog(bytes: ByteString): Catalog {
  const { version, ...catalog } = JSON.parse(bytesToUtf8(bytes)) as Catalog & { readonly version: number }
  if (version !== FORMAT_VERSION) throw new Error(`catalog of unknown version ${version}`)
  for (const node of catalog.nodes) {
    makeReplicaId(node.replicaId)
    if (!isNodeId(node.nodeId))
      throw new Error(`catalog with an invalid node id ${JSON.stringify(node.nodeId)}`)
  }
  for (const { group } of catalog.groups) makeGroupId(group)
  return catalog
}

/** The group that owns the slot; null while nobody does. */
export function groupOfSlot(catalog: Catalog, slot: number): GroupId | null {
  for (const { group, slots } of catalog.groups) {
    for (const [first, last] of slots) if (slot >= first && slot <= last) return group
  }
  return null
}

/** The group that owns all slots; null when there is none. */
export function soleGroup({ groups }: Catalog): GroupId | null {
  const [only] = groups
  const [range] = only?.slots ?? []
  const isWhole = groups.length === 1 && range !== undefined && range[0] === 0 && range[1] === SLOT_COUNT - 1
  return only !== undefined && isWhole ? only.group : null
}
