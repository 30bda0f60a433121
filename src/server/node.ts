/**
 * A node: everything of a process but its sockets, disks and clocks, which come in as `World`.
 *
 * Start: take the identity, open log and ports, found or join or recover, serve. Stop: hand over
 * every leadership, answer what was asked, flush, close. The simulator runs the same code.
 */
import assert from 'node:assert/strict'
import { storageError } from '../base/errors.ts'
import { CONTROL_GROUP, makeGroupId, makeReplicaId } from '../base/ids.ts'
import { sleep } from '../env/clock.ts'
import type { Disk } from '../env/disk.ts'
import { NO_MEMBERSHIP } from '../replica/open-group.ts'
import { assignReplica, type Identity, openIdentity } from '../storage/identity.ts'
import { segmentNumber } from '../storage/log/log-format.ts'
import { LOG_DIRECTORY, openSharedLog } from '../storage/log/open-shared-log.ts'
import { joinCluster } from './control/join-request.ts'
import { lostLog } from './lost-log.ts'
import type { NodeOptions, RunningNode, World } from './node-options.ts'
import { NodeParts } from './node-parts.ts'

const FOUNDER = makeReplicaId(1)
const FIRST_DATA_GROUP = makeGroupId(1)
const READY_POLL_MS = 5
const WAITING_WARNING_MS = 5_000

export async function startNode(world: World, options: NodeOptions): Promise<RunningNode> {
  const identity = await openIdentity(world.disk, world.random, {
    nodeId: options.nodeId,
    joins: options.join.length > 0,
  })
  const logger = world.logger.with({ node: identity.nodeId })
  if (identity.replicaId !== null) await refuseLostLog(world.disk, identity)
  const log = await openSharedLog({
    disk: world.disk,
    clock: world.clock,
    random: world.random,
    logger,
    ...(options.logSegmentBytes === undefined ? {} : { segmentBytes: options.logSegmentBytes }),
  })
  const parts = new NodeParts({ ...world, logger }, options, identity, log)
  try {
    await parts.openPorts()
    await enterCluster(parts, world, options, identity)
    await untilServing(parts, world)
  } catch (error) {
    await parts.close()
    throw error
  }
  parts.serve()
  return parts
}

async function enterCluster(
  parts: NodeParts,
  world: World,
  options: NodeOptions,
  identity: Identity,
): Promise<void> {
  if (identity.replicaId !== null && identity.clusterId !== null) {
    await parts.begin(identity.clusterId, identity.replicaId, null)
  } else if (identity.origin === 'created') await found(parts, world, identity)
  else await join(parts, world, options, identity)
}

/** The founder's groups are in its log before its number is in its identity: a crash in between founds again. */
async function found(parts: NodeParts, world: World, identity: Identity): Promise<void> {
  assert(identity.clusterId !== null)
  const founding = { voters: [FOUNDER], votersOutgoing: [], learners: [], learnersNext: [] }
  await parts.begin(identity.clusterId, FOUNDER, { groups: [CONTROL_GROUP, FIRST_DATA_GROUP], founding })
  await assignReplica(world.disk, identity, { clusterId: identity.clusterId, replicaId: FOUNDER })
}

/** The log knows the control group before the identity has a number: a member whose log does not has lost it. */
async function join(parts: NodeParts, world: World, options: NodeOptions, identity: Identity): Promise<void> {
  if (options.join.length === 0) {
    throw storageError('invalidConfiguration', {
      message: `node ${identity.nodeId} was told to join a cluster and never got an answer, and now it is not told which`,
      hint: 'Start it with --join and the peer address of any member, or on an empty data directory without --join to found a new cluster.',
    })
  }
  const { replicaId, catalog } = await joinCluster(
    { ...world, transport: parts.transport },
    options.join,
    parts.facts,
    () => parts.isStopping,
  )
  const founding = { groups: [CONTROL_GROUP], founding: NO_MEMBERSHIP }
  await parts.begin(catalog.clusterId, replicaId, founding, catalog)
  await assignReplica(world.disk, identity, { clusterId: catalog.clusterId, replicaId })
}

/**
 * A member without a log has lost its votes: it must not come back as if it had never voted. Looked at
 * before the log is opened, which makes the first file of a new one: the next start would take that for the old.
 */
async function refuseLostLog(disk: Disk, identity: Identity): Promise<void> {
  const names = await disk.list(LOG_DIRECTORY)
  if (names.some((name) => segmentNumber(name) !== null)) return
  throw lostLog(identity)
}

/** Serving: the catalog is known, so every command finds its group (which may still be electing). */
async function untilServing(parts: NodeParts, world: World): Promise<void> {
  let warnAtMs = world.clock.monotonicMs() + WAITING_WARNING_MS
  while (!parts.isServing) {
    await sleep(world.clock, READY_POLL_MS)
    if (parts.failure !== null) throw parts.failure
    if (parts.isStopping)
      throw storageError('cancelled', { message: 'the node was stopped while it was starting' })
    if (world.clock.monotonicMs() < warnAtMs) continue
    warnAtMs += WAITING_WARNING_MS
    world.logger.warning('waiting for a majority of the control group before serving', parts.waitingFor())
  }
}
