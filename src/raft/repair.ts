/**
 * How a replica whose disk lost part of the log becomes a full member again (docs/design/0005-lost-votes.md).
 *
 * While `mayVoteFrom` is not null it votes for nobody and counts for no quorum. Two things end that:
 *
 * - Its log reaches, durably, everything that it ever acknowledged. Storage can't tell how far that was
 *   where the end is gone; a leader can.
 * - If the newest term and vote may be lost as well (`lostVote`): every voter that it may have voted for
 *   has told its term. A candidate's term is durable before its first request leaves, so none of the votes
 *   that were forgotten is for a later term than the highest of the answers. In that term the vote then
 *   counts as given; and in an earlier one it neither votes nor acknowledges, as nobody does.
 *
 * A majority of answers is not enough: the candidate with the forgotten vote may be the one that was not
 * asked. Whoever can't answer, because its own vote is lost, says so, and the operator is told.
 */
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import type { Core, LostVote } from './core.ts'
import { send } from './core.ts'
import type { TermReply, TermRequest } from './message.ts'
import type { RepairStatus } from './raft.ts'

/**
 * What the leader of this term has committed, once that includes an entry of the term itself: everything
 * committed before is in its log, and what this replica had acknowledged beyond counts for nobody any more,
 * since the leader was told of its damage before it sent this (`peerRestarted`).
 */
export function learnRepairGoal(core: Core, leaderCommit: LogIndex): void {
  if (core.mayVoteFrom === null || core.log.termAt(leaderCommit) !== core.term) return
  core.isRepairGoalKnown = true
  if (leaderCommit > core.mayVoteFrom) core.mayVoteFrom = leaderCommit
}

/**
 * A term was moved to. Who led an earlier one may have been replaced by the vote that is lost, and the log that
 * it showed may have been replaced with it.
 */
export function forgetRepairGoal(core: Core): void {
  if (core.lostVote !== null) core.isRepairGoalKnown = false
}

export function endRepair(core: Core): void {
  if (core.mayVoteFrom === null || !core.isRepairGoalKnown) return
  if (core.durability.persistedIndex < core.mayVoteFrom) return
  if (core.lostVote !== null) {
    if (votersToHear(core, core.lostVote).length > 0) return
    // The vote of this term may be given away already. One for itself is for nobody: it campaigns in later terms.
    core.vote ??= core.id
    core.lostVote = null
  }
  core.mayVoteFrom = null
}

export function tickRepair(core: Core): void {
  const { lostVote } = core
  if (lostVote === null || --lostVote.ticksToNextRequest > 0) return
  lostVote.ticksToNextRequest = core.options.heartbeatTicks
  for (const to of votersToHear(core, lostVote)) {
    send(core, { kind: 'termRequest', from: core.id, to, term: core.term, number: lostVote.number })
  }
}

export function handleTermRequest(core: Core, message: TermRequest): void {
  const reply = { from: core.id, to: message.from, term: core.term, number: message.number }
  send(core, { kind: 'termReply', ...reply, isSure: core.lostVote === null })
}

/** Whatever its term: a later one was followed before this is called. */
export function handleTermReply(core: Core, message: TermReply): void {
  const { lostVote } = core
  if (lostVote === null || message.number !== lostVote.number) return
  if (message.isSure) {
    lostVote.heard.add(message.from)
    lostVote.unsure.delete(message.from)
    endRepair(core)
  } else if (!lostVote.heard.has(message.from)) lostVote.unsure.add(message.from)
}

export function describeRepair(core: Core): RepairStatus | null {
  const { mayVoteFrom, lostVote } = core
  if (mayVoteFrom === null) return null
  const waitsFor = lostVote === null ? [] : votersToHear(core, lostVote)
  const damagedPeers = waitsFor.filter((id) => lostVote?.unsure.has(id) === true)
  return { goal: mayVoteFrom, isGoalKnown: core.isRepairGoalKnown, waitsFor, damagedPeers }
}

/**
 * Who may have asked for a vote that is lost and could still win with it: voters of the membership in force
 * at the commit index, and of every later one. One that only earlier memberships knew lacks a committed
 * entry, and wins no election any more.
 */
function votersToHear(core: Core, { heard }: LostVote): ReplicaId[] {
  return core.memberships.votersFrom(core.commit).filter((id) => id !== core.id && !heard.has(id))
}
