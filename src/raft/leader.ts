/** What only a leader does with proposals, replies and time: flow control, check-quorum, hand-over. */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import { EntryKind } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { send } from './core.ts'
import { isJoint } from './membership.ts'
import type { MembershipTarget } from './membership-change.ts'
import { enterChange } from './membership-change.ts'
import { encodeMembership } from './membership-codec.ts'
import type { AppendReply, HeartbeatReply } from './message.ts'
import type { Progress } from './progress.ts'
import { quorumValue } from './quorum.ts'
import type { ProposeResult } from './raft.ts'
import { hasCommittedInTerm, releaseReads } from './read-index.ts'
import {
  advanceCommit,
  appendOwn,
  broadcastHeartbeat,
  flushAppends,
  followUpMembership,
} from './replication.ts'
import { becomeFollower } from './roles.ts'

/** Uncommitted entries, whatever their size: empty payloads are not free either. */
export const UNCOMMITTED_ENTRIES_MAX = 65_536

export function propose(core: Core, payload: Uint8Array): ProposeResult {
  if (core.role !== 'leader') return { kind: 'notLeader', leader: core.leader }
  if (core.transferTo !== null) return { kind: 'refused', reason: 'transferring' }
  if (!hasRoom(core, payload.length)) return { kind: 'refused', reason: 'uncommittedLimit' }
  const position = appendOwn(core, EntryKind.command, payload)
  return { kind: 'accepted', position }
}

/** One proposal may always be under way, or one larger than the limit could never be made. */
function hasRoom(core: Core, bytes: number): boolean {
  const { lastIndex } = core.log
  if (lastIndex - core.commit >= UNCOMMITTED_ENTRIES_MAX) return false
  const uncommitted = core.log.bytesBetween(core.commit, lastIndex)
  return uncommitted === 0 || uncommitted + bytes <= core.options.maxUncommittedBytes
}

export function proposeMembership(core: Core, target: MembershipTarget): ProposeResult {
  if (core.role !== 'leader') return { kind: 'notLeader', leader: core.leader }
  if (core.transferTo !== null) return { kind: 'refused', reason: 'transferring' }
  if (!mayChangeMembership(core)) return { kind: 'refused', reason: 'membershipPending' }
  const next = enterChange(core.memberships.current, target)
  const position = appendOwn(core, EntryKind.membership, encodeMembership(next))
  advanceCommit(core)
  return { kind: 'accepted', position }
}

/**
 * One change at a time, and none before this leader has committed an entry of its own term: until
 * then an earlier leader's change may exist that this one has not seen (Ongaro, raft-dev 2015).
 */
function mayChangeMembership(core: Core): boolean {
  const { current, currentIndex } = core.memberships
  return hasCommittedInTerm(core) && !isJoint(current) && currentIndex <= core.applied
}

export function handleAppendReply(core: Core, message: AppendReply): void {
  const peer = core.role === 'leader' ? core.peerById.get(message.from) : undefined
  if (peer === undefined) return
  peer.isRecentlyActive = true
  core.flushNeeded = true
  if (message.conflict !== null) {
    handleRefusal(core, peer, message)
    return
  }
  assert(message.index <= core.log.lastIndex, `peer ${peer.id} holds ${message.index}, which was never sent`)
  const countsAgain = peer.isRepairing && !message.isRepairing
  peer.isRepairing = message.isRepairing
  const isNews = peer.accepted(message.index)
  resumePipeline(core, peer, isNews || message.index === peer.match)
  if (isNews || countsAgain) {
    advanceCommit(core)
    if (core.role === 'leader') handOverIfReady(core)
  }
}

/** Agreement was found: append without waiting, if the log still reaches back to it. */
function resumePipeline(core: Core, peer: Progress, isAgreed: boolean): void {
  if (!isAgreed || peer.state === 'replicate') return
  if (peer.match < core.log.base.index) return
  peer.toReplicate()
}

function handleRefusal(core: Core, peer: Progress, message: AppendReply): void {
  assert(message.conflict !== null)
  const hint = core.log.lastIndexWithTermAtMost(message.conflict.index, message.conflict.term)
  // A damaged log lacks what it had acknowledged: it ends earlier, or in entries long replaced.
  if (message.isRepairing && (message.index <= peer.match || message.conflict.index < peer.match)) {
    peer.isRepairing = true
    peer.lost(hint)
    return
  }
  peer.refused(message.index, hint)
}

export function handleHeartbeatReply(core: Core, message: HeartbeatReply): void {
  const peer = core.role === 'leader' ? core.peerById.get(message.from) : undefined
  if (peer === undefined) return
  assert(message.round <= core.round, `round ${message.round} was never begun`)
  if (message.isRepairing) peer.isRepairing = true
  peer.heard(peer.match < core.log.lastIndex || peer.isRepairing)
  if (peer.isDue) core.flushNeeded = true
  // Tells a successor again that may not have heard it the first time.
  if (core.transferTo === peer.id) handOverIfReady(core)
  if (message.round <= peer.ackedRound) return
  peer.ackedRound = message.round
  releaseReads(core)
}

/**
 * What the peer acknowledged before may be gone with its disk. Until its next word about its log it counts for
 * nothing, like a log that is known to be damaged.
 */
export function peerRestarted(core: Core, id: ReplicaId): void {
  const peer = core.peerById.get(id)
  if (peer === undefined) return
  peer.isRepairing = true
  peer.isDue = true
  core.flushNeeded = true
}

export function tickLeader(core: Core): void {
  core.heartbeatElapsed++
  core.electionElapsed++
  if (core.transferTo !== null && --core.transferTicksLeft <= 0) {
    core.transferTo = null
    followUpMembership(core)
    if (core.role !== 'leader') return
  }
  if (core.electionElapsed >= core.options.electionTicks) {
    core.electionElapsed = 0
    if (!hearsQuorum(core)) {
      becomeFollower(core, core.term, null)
      return
    }
  }
  if (core.heartbeatElapsed >= core.options.heartbeatTicks) broadcastHeartbeat(core)
}

/** Check-quorum (§6.2 of the thesis): a leader that no quorum talks to stops pretending. */
function hearsQuorum(core: Core): boolean {
  const heard = quorumValue(core.memberships.current, (id) =>
    id === core.id || core.peerById.get(id)?.isRecentlyActive === true ? 1 : 0,
  )
  for (const peer of core.peers) peer.beginPeriod()
  return heard === 1
}

/** Thesis §3.10. Given up after an election timeout; proposals are refused meanwhile. */
export function transferLeadership(core: Core, to: ReplicaId): boolean {
  if (core.role !== 'leader') return false
  if (!core.memberships.current.voters.includes(to)) return false
  if (to === core.id || core.transferTo === to) return true
  core.transferTo = to
  core.transferTicksLeft = core.options.electionTicks
  core.flushNeeded = true
  // Ask at once whether it has everything: an append may have been lost, and this is no time to wait.
  const peer = core.peerById.get(to)
  assert(peer !== undefined)
  peer.isDue = true
  handOverIfReady(core)
  return true
}

/**
 * Stops leading without waiting for anybody. What it still has goes out first, and then the voter that holds most is
 * asked to campaign: it may lose against one that got more meanwhile, which is no worse than having asked nobody.
 */
export function resign(core: Core): void {
  if (core.role !== 'leader') return
  flushAppends(core)
  const { voters } = core.memberships.current
  let successor: Progress | null = null
  for (const peer of core.peers) {
    if (!voters.includes(peer.id) || peer.isRepairing) continue
    if (successor === null || isBetterSuccessor(peer, successor)) successor = peer
  }
  if (successor !== null) send(core, { kind: 'timeoutNow', from: core.id, to: successor.id, term: core.term })
  becomeFollower(core, core.term, null)
}

/** Who has most may win; who was heard of lately is asked first among equals. */
function isBetterSuccessor(peer: Progress, than: Progress): boolean {
  if (peer.match !== than.match) return peer.match > than.match
  return peer.wasHeardLately && !than.wasHeardLately
}

function handOverIfReady(core: Core): void {
  if (core.transferTo === null) return
  const peer = core.peerById.get(core.transferTo)
  if (peer === undefined || peer.isRepairing || peer.match < core.log.lastIndex) return
  send(core, { kind: 'timeoutNow', from: core.id, to: peer.id, term: core.term })
}
