/** Who votes and who only listens, in joint consensus form (Raft §6; thesis §4.3). */
import type { ReplicaId } from '../base/ids.ts'

export type Membership = {
  /** Sorted, without duplicates, like all lists here. */
  readonly voters: readonly ReplicaId[]
  /** Not empty only in a joint configuration: the old voters, whose majority is needed too. */
  readonly votersOutgoing: readonly ReplicaId[]
  readonly learners: readonly ReplicaId[]
  /** Old voters that become learners when the joint configuration is left. */
  readonly learnersNext: readonly ReplicaId[]
}

/** Replicas in one list of a membership; also bounds what a decoder accepts. */
export const MEMBERS_MAX = 63

/** A replica that is joining starts with this: it listens, and learns its place from the log. */
export const EMPTY_MEMBERSHIP: Membership = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] }

export function isSameMembership(left: Membership, right: Membership): boolean {
  return (
    isSameList(left.voters, right.voters) &&
    isSameList(left.votersOutgoing, right.votersOutgoing) &&
    isSameList(left.learners, right.learners) &&
    isSameList(left.learnersNext, right.learnersNext)
  )
}

function isSameList(left: readonly ReplicaId[], right: readonly ReplicaId[]): boolean {
  return left.length === right.length && left.every((id, at) => id === right[at])
}

export function isJoint(membership: Membership): boolean {
  return membership.votersOutgoing.length > 0
}

/** True when `id`'s vote counts in either half. */
export function isVoter(membership: Membership, id: ReplicaId): boolean {
  return membership.voters.includes(id) || membership.votersOutgoing.includes(id)
}

/** Everybody who is sent the log, ascending. */
export function allMembers(membership: Membership): ReplicaId[] {
  const ids = new Set([...membership.voters, ...membership.votersOutgoing, ...membership.learners])
  return [...ids].sort(byId)
}

/** The voters of both halves, ascending. */
export function allVoters(membership: Membership): ReplicaId[] {
  return [...new Set([...membership.voters, ...membership.votersOutgoing])].sort(byId)
}

export function byId(left: ReplicaId, right: ReplicaId): number {
  return left - right
}
