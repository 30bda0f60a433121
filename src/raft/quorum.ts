/**
 * The arithmetic of majorities, plain and joint (Raft §5.3, §6).
 *
 * A joint configuration decides only what a majority of the incoming AND a majority of the
 * outgoing voters agree on. A configuration without voters decides nothing.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { Membership } from './membership.ts'
import { MEMBERS_MAX } from './membership.ts'

export type VoteOutcome = 'won' | 'lost' | 'pending'

/** Reused by every call: commit is computed for each acknowledgement, and allocates nothing. */
const sorted = new Float64Array(MEMBERS_MAX)

export function majorityOf(voterCount: number): number {
  assert(Number.isInteger(voterCount) && voterCount >= 1)
  return Math.floor(voterCount / 2) + 1
}

/** The highest value that a quorum of `membership` has reached; 0 when there are no voters. */
export function quorumValue(membership: Membership, valueOf: (id: ReplicaId) => number): number {
  const incoming = majorityValue(membership.voters, valueOf)
  if (membership.votersOutgoing.length === 0) return incoming
  const outgoing = majorityValue(membership.votersOutgoing, valueOf)
  return incoming < outgoing ? incoming : outgoing
}

/** Counts `votes`; a voter that is absent from the map has not answered. */
export function voteOutcome(membership: Membership, votes: ReadonlyMap<ReplicaId, boolean>): VoteOutcome {
  const incoming = majorityOutcome(membership.voters, votes)
  if (membership.votersOutgoing.length === 0) return incoming
  const outgoing = majorityOutcome(membership.votersOutgoing, votes)
  if (incoming === 'lost' || outgoing === 'lost') return 'lost'
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending'
}

/** True when `id` alone decides everything. */
export function isSoleVoter(membership: Membership, id: ReplicaId): boolean {
  return (
    membership.voters.length === 1 && membership.voters[0] === id && membership.votersOutgoing.length === 0
  )
}

function majorityValue(voters: readonly ReplicaId[], valueOf: (id: ReplicaId) => number): number {
  const count = voters.length
  if (count === 0) return 0
  assert(count <= MEMBERS_MAX, `too many voters: ${count}`)
  for (let index = 0; index < count; index++) {
    const value = valueOf(voters[index] as ReplicaId)
    assert(value >= 0)
    let at = index
    while (at > 0 && (sorted[at - 1] as number) > value) {
      sorted[at] = sorted[at - 1] as number
      at--
    }
    sorted[at] = value
  }
  // Ascending: the value at `count - majority` is reached by exactly `majority` voters or more.
  return sorted[count - majorityOf(count)] as number
}

function majorityOutcome(voters: readonly ReplicaId[], votes: ReadonlyMap<ReplicaId, boolean>): VoteOutcome {
  if (voters.length === 0) return 'pending'
  const needed = majorityOf(voters.length)
  let granted = 0
  let open = 0
  for (const voter of voters) {
    const vote = votes.get(voter)
    if (vote === undefined) open++
    else if (vote) granted++
  }
  if (granted >= needed) return 'won'
  return granted + open >= needed ? 'pending' : 'lost'
}
