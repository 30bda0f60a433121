/**
 * Plans membership changes: into the joint configuration and out of it (Raft §6, thesis §4.3).
 *
 * Every change of voters goes through a joint configuration, so there is one rule to prove
 * instead of two; a change of learners alone needs none, because learners decide nothing.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { Membership } from './membership.ts'
import { byId, isJoint, MEMBERS_MAX } from './membership.ts'

export type MembershipTarget = {
  readonly voters: readonly ReplicaId[]
  readonly learners: readonly ReplicaId[]
}

/** Why `target` can't be a membership; null when it can. For callers that take it from an operator. */
export function targetProblem(target: MembershipTarget): string | null {
  if (target.voters.length === 0) return 'a group needs at least one voter'
  if (target.voters.length > MEMBERS_MAX) return `more than ${MEMBERS_MAX} voters`
  if (target.learners.length > MEMBERS_MAX) return `more than ${MEMBERS_MAX} learners`
  const seen = new Set<ReplicaId>()
  for (const id of [...target.voters, ...target.learners]) {
    if (!Number.isSafeInteger(id) || id < 1) return `not a replica id: ${id}`
    if (seen.has(id)) return `replica ${id} is named twice`
    seen.add(id)
  }
  return null
}

/** The first configuration on the way from `current` to `target`. */
export function enterChange(current: Membership, target: MembershipTarget): Membership {
  assert(!isJoint(current), 'one change at a time')
  const problem = targetProblem(target)
  assert(problem === null, `membership change: ${problem}`)
  const voters = [...target.voters].sort(byId)
  const learners = [...target.learners].sort(byId)
  if (sameIds(voters, current.voters)) {
    return { voters, votersOutgoing: [], learners, learnersNext: [] }
  }
  return {
    voters,
    votersOutgoing: current.voters,
    // An outgoing voter still votes: it becomes a learner only when the joint configuration is left.
    learners: learners.filter((id) => !current.voters.includes(id)),
    learnersNext: learners.filter((id) => current.voters.includes(id)),
  }
}

/** The configuration that ends a joint one. */
export function leaveJoint(joint: Membership): Membership {
  assert(isJoint(joint), 'not in a joint configuration')
  const learners = [...joint.learners, ...joint.learnersNext].sort(byId)
  const left: Membership = { voters: joint.voters, votersOutgoing: [], learners, learnersNext: [] }
  assertMembership(left)
  return left
}

/** What every membership in a log or snapshot satisfies; one without voters is only a joiner's first. */
export function membershipProblem(membership: Membership): string | null {
  const { voters, votersOutgoing, learners, learnersNext } = membership
  for (const list of [voters, votersOutgoing, learners, learnersNext]) {
    if (list.length > MEMBERS_MAX) return `more than ${MEMBERS_MAX} members in one list`
    for (let at = 1; at < list.length; at++) {
      if ((list[at] as number) <= (list[at - 1] as number)) return 'members are not ascending'
    }
  }
  if (voters.length === 0 && votersOutgoing.length > 0) return 'a joint configuration without incoming voters'
  if (learners.some((id) => voters.includes(id) || votersOutgoing.includes(id))) return 'a learner votes'
  if (learnersNext.some((id) => !votersOutgoing.includes(id)))
    return 'a future learner is not an outgoing voter'
  if (learnersNext.some((id) => voters.includes(id))) return 'a future learner is an incoming voter'
  return null
}

export function assertMembership(membership: Membership): void {
  const problem = membershipProblem(membership)
  assert(problem === null, `membership: ${problem}`)
}

function sameIds(left: readonly ReplicaId[], right: readonly ReplicaId[]): boolean {
  return left.length === right.length && left.every((id, at) => id === right[at])
}
