/**
 * The control group's state machine: who belongs to the cluster.
 *
 * Pure and deterministic as base/machine.ts demands. The whole catalog is one bookkeeping record:
 * it is read and written as a whole, and a cluster changes rarely.
 */
import { type ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { type ByteString, bytesToUtf8, utf8ToBytes } from '../base/bytes.ts'
import { makeGroupId, makeReplicaId, type NodeId, type ReplicaId, SLOT_COUNT } from '../base/ids.ts'
import type { Done, Machine, MachineView, Need } from '../base/machine.ts'
import { META_PARTITION, META_PREFIX } from '../base/machine.ts'
import { unreachable } from '../base/unreachable.ts'
import { type Catalog, decodeCatalog, type Endpoint, encodeCatalog, type NodeRecord } from './catalog.ts'

export const CATALOG_KEY = `${META_PREFIX}catalog`
const MACHINE_VERSION = 1
const REPLICATION_FACTOR = 3
/** A request to join is late by seconds, and disks are replaced rarely. */
const DISPLACED_TOKENS_MAX = 64

export type NodeFacts = {
  readonly nodeId: NodeId
  readonly joinToken: string
  readonly peer: Endpoint
  readonly redis: Endpoint
  readonly http: Endpoint | null
  readonly processId: number
}

export type ClusterCommand =
  /** The first entry of the cluster: its founder is replica 1, and group 1 owns all slots. */
  | { readonly kind: 'bootstrap'; readonly clusterId: string; readonly node: NodeFacts }
  /** Makes the node a member. A repeat (same join token) changes nothing; a new token under a known name replaces the old incarnation, whose token is refused from then on. */
  | { readonly kind: 'join'; readonly node: NodeFacts }
  /** A member started again, perhaps at other addresses. */
  | { readonly kind: 'announce'; readonly replicaId: ReplicaId; readonly node: NodeFacts }
  | { readonly kind: 'read' }

export type ClusterReply =
  | { readonly kind: 'catalog'; readonly catalog: Catalog }
  | { readonly kind: 'joined'; readonly replicaId: ReplicaId; readonly catalog: Catalog }
  | { readonly kind: 'refused'; readonly reason: string }

export function createClusterMachine(): Machine<ClusterCommand, ClusterReply> {
  const read = catalogReader()
  return {
    version: MACHINE_VERSION,
    partitionOf: () => META_PARTITION,
    encode: (command, writer) => writeJson(writer, command),
    decode: (reader) => readJson(reader) as ClusterCommand,
    execute: (view, command) => {
      const stored = view.get(CATALOG_KEY)
      return stored === undefined ? NEED_CATALOG : change(stored === null ? null : read(stored), command)
    },
    query: (view) => answer(view, read),
  }
}

/** Most commands change nothing: the same bytes are read again and again, and a catalog is never modified. */
function catalogReader(): (bytes: ByteString) => Catalog {
  let last: { readonly bytes: ByteString; readonly catalog: Catalog } | null = null
  return (bytes) => {
    if (last === null || last.bytes !== bytes) last = { bytes, catalog: decodeCatalog(bytes) }
    return last.catalog
  }
}

export function writeJson(writer: ByteWriter, value: unknown): void {
  writer.byteString(utf8ToBytes(JSON.stringify(value)))
}

export function readJson(reader: ByteReader): unknown {
  const text = bytesToUtf8(reader.byteString())
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MalformedBytes(`not JSON: ${String(error)}`)
  }
}

const NEED_CATALOG: Need = { kind: 'need', keys: [CATALOG_KEY], ranges: [] }

function answer(view: MachineView, read: (bytes: ByteString) => Catalog): Done<ClusterReply> | Need {
  const stored = view.get(CATALOG_KEY)
  if (stored === undefined) return NEED_CATALOG
  if (stored === null) return refuse('the cluster is not founded yet')
  return reply({ kind: 'catalog', catalog: read(stored) })
}

function change(catalog: Catalog | null, command: ClusterCommand): Done<ClusterReply> {
  switch (command.kind) {
    case 'bootstrap':
      return catalog === null
        ? write(found(command.clusterId, command.node))
        : refuse('the cluster is founded already')
    case 'join':
      return catalog === null ? refuse('the cluster is not founded yet') : join(catalog, command.node)
    case 'announce':
      return catalog === null
        ? refuse('the cluster is not founded yet')
        : announce(catalog, command.replicaId, command.node)
    case 'read':
      return catalog === null ? refuse('the cluster is not founded yet') : reply({ kind: 'catalog', catalog })
    default:
      return unreachable(command)
  }
}

function found(clusterId: string, node: NodeFacts): Catalog {
  return {
    clusterId,
    replicationFactor: REPLICATION_FACTOR,
    nextReplicaId: 2,
    nodes: [record(makeReplicaId(1), node)],
    groups: [{ group: makeGroupId(1), slots: [[0, SLOT_COUNT - 1]] }],
    displacedTokens: [],
  }
}

function join(catalog: Catalog, node: NodeFacts): Done<ClusterReply> {
  const known = catalog.nodes.find((candidate) => candidate.joinToken === node.joinToken)
  if (known !== undefined) return reply({ kind: 'joined', replicaId: known.replicaId, catalog })
  if (catalog.displacedTokens.includes(node.joinToken))
    return refuse(
      `the data directory of node ${node.nodeId} was replaced by another one; start the node on an empty data directory to join again`,
    )
  const replicaId = makeReplicaId(catalog.nextReplicaId)
  // The same name with another data directory: the old incarnation's disk is gone, and with it its vote.
  const others = catalog.nodes.filter((candidate) => candidate.nodeId !== node.nodeId)
  const displaced = catalog.nodes.filter((candidate) => candidate.nodeId === node.nodeId)
  const next = {
    ...catalog,
    nextReplicaId: replicaId + 1,
    nodes: [...others, record(replicaId, node)],
    displacedTokens: [...catalog.displacedTokens, ...displaced.map((old) => old.joinToken)].slice(
      -DISPLACED_TOKENS_MAX,
    ),
  }
  return { ...write(next), reply: { kind: 'joined', replicaId, catalog: next } }
}

function announce(catalog: Catalog, replicaId: ReplicaId, node: NodeFacts): Done<ClusterReply> {
  const known = catalog.nodes.find((candidate) => candidate.replicaId === replicaId)
  if (known === undefined || known.joinToken !== node.joinToken) {
    return refuse(
      `replica ${replicaId} does not belong to the cluster (any more); start the node on an empty data directory to join again`,
    )
  }
  const nodes = catalog.nodes.map((candidate) => (candidate === known ? record(replicaId, node) : candidate))
  return write({ ...catalog, nodes })
}

function record(replicaId: ReplicaId, node: NodeFacts): NodeRecord {
  const { nodeId, joinToken, peer, redis, http, processId } = node
  return { replicaId, nodeId, joinToken, peer, redis, http, processId }
}

function write(catalog: Catalog): Done<ClusterReply> {
  const value = encodeCatalog(catalog)
  return {
    kind: 'done',
    writes: [{ partition: META_PARTITION, key: CATALOG_KEY, value }],
    clearsData: false,
    reply: { kind: 'catalog', catalog },
  }
}

function reply(answered: ClusterReply): Done<ClusterReply> {
  return { kind: 'done', writes: [], clearsData: false, reply: answered }
}

function refuse(reason: string): Done<ClusterReply> {
  return reply({ kind: 'refused', reason })
}
