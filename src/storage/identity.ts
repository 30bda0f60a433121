/**
 * Who this data directory belongs to: `identity` in its root (docs/formats/identity.md).
 *
 * Failure model: the record is replaced whole (temporary file, datasync, rename, directory sync),
 * so a crash leaves the old one or the new one. Bytes that are neither are corruption and end the
 * start: a node that drew a new identity over an old log could vote twice. The first record is
 * durable before anything else is made in the directory, and each start's incarnation is durable
 * before the node speaks, so no two starts ever speak under the same (node, incarnation).
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { isNodeId, type NodeId, type ReplicaId } from '../base/ids.ts'
import type { Disk } from '../env/disk.ts'
import type { Random } from '../env/random.ts'
import { identityError } from './identity-error.ts'

export const IDENTITY_FILE = 'identity'
export const IDENTITY_FORMAT = 1
const TEMPORARY_FILE = 'identity.tmp'
const IDENTITY_BYTES_MAX = 4_096
const HEX_32_PATTERN = /^[0-9a-f]{32}$/
const FRAME_PATTERN = /^(\{[^\n]*\}\n)crc32 ([0-9a-f]{8})\n$/

/** Names that may stand in a directory that counts as empty: they carry no data of the store. */
const HARMLESS_NAMES: ReadonlySet<string> = new Set([
  TEMPORARY_FILE,
  'LOCK',
  'lost+found',
  'endpoints.json',
  'endpoints.json.tmp',
  'demo.json',
  'demo.json.tmp',
])

export type Identity = {
  /** null only between the first start of a node that joins and the cluster's answer. */
  readonly clusterId: string | null
  readonly nodeId: NodeId
  readonly origin: 'created' | 'joined'
  /** null until the control group has assigned it. */
  readonly replicaId: ReplicaId | null
  /** 32 hexadecimal digits, drawn with the record: tells this directory from another that claims the same node. */
  readonly directoryId: string
  /** Counts the starts; this one's is durable. */
  readonly incarnation: number
}

export type IdentityRequest = {
  /** What the operator asked for; null: whatever is there, or a drawn one. */
  readonly nodeId: NodeId | null
  /** Whether the node was told to join a cluster that exists. */
  readonly joins: boolean
}

/**
 * Reads the record, or makes it at the first start, and raises the incarnation. Durable on return.
 * A node that joined earlier may be started with the same `--join` again; one that created its
 * own cluster may not: its data would belong to two.
 */
export async function openIdentity(disk: Disk, random: Random, request: IdentityRequest): Promise<Identity> {
  const found = await readIdentity(disk)
  if (found === null) {
    await refuseUnlessEmpty(disk)
    const first = makeFirst(random, request)
    await writeIdentity(disk, first)
    return first
  }
  if (request.nodeId !== null && request.nodeId !== found.nodeId) {
    throw identityError.otherNode(found.nodeId, request.nodeId)
  }
  if (request.joins && found.origin === 'created')
    throw identityError.alreadyInCluster(found.clusterId ?? '?')
  const next = { ...found, incarnation: found.incarnation + 1 }
  await writeIdentity(disk, next)
  return next
}

/** Records what the cluster assigned; both are given once and never change. Durable on return. */
export async function assignReplica(
  disk: Disk,
  identity: Identity,
  assigned: { readonly clusterId: string; readonly replicaId: ReplicaId },
): Promise<Identity> {
  assert(
    identity.clusterId === null || identity.clusterId === assigned.clusterId,
    'a node changes its cluster',
  )
  assert(
    identity.replicaId === null || identity.replicaId === assigned.replicaId,
    'a node changes its replica id',
  )
  const next = { ...identity, ...assigned }
  await writeIdentity(disk, next)
  return next
}

/** null when there is none. Never guesses: what can't be read back exactly is an error. */
export async function readIdentity(disk: Disk): Promise<Identity | null> {
  if (!(await disk.exists(IDENTITY_FILE))) return null
  const file = await disk.open(IDENTITY_FILE, 'read')
  try {
    const size = await file.size()
    if (size > IDENTITY_BYTES_MAX)
      throw identityError.corrupt(`${size} bytes, at most ${IDENTITY_BYTES_MAX} expected`)
    return decodeIdentity(await file.read(0, size))
  } finally {
    await file.close()
  }
}

export async function writeIdentity(disk: Disk, identity: Identity): Promise<void> {
  const bytes = encodeIdentity(identity)
  assert.deepEqual(decodeIdentity(bytes), identity, 'an identity must read back as it was written')
  if (await disk.exists(TEMPORARY_FILE)) await disk.remove(TEMPORARY_FILE)
  const file = await disk.open(TEMPORARY_FILE, 'create')
  try {
    await file.writeAndSync([bytes], 0)
  } finally {
    await file.close()
  }
  await disk.rename(TEMPORARY_FILE, IDENTITY_FILE)
  await disk.syncDirectory('')
}

export function encodeIdentity(identity: Identity): Buffer {
  const { clusterId, nodeId, origin, replicaId, directoryId, incarnation } = identity
  const line = `${JSON.stringify({ format: IDENTITY_FORMAT, clusterId, nodeId, origin, replicaId, directoryId, incarnation })}\n`
  const bytes = Buffer.from(`${line}crc32 ${checksum(line)}\n`, 'latin1')
  assert(bytes.length <= IDENTITY_BYTES_MAX)
  return bytes
}

export function decodeIdentity(bytes: Buffer): Identity {
  const frame = FRAME_PATTERN.exec(bytes.toString('latin1'))
  if (frame === null) throw identityError.corrupt('not two lines of an identity record')
  const [, line, stated] = frame
  assert(line !== undefined && stated !== undefined)
  const computed = checksum(line)
  if (computed !== stated) throw identityError.corrupt(`checksum says ${stated}, the bytes give ${computed}`)
  return checkFields(parseLine(line))
}

function checksum(line: string): string {
  return crc32(Buffer.from(line, 'latin1')).toString(16).padStart(8, '0')
}

function parseLine(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch (error) {
    throw identityError.corrupt(`the checksum fits, but the record is not JSON (${String(error)})`)
  }
}

function checkFields(record: Readonly<Record<string, unknown>>): Identity {
  const { format, clusterId, nodeId, origin, replicaId, directoryId, incarnation, ...unknown } = record
  if (!isCount(format)) throw identityError.corrupt(`field format is ${JSON.stringify(format)}`)
  if (format > IDENTITY_FORMAT) throw identityError.newerFormat(format, IDENTITY_FORMAT)
  if (format < IDENTITY_FORMAT) throw identityError.corrupt(`format ${format} never existed`)
  const wrong = (field: string): never => {
    throw identityError.corrupt(`field ${field} is ${JSON.stringify(record[field])}`)
  }
  for (const field of Object.keys(unknown)) wrong(field)
  if (clusterId !== null && !(typeof clusterId === 'string' && HEX_32_PATTERN.test(clusterId)))
    return wrong('clusterId')
  if (typeof nodeId !== 'string' || !isNodeId(nodeId)) return wrong('nodeId')
  if (origin !== 'created' && origin !== 'joined') return wrong('origin')
  if (replicaId !== null && !isCount(replicaId)) return wrong('replicaId')
  if (typeof directoryId !== 'string' || !HEX_32_PATTERN.test(directoryId)) return wrong('directoryId')
  if (!isCount(incarnation)) return wrong('incarnation')
  if (clusterId === null && (origin === 'created' || replicaId !== null)) return wrong('clusterId')
  return { clusterId, nodeId, origin, replicaId: replicaId as ReplicaId | null, directoryId, incarnation }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

async function refuseUnlessEmpty(disk: Disk): Promise<void> {
  const names = await disk.list('')
  const foreign = names.filter((name) => !name.startsWith('.') && !HARMLESS_NAMES.has(name))
  if (foreign.length > 0) throw identityError.missing(foreign)
}

function makeFirst(random: Random, request: IdentityRequest): Identity {
  const nodeId = request.nodeId ?? `node-${randomHex(random, 6)}`
  assert(isNodeId(nodeId))
  const clusterId = request.joins ? null : randomHex(random, 16)
  const origin = request.joins ? 'joined' : 'created'
  return { clusterId, nodeId, origin, replicaId: null, directoryId: randomHex(random, 16), incarnation: 1 }
}

function randomHex(random: Random, bytes: number): string {
  let digits = ''
  while (digits.length < bytes * 2) digits += random.u32().toString(16).padStart(8, '0')
  return digits.slice(0, bytes * 2)
}
