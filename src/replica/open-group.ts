/**
 * Brings one group back from disk: engine and log are put together so that what is applied, what is
 * logged and what may be voted agree (docs/formats/recovery.md).
 *
 * - The log starts at its base and the engine knows its applied index; the entries between them
 *   are applied again.
 * - The engine is ahead of the log. What is applied was committed, so the log starts anew right behind it.
 *   If a snapshot had just been installed, a crash came before the log's base record. If not, the log lost
 *   its tail, whether it shows or not: that is damage, and a vote may be lost with it.
 * - The engine is behind the log's base, or missing: entries are gone that only a peer has. The
 *   replica starts empty, waits for a snapshot, and neither votes nor acknowledges before it. Where
 *   there is no peer it refuses instead, and touches nothing.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { storageError } from '../base/errors.ts'
import { type GroupId, makeGroupId, type ReplicaId } from '../base/ids.ts'
import {
  EntryKind,
  type HardState,
  INDEX_ZERO,
  type LogIndex,
  type LogPosition,
  TERM_ZERO,
} from '../base/log-entry.ts'
import type { Engine } from '../env/engine.ts'
import type { Logger } from '../env/logger.ts'
import { allVoters, type Membership } from '../raft/membership.ts'
import { decodeMembership, encodeMembership } from '../raft/membership-codec.ts'
import type { RaftState } from '../raft/raft.ts'
import type { LogDamage, LogRecord, RecoveredGroup } from '../storage/log/shared-log.ts'
import {
  APPLIED_KEY,
  type AppliedRecord,
  decodeApplied,
  EVERYTHING,
  encodeApplied,
  garbageRanges,
  isInstalled,
} from './state/engine-records.ts'
import { StoredHash } from './state/stored-hash.ts'

export type OpenedState = {
  readonly raft: RaftState
  readonly applied: AppliedRecord
  readonly hash: StoredHash
  /** To append to the log before anything else of this group: the log as it was found no longer holds. */
  readonly logRepair: readonly LogRecord[]
}

export const NO_MEMBERSHIP: Membership = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] }

const FIRST_EPOCHS = { data: 1, meta: 1 }
const ORIGIN: LogPosition = { term: TERM_ZERO, index: INDEX_ZERO }

/** A replica that never existed here: a founding voter, or a new one that waits to hear from a leader. */
export async function createGroupState(
  engine: Engine,
  group: GroupId,
  membership: Membership,
): Promise<OpenedState> {
  const applied = emptyApplied(encodeMembership(membership))
  // Durable before the log says that this group starts from nothing: what stood here would be taken
  // for the state after entries that only look the same.
  await engine.write([{ kind: 'deleteRange', ...EVERYTHING }])
  await engine.persist()
  const hardState: HardState = { term: TERM_ZERO, vote: null, commit: INDEX_ZERO }
  const raft: RaftState = {
    hardState,
    base: ORIGIN,
    membership,
    entries: [],
    applied: INDEX_ZERO,
    mayVoteFrom: null,
    isVoteLost: false,
  }
  return { raft, applied, hash: new StoredHash(), logRepair: [restart(group, raft)] }
}

/**
 * As `createGroupState`, where the log has lost something of groups that can't be told: this one may have been
 * here, and voted, and whoever moved its engine away has left no other trace. It asks its peers before it votes.
 */
export async function createDoubtfulState(
  engine: Engine,
  group: GroupId,
  loss: LogDamage,
): Promise<OpenedState> {
  const { raft, logRepair, ...empty } = await createGroupState(engine, group, NO_MEMBERSHIP)
  return {
    ...empty,
    raft: { ...raft, mayVoteFrom: INDEX_ZERO, isVoteLost: true },
    logRepair: [...logRepair, { kind: 'damaged', group, damage: loss }],
  }
}

export async function recoverGroupState(
  engine: Engine,
  found: RecoveredGroup,
  self: ReplicaId,
  logger: Logger,
): Promise<OpenedState> {
  const [encoded] = await engine.getMany([APPLIED_KEY])
  const stored = encoded === null || encoded === undefined ? null : decodeApplied(encoded)
  const applied = stored ?? emptyApplied(found.membership)
  assert(found.membership.length > 0 || found.damage !== null, 'a whole log names its members')
  const isUnknown = stored === null && found.membership.length === 0
  if (isUnknown || applied.position.index < found.base.index) return startEmpty(engine, found, self, logger)
  await removeGarbage(engine, applied)
  const hash = stored === null ? new StoredHash() : await StoredHash.read(engine)
  const isCovered = covers(found, applied.position)
  const wasInstalled = stored !== null && isInstalled(encoded as ByteString)
  // The log has its base record: from here on it is measured against the state like any other.
  if (isCovered && wasInstalled)
    await engine.write([{ kind: 'put', key: APPLIED_KEY, value: encodeApplied(applied) }])
  const damage = found.damage ?? (isCovered || wasInstalled ? null : lostTail(found, applied.position))
  // The log is about to forget what leads to this state: from then on only the engine has it.
  if (!isCovered) await engine.persist()
  const raft = reconcile({ ...found, damage }, applied, isCovered, logger)
  return { raft, applied, hash, logRepair: isCovered ? [] : restartBehindState(found, raft, damage) }
}

/** The log holds what the state has applied. */
function covers({ membership, base, entries }: RecoveredGroup, applied: LogPosition): boolean {
  if (membership.length === 0) return false
  return applied.index === base.index || entries[applied.index - base.index - 1]?.term === applied.term
}

/** No record is missing that another would tell of, and yet the log once had what the state has. */
function lostTail(found: RecoveredGroup, applied: LogPosition): LogDamage {
  const last = found.base.index + found.entries.length
  const detail = `the log of group ${found.group} ends at entry ${last}, but entry ${applied.index} of term ${applied.term} was applied`
  return { path: '', offset: 0, lastSyncedIndex: applied.index, isVoteLost: true, detail }
}

/** In one append: a crash leaves the old log or the new one, never one that votes without its past. */
function restartBehindState(
  { group, damage: known }: RecoveredGroup,
  raft: RaftState,
  damage: LogDamage | null,
): readonly LogRecord[] {
  const records: LogRecord[] = [restart(group, raft)]
  if (damage !== null && known === null) records.push({ kind: 'damaged', group, damage })
  return records
}

function reconcile(
  found: RecoveredGroup,
  applied: AppliedRecord,
  isCovered: boolean,
  logger: Logger,
): RaftState {
  const { hardState, base, entries, group } = found
  const trust = {
    mayVoteFrom: voteBarrier(found, applied.position.index),
    isVoteLost: found.damage?.isVoteLost ?? false,
  }
  if (isCovered) {
    const membership = decodeMembership(found.membership)
    return { hardState, base, membership, entries, applied: applied.position.index, ...trust }
  }
  logger[found.damage === null ? 'warning' : 'error'](
    'the state is ahead of the log, which starts anew behind it',
    {
      group,
      applied: applied.position,
      damage: found.damage?.detail ?? null,
    },
  )
  return {
    hardState,
    base: applied.position,
    membership: decodeMembership(applied.membership),
    entries: [],
    applied: applied.position.index,
    ...trust,
  }
}

/** What was lost had perhaps been acknowledged: until the log is there again, this replica counts for nobody. */
function voteBarrier(found: RecoveredGroup, applied: LogIndex): LogIndex | null {
  if (found.damage === null) return null
  const last = (found.base.index + found.entries.length) as LogIndex
  const lost = found.damage.lastSyncedIndex ?? ((Math.max(last, applied) + 1) as LogIndex)
  return Math.max(lost, last, applied, found.hardState.commit) as LogIndex
}

async function startEmpty(
  engine: Engine,
  found: RecoveredGroup,
  self: ReplicaId,
  logger: Logger,
): Promise<OpenedState> {
  const last = (found.base.index + found.entries.length) as LogIndex
  if (hasNoPeers(found, self)) throw irreplaceable(found)
  logger.error(
    'the engine lost what the log no longer holds: this replica waits for a snapshot from a peer',
    {
      group: found.group,
      replica: self,
      base: found.base.index,
      last,
    },
  )
  const empty = await createGroupState(engine, found.group, NO_MEMBERSHIP)
  const mayVoteFrom = Math.max(last, found.damage?.lastSyncedIndex ?? 0) as LogIndex
  const hardState = { ...found.hardState, commit: INDEX_ZERO }
  const isVoteLost = found.damage?.isVoteLost ?? false
  const raft = { ...empty.raft, hardState, mayVoteFrom, isVoteLost }
  const { group } = found
  const damage: LogDamage = found.damage ?? {
    path: '',
    offset: 0,
    lastSyncedIndex: mayVoteFrom,
    isVoteLost,
    detail: `the engine lost what was cut from the log up to entry ${found.base.index}`,
  }
  // In one append: a crash leaves the old log or the new one, never one that votes without its past.
  const logRepair: readonly LogRecord[] = [
    { kind: 'dropGroup', group },
    restart(group, raft),
    { kind: 'hardState', group, hardState },
    { kind: 'damaged', group, damage: { ...damage, lastSyncedIndex: mayVoteFrom } },
  ]
  return { ...empty, raft, logRepair }
}

/** As far as the log knows: then nobody has what is missing, and what is left must not be thrown away. */
function hasNoPeers({ membership, entries }: RecoveredGroup, self: ReplicaId): boolean {
  if (membership.length === 0) return false
  const voters = allVoters(decodeMembership(membership))
  return (
    voters.length === 1 && voters[0] === self && entries.every((entry) => entry.kind !== EntryKind.membership)
  )
}

function irreplaceable({ group, base }: RecoveredGroup): Error {
  return storageError('engineDamaged', {
    message: `the engine of group ${group} lost what was cut from the log up to entry ${base.index}, and this replica is the only one`,
    hint: 'Nothing was changed. Put the directory of the engine (engines/group-N) back as it was, or restore a backup into an empty data directory.',
  })
}

function restart(group: GroupId, raft: RaftState): LogRecord {
  return {
    kind: 'base',
    group,
    position: raft.base,
    membership: encodeMembership(raft.membership),
    discardsTail: true,
  }
}

async function removeGarbage(engine: Engine, applied: AppliedRecord): Promise<void> {
  await engine.write(garbageRanges(applied.epochs).map((range) => ({ kind: 'deleteRange', ...range })))
}

function emptyApplied(membership: Uint8Array): AppliedRecord {
  return { position: ORIGIN, timeMs: 0, machineVersion: 1, epochs: FIRST_EPOCHS, membership }
}

const ENGINE_NAME = /^group-(\d+)$/

export function groupEngineName(group: GroupId): string {
  return `group-${group}`
}

/** Null: not the engine of a group. */
export function groupOfEngine(name: string): GroupId | null {
  const digits = ENGINE_NAME.exec(name)?.[1]
  return digits === undefined ? null : makeGroupId(Number(digits))
}
