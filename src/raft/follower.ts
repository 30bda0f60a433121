/**
 * Receiving the log: appends, heartbeats and snapshots from a leader of the current term
 * (Raft §5.3, Fig. 2 and Fig. 13).
 *
 * Messages may be late, doubled or reordered. So: only a real conflict truncates, never a message
 * that is merely shorter than the log; and only what the message itself has shown to agree with
 * the leader's log is committed, never what happens to lie beyond it.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, LogIndex, LogPosition, Term } from '../base/log-entry.ts'
import { TERM_ZERO } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { appendEntry, commitTo, isRepairing, send, sendAfterPersist, truncateFrom } from './core.ts'
import type { Append, Heartbeat } from './message.ts'
import type { SnapshotPosition } from './raft.ts'
import { endRepair, learnRepairGoal } from './repair.ts'
import { becomeFollower } from './roles.ts'

/** There is one leader in a term, and `from` is it. */
export function followLeader(core: Core, from: ReplicaId): void {
  assert(core.role !== 'leader', `replica ${from} leads term ${core.term} as well`)
  if (core.role !== 'follower' || core.leader !== from) {
    assert(
      core.leader === null || core.leader === from,
      `both ${core.leader} and ${from} lead term ${core.term}`,
    )
    becomeFollower(core, core.term, from)
  }
  core.electionElapsed = 0
  core.hintedCampaignIn = null
  core.campaignsDeferred = 0
}

export function handleAppend(core: Core, message: Append): void {
  followLeader(core, message.from)
  const { log } = core
  if (message.previous.index < core.commit) {
    // Late: all of it up to the commit index is here already.
    accept(core, message.from, core.commit)
    return
  }
  if (!log.matches(message.previous)) {
    refuse(core, message)
    return
  }
  appendNew(core, message.entries)
  const lastNew = (message.previous.index + message.entries.length) as LogIndex
  assert(lastNew <= log.lastIndex)
  commitTo(core, Math.min(message.commit, lastNew) as LogIndex)
  learnRepairGoal(core, message.commit)
  endRepair(core)
  accept(core, message.from, lastNew)
}

export function handleHeartbeat(core: Core, message: Heartbeat): void {
  followLeader(core, message.from)
  // The leader only names what this replica had acknowledged as durable. A damaged log proves nothing of
  // that: other entries may stand there, or none.
  if (!isRepairing(core)) {
    const { lastIndex } = core.log
    assert(
      message.commit <= lastIndex,
      `acknowledged entries up to ${message.commit} are gone: the log lost them`,
    )
    commitTo(core, message.commit)
  }
  answerHeartbeat(core, message)
}

/** Also the answer to a leader of an earlier term: our term makes it step down. */
export function answerHeartbeat(
  core: Core,
  message: { readonly from: ReplicaId; readonly round?: number },
): void {
  send(core, {
    kind: 'heartbeatReply',
    from: core.id,
    to: message.from,
    term: core.term,
    round: message.round ?? 0,
    isRepairing: isRepairing(core),
  })
}

/**
 * Accepts a snapshot that is news; true when it will be in the next Ready. If the log already holds
 * its position, the snapshot has nothing to add and the log stays. If not, the WHOLE log goes:
 * whatever follows a position that conflicts is not the leader's log.
 */
export function offerSnapshot(core: Core, snapshot: SnapshotPosition, from: ReplicaId, term: Term): boolean {
  if (term < core.term) return false
  if (term > core.term) becomeFollower(core, term, from)
  followLeader(core, from)
  const { position, membership } = snapshot
  if (position.index <= core.commit) {
    accept(core, from, core.commit)
    return false
  }
  if (core.log.matches(position)) {
    commitTo(core, position.index)
    accept(core, from, position.index)
    return false
  }
  // Only with a damaged log: the engine is further than this snapshot; a later one will do.
  if (position.index < core.applied) return false
  core.durability.discard(position.index, core.commit)
  core.log.reset(position)
  core.memberships.reset(position.index, membership)
  core.commit = position.index
  core.dispatched = position.index
  core.snapshot = snapshot
  core.installing = { index: position.index, readyNumber: 0 }
  accept(core, from, position.index)
  return true
}

function appendNew(core: Core, entries: readonly Entry[]): void {
  let at = 0
  while (at < entries.length) {
    const entry = entries[at] as Entry
    if (core.log.termAt(entry.index) !== entry.term) break
    at++
  }
  if (at === entries.length) return
  const first = entries[at] as Entry
  if (first.index <= core.log.lastIndex) truncateFrom(core, first.index)
  for (; at < entries.length; at++) appendEntry(core, entries[at] as Entry)
}

/** Acknowledges the log up to `index`: leaves once that is durable. One such message stands for all before it. */
function accept(core: Core, to: ReplicaId, index: LogIndex): void {
  const last = core.messagesAfterPersist[core.messagesAfterPersist.length - 1]
  const isSame =
    last?.kind === 'appendReply' && last.to === to && last.term === core.term && last.conflict === null
  if (isSame) core.messagesAfterPersist.pop()
  const highest = isSame && last.index > index ? last.index : index
  answerAppend(core, to, highest, null)
}

function refuse(core: Core, message: Append): void {
  const from = Math.min(message.previous.index, core.log.lastIndex) as LogIndex
  const index = core.log.lastIndexWithTermAtMost(from, message.previous.term)
  const term = core.log.termAt(index) ?? TERM_ZERO
  answerAppend(core, message.from, message.previous.index, { term, index })
}

function answerAppend(core: Core, to: ReplicaId, index: LogIndex, conflict: LogPosition | null): void {
  const isDamaged = isRepairing(core)
  const reply = { from: core.id, to, term: core.term, index, conflict, isRepairing: isDamaged }
  sendAfterPersist(core, { kind: 'appendReply', ...reply })
}
