/** Changes of role other than winning (election.ts): what is forgotten and what is kept. */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { Term } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { isPromotable, resetElectionTimer } from './core.ts'
import { dropReads } from './read-index.ts'
import { forgetRepairGoal } from './repair.ts'

/** Follows `leader` (null: not known yet) in `term`. A vote given in the current term is kept. */
export function becomeFollower(core: Core, term: Term, leader: ReplicaId | null): void {
  assert(term >= core.term, `term ${term} after ${core.term}`)
  if (term > core.term) {
    core.term = term
    core.vote = null
    core.heldPreVote = null
    forgetRepairGoal(core)
    // Promises of an earlier term that have not left: what they speak of may be replaced before it is written.
    if (core.messagesAfterPersist.length > 0) core.messagesAfterPersist = []
  }
  leaveRole(core, leader)
  core.role = 'follower'
  core.hintedCampaignIn = null
  resetElectionTimer(core)
}

/** Neither term nor vote change: a pre-vote disturbs nobody. */
export function becomePreCandidate(core: Core): void {
  assert(core.role !== 'leader' && isPromotable(core))
  leaveRole(core, null)
  core.role = 'preCandidate'
}

export function becomeCandidate(core: Core): void {
  assert(core.role !== 'leader' && isPromotable(core))
  leaveRole(core, null)
  core.role = 'candidate'
  core.term = (core.term + 1) as Term
  core.vote = core.id
  core.heldPreVote = null
  core.hintedCampaignIn = null
}

/** Ends what belongs to the present role and leader. */
export function leaveRole(core: Core, leader: ReplicaId | null): void {
  if (core.role === 'leader' || core.leader !== leader) dropReads(core)
  core.leader = leader
  core.votes.clear()
  core.transferTo = null
  core.heartbeatElapsed = 0
  core.flushNeeded = false
  core.roundNeeded = false
  // Their streams would speak for a leadership that is over.
  if (core.snapshotsToSend.length > 0) core.snapshotsToSend = []
  if (core.peers.length > 0) {
    core.peers = []
    core.peerById.clear()
  }
}
