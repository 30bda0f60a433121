/** Hands work to the host and takes note of its fate; the order of things is in raft.ts. */
import assert from 'node:assert/strict'
import type { Entry, HardState, LogIndex } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { countOwnVote } from './election.ts'
import type { Message } from './message.ts'
import type { ReadGrant, Ready, SnapshotPosition, SnapshotRequest } from './raft.ts'
import { forwardReads } from './read-index.ts'
import { endRepair } from './repair.ts'
import { advanceCommit, flushAppends } from './replication.ts'

const NO_ENTRIES: readonly Entry[] = []
const NO_MESSAGES: readonly Message[] = []
const NO_GRANTS: readonly ReadGrant[] = []
const NO_CONTEXTS: readonly number[] = []
const NO_REQUESTS: readonly SnapshotRequest[] = []

export function hasReady(core: Core): boolean {
  flush(core)
  return (
    core.messages.length > 0 ||
    core.messagesAfterPersist.length > 0 ||
    core.log.lastIndex > core.durability.handedOutIndex ||
    lastToApply(core) > core.dispatched ||
    isVoteChanged(core) ||
    core.snapshot !== null ||
    core.grants.length > 0 ||
    core.droppedReads.length > 0 ||
    core.snapshotsToSend.length > 0
  )
}

export function takeReady(core: Core): Ready {
  flush(core)
  core.readyNumber++
  const snapshot = takeSnapshot(core)
  const entries = takeEntries(core)
  const hardState = takeHardState(core, snapshot !== null || entries.length > 0)
  if (hardState !== null || snapshot !== null || entries.length > 0) {
    const writesLog = snapshot !== null || entries.length > 0
    core.durability.handOut(core.readyNumber, writesLog ? core.log.lastIndex : null, core.term, core.vote)
  }
  const ready: Ready = {
    number: core.readyNumber,
    hardState,
    entries,
    snapshot,
    messages: core.messages.length === 0 ? NO_MESSAGES : core.messages,
    messagesAfterPersist: core.messagesAfterPersist.length === 0 ? NO_MESSAGES : core.messagesAfterPersist,
    committed: takeCommitted(core),
    reads: core.grants.length === 0 ? NO_GRANTS : core.grants,
    snapshotsToSend: core.snapshotsToSend.length === 0 ? NO_REQUESTS : core.snapshotsToSend,
    droppedReads: core.droppedReads.length === 0 ? NO_CONTEXTS : core.droppedReads,
  }
  if (core.messages.length > 0) core.messages = []
  if (core.messagesAfterPersist.length > 0) core.messagesAfterPersist = []
  if (core.grants.length > 0) core.grants = []
  if (core.snapshotsToSend.length > 0) core.snapshotsToSend = []
  if (core.droppedReads.length > 0) core.droppedReads = []
  return ready
}

/** Everything that Readys up to `number` asked to write is durable. */
export function persisted(core: Core, number: number): void {
  assert(number >= 1 && number <= core.readyNumber, `Ready ${number} was never taken`)
  core.durability.persisted(number)
  const { installing } = core
  if (installing !== null && installing.readyNumber !== 0 && installing.readyNumber <= number) {
    if (core.applied < installing.index) core.applied = installing.index
    core.installing = null
  }
  endRepair(core)
  countOwnVote(core)
  if (core.role === 'leader') advanceCommit(core)
}

export function applied(core: Core, index: LogIndex): void {
  assert(index <= core.dispatched, `applied ${index}, but only ${core.dispatched} was handed out`)
  if (index > core.applied) core.applied = index
}

/** Where the log may be cut at or below `upTo`, leaving `keepBytes` for slow followers; null: nowhere. */
export function compactionPoint(core: Core, upTo: LogIndex, keepBytes: number): SnapshotPosition | null {
  const limit = cuttableTo(core, upTo)
  if (limit <= core.log.base.index) return null
  const index = core.log.lastLeavingBytes(limit, keepBytes)
  const term = core.log.termAt(index)
  assert(term !== null)
  if (index === core.log.base.index) return null
  return { position: { term, index }, membership: core.memberships.at(index) }
}

/** Never beyond what is applied, committed and durable here. */
function cuttableTo(core: Core, index: LogIndex): LogIndex {
  return Math.min(index, core.applied, core.commit, core.durability.persistedIndex) as LogIndex
}

export function compact(core: Core, index: LogIndex): void {
  const upTo = cuttableTo(core, index)
  if (upTo <= core.log.base.index) return
  core.memberships.compact(upTo)
  core.log.compactTo(upTo)
}

function flush(core: Core): void {
  if (core.role === 'leader') flushAppends(core)
  else forwardReads(core)
}

function takeSnapshot(core: Core): SnapshotPosition | null {
  const { snapshot } = core
  if (snapshot === null) return null
  assert(core.installing !== null && core.installing.index === snapshot.position.index)
  core.installing.readyNumber = core.readyNumber
  core.snapshot = null
  return snapshot
}

function takeEntries(core: Core): readonly Entry[] {
  const from = (core.durability.handedOutIndex + 1) as LogIndex
  if (from > core.log.lastIndex) return NO_ENTRIES
  return core.log.slice(from, core.log.lastIndex)
}

/**
 * A commit index alone is not worth a write to disk: it rides along with the next write. What is
 * written never exceeds what is durable, so a log that is found shorter has lost entries.
 */
function takeHardState(core: Core, isWriting: boolean): HardState | null {
  const commit = Math.min(core.commit, core.durability.persistedIndex) as LogIndex
  const handed = core.handedHardState
  if (!isVoteChanged(core) && (!isWriting || handed.commit >= commit)) return null
  const next = { term: core.term, vote: core.vote, commit: Math.max(commit, handed.commit) as LogIndex }
  core.handedHardState = next
  return next
}

function isVoteChanged(core: Core): boolean {
  return core.handedHardState.term !== core.term || core.handedHardState.vote !== core.vote
}

function takeCommitted(core: Core): readonly Entry[] {
  const end = lastToApply(core)
  if (end <= core.dispatched) return NO_ENTRIES
  const from = (core.dispatched + 1) as LogIndex
  const last = core.log.lastWithin(from, end as LogIndex, core.options.maxApplyBytes)
  core.dispatched = last
  return core.log.slice(from, last)
}

/**
 * Only what is durable HERE is applied, although a majority would do: otherwise the engine could
 * remember entries that the log forgot in a crash, and a restart would find a state machine ahead
 * of its own log. It costs latency only where this disk is slower than a majority of the others.
 */
function lastToApply(core: Core): number {
  return Math.min(core.commit, core.durability.persistedIndex)
}
