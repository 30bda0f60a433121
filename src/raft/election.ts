/**
 * Elections: pre-vote, vote, leader stickiness, and the hint of a closed connection
 * (Raft §5.2, §5.4.1; thesis §4.2.3, §6.2, §9.6).
 *
 * A vote, and the request for one, leave only when the term and the vote they speak of are
 * durable: a replica that forgot either could give two leaders to one term. Pre-votes promise
 * nothing and leave at once.
 *
 * Slow disks: a sync may take longer than an election timeout, and whoever campaigned again before it is
 * over would throw away the vote that is about to be given, time after time. So while a vote is being written,
 * its replica's election timeout stands still, and it answers no pre-vote; and a candidate whom nobody has
 * refused asks again in the same term.
 *
 * Stickiness: who has heard a live leader within an election timeout lets nobody else campaign.
 * It ends with the timeout, with the closing of the leader's connection here, and whenever this
 * replica itself campaigns; a replica that has forgotten its leader grants. So pre-vote and
 * check-quorum can't wedge each other: whoever makes a quorum unreachable for the leader also
 * makes that quorum forget it. A replica stuck in a higher term answers the leader's heartbeats
 * with that term, so that the leader steps down and both meet in a later one.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { LogPosition, Term } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { isLagging, isPromotable, isRepairing, resetElectionTimer, send, sendAfterPersist } from './core.ts'
import { allVoters } from './membership.ts'
import type { PreVote, PreVoteReply, TimeoutNow, Vote, VoteReply } from './message.ts'
import { voteOutcome } from './quorum.ts'
import { advanceCommit, startLeading } from './replication.ts'
import { becomeCandidate, becomeFollower, becomePreCandidate, leaveRole } from './roles.ts'

/** Between the campaigns of replicas that see the same connection close: longer than an election takes. */
const HINT_RANK_TICKS = 2

/**
 * How often a candidate asks in one term. No sync takes so many election timeouts, and whoever asks for ever
 * in a later term than a leader's, cut off from it, would depose it by the first follower that forgets it.
 */
const VOTE_REQUESTS_MAX = 20

/** Election timeouts in a row that a replica with much to apply leaves to the others; they may have no less. */
const DEFERRED_CAMPAIGNS_MAX = 1

/** Followers and candidates. */
export function tickElection(core: Core): void {
  if (isVoteUnderWay(core)) {
    core.electionElapsed = 0
    return
  }
  core.electionElapsed++
  if (core.hintedCampaignIn !== null && --core.hintedCampaignIn <= 0) {
    campaign(core)
    return
  }
  if (mayAnswerHeldPreVote(core) && forgetLeader(core)) {
    // Two that campaign at once may split the votes: who was granted goes first.
    resetElectionTimer(core)
    return
  }
  if (core.electionElapsed < core.electionTimeout) return
  if (isUndecided(core)) requestVotes(core, false)
  else if (mustDefer(core)) deferCampaign(core)
  else campaign(core)
}

/** Given, or asked for, and not durable yet; a leader that is known meanwhile may be followed, and lost, as ever. */
function isVoteUnderWay({ term, vote, leader, durability }: Core): boolean {
  return vote !== null && leader === null && !durability.hasVote(term, vote)
}

/** Who was given this replica's vote has a timeout to show that it won. */
function mayAnswerHeldPreVote(core: Core): boolean {
  if (core.role !== 'follower' || core.heldPreVote === null || isLeaderAlive(core)) return false
  return core.leader !== null || core.vote === null || core.electionElapsed >= core.options.electionTicks
}

function mustDefer(core: Core): boolean {
  return core.campaignsDeferred < DEFERRED_CAMPAIGNS_MAX && isLagging(core) && otherVoters(core).length > 0
}

/** Grants what the others ask for meanwhile. */
function deferCampaign(core: Core): void {
  core.campaignsDeferred++
  forgetLeader(core)
  resetElectionTimer(core)
}

/** Asks for pre-votes. Does nothing on a leader, nor where this replica must not lead. */
export function campaign(core: Core): void {
  core.hintedCampaignIn = null
  if (core.role === 'leader') return
  resetElectionTimer(core)
  if (!isPromotable(core)) {
    forgetLeader(core)
    return
  }
  becomePreCandidate(core)
  core.votes.set(core.id, true)
  if (outcome(core) === 'won') {
    beginCandidacy(core, false)
    return
  }
  const lastLog = core.log.lastPosition
  const term = (core.term + 1) as Term
  for (const to of otherVoters(core)) send(core, { kind: 'preVote', from: core.id, to, term, lastLog })
  answerHeldPreVote(core)
}

/** Its own vote counts once it is durable (`countOwnVote`). */
function beginCandidacy(core: Core, isTransfer: boolean): void {
  becomeCandidate(core)
  core.votesRequested = 0
  requestVotes(core, isTransfer)
}

/** A candidate that lacks answers only: they, or its requests, may be late or lost. */
function isUndecided(core: Core): boolean {
  if (core.role !== 'candidate' || core.votesRequested >= VOTE_REQUESTS_MAX || !isPromotable(core))
    return false
  return ![...core.votes.values()].includes(false)
}

/** Of those that have not answered. */
function requestVotes(core: Core, isTransfer: boolean): void {
  resetElectionTimer(core)
  core.votesRequested++
  const lastLog: LogPosition = core.log.lastPosition
  for (const to of otherVoters(core)) {
    if (core.votes.has(to)) continue
    sendAfterPersist(core, { kind: 'vote', from: core.id, to, term: core.term, lastLog, isTransfer })
  }
}

/** Called when the disk has caught up. */
export function countOwnVote(core: Core): void {
  if (core.role !== 'candidate' || !core.durability.hasVote(core.term, core.id)) return
  recordVote(core, core.id, true)
}

export function handlePreVoteReply(core: Core, message: PreVoteReply): void {
  if (core.role !== 'preCandidate') return
  // A grant for another term answers a campaign of before a crash.
  if (message.granted && message.term !== core.term + 1) return
  core.votes.set(message.from, message.granted)
  const result = outcome(core)
  if (result === 'won') beginCandidacy(core, false)
  else if (result === 'lost') becomeFollower(core, core.term, null)
}

export function handleVoteReply(core: Core, message: VoteReply): void {
  if (core.role === 'candidate') recordVote(core, message.from, message.granted)
}

function recordVote(core: Core, from: ReplicaId, granted: boolean): void {
  if (!core.votes.has(from)) core.votes.set(from, granted)
  const result = outcome(core)
  if (result === 'won') becomeLeader(core)
  else if (result === 'lost') becomeFollower(core, core.term, null)
}

function becomeLeader(core: Core): void {
  assert(core.role === 'candidate' && core.vote === core.id)
  leaveRole(core, core.id)
  core.role = 'leader'
  startLeading(core)
  advanceCommit(core)
}

/** A leader was heard within an election timeout, or this replica leads. */
export function isLeaderAlive(core: Core): boolean {
  return core.leader !== null && core.electionElapsed < core.options.electionTicks
}

/** Only for a term that is not behind; see `step`. */
export function handlePreVote(core: Core, message: PreVote): void {
  if (isLeaderAlive(core) || isVoteUnderWay(core)) core.heldPreVote = message
  else answerPreVote(core, message)
}

/** True when granted. */
function answerPreVote(core: Core, message: PreVote): boolean {
  const isFree =
    message.term > core.term || core.vote === message.from || (core.vote === null && core.leader === null)
  const granted = isFree && !isRepairing(core) && core.log.isUpToDate(message.lastLog)
  send(core, {
    kind: 'preVoteReply',
    from: core.id,
    to: message.from,
    term: granted ? message.term : core.term,
    granted,
  })
  if (granted && core.role === 'preCandidate' && ranksBefore(core, message))
    becomeFollower(core, core.term, null)
  return granted
}

/** Of two that ask each other, the longer log goes on, then the lower id; both would split the votes. */
function ranksBefore(core: Core, message: PreVote): boolean {
  const isEqual = message.lastLog.index === core.log.lastIndex && message.lastLog.term === core.log.lastTerm
  return !isEqual || message.from < core.id
}

/** In the current term. */
export function handleVote(core: Core, message: Vote): void {
  assert(message.term === core.term)
  // It never grants: a refusal would only make the candidate give up on those that are about to.
  if (isRepairing(core)) return
  // A voter that does not know yet that it votes may be asked by one who does: its vote counts
  // only in the configuration of the candidate's log, so it need not consult its own.
  const isFree = core.vote === message.from || (core.vote === null && core.leader === null)
  const granted = isFree && core.log.isUpToDate(message.lastLog)
  // Asked again, it may follow another by now, and must not trust that one the longer for it.
  if (granted && core.leader === null) {
    assert(core.role === 'follower' || core.role === 'preCandidate')
    if (core.role === 'preCandidate') becomeFollower(core, core.term, null)
    core.vote = message.from
    core.hintedCampaignIn = null
    resetElectionTimer(core)
  }
  sendAfterPersist(core, { kind: 'voteReply', from: core.id, to: message.from, term: core.term, granted })
}

/** The leader hands over: no pre-vote, since it asked for this itself. */
export function handleTimeoutNow(core: Core, message: TimeoutNow): void {
  assert(message.term === core.term)
  if (core.role === 'leader' || core.role === 'candidate' || !isPromotable(core)) return
  beginCandidacy(core, true)
}

/**
 * The connection to `peer` closed. If it leads, its process is probably gone: forget it, so that
 * others may campaign, and campaign in an order that all can tell: the lowest id at once, the others a
 * little later each, and who has much to apply after all of them, unless somebody has won or asked for a vote by then. A candidate whose log is too short
 * is refused and loses only its own turn.
 */
export function peerClosed(core: Core, peer: ReplicaId): void {
  if (core.leader !== peer || core.role === 'leader') return
  const candidates = allVoters(core.memberships.current).filter((id) => id !== peer)
  const place = candidates.indexOf(core.id)
  // One that is being removed comes last.
  const rank = (place === -1 ? candidates.length : place) + (isLagging(core) ? candidates.length : 0)
  const hasGranted = forgetLeader(core)
  if (!isPromotable(core)) return
  if (rank === 0 && !hasGranted) campaign(core)
  else core.hintedCampaignIn = (rank + (hasGranted ? 1 : 0)) * HINT_RANK_TICKS
}

/** True when that let a waiting candidate have its pre-vote. */
function forgetLeader(core: Core): boolean {
  assert(core.role !== 'leader')
  leaveRole(core, null)
  core.role = 'follower'
  return answerHeldPreVote(core)
}

function answerHeldPreVote(core: Core): boolean {
  const held = core.heldPreVote
  core.heldPreVote = null
  return held !== null && held.term > core.term && answerPreVote(core, held)
}

function outcome(core: Core): 'won' | 'lost' | 'pending' {
  return voteOutcome(core.memberships.current, core.votes)
}

function otherVoters(core: Core): ReplicaId[] {
  return allVoters(core.memberships.current).filter((id) => id !== core.id)
}
