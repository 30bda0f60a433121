/**
 * Keeps a group's voters what the catalog wants: run by the group's leader, one step at a time.
 *
 * New replicas first listen (learners) until they have caught up; then one joint change makes
 * them voters and lets go of those that left. So a group never counts on a replica that can't
 * answer yet.
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import { CONTROL_GROUP } from '../../base/ids.ts'
import type { Catalog } from '../../cluster/catalog.ts'
import type { Raft, RaftStatus } from '../../raft/raft.ts'

/** A learner this many entries behind is near enough to become a voter. */
const CAUGHT_UP_ENTRIES = 1_000

export type Members = { readonly voters: readonly ReplicaId[]; readonly learners: readonly ReplicaId[] }

/** Who should be in the group: the oldest nodes vote; in the control group all others listen, to know the catalog. */
export function wantedMembers(catalog: Catalog, group: GroupId): Members {
  const all = catalog.nodes.map((node) => node.replicaId)
  const voters = all.slice(0, catalog.replicationFactor)
  return { voters, learners: group === CONTROL_GROUP ? all.slice(voters.length) : [] }
}

/** The next change to propose, or null when there is nothing to do (yet). */
export function nextMembership(status: RaftStatus, wanted: Members): Members | null {
  if (status.role !== 'leader' || status.membershipPending) return null
  const { voters, votersOutgoing, learners } = status.membership
  if (votersOutgoing.length > 0 || wanted.voters.length === 0) return null
  const known = new Set([...voters, ...learners])
  const missing = [...wanted.voters, ...wanted.learners].filter((replica) => !known.has(replica))
  if (missing.length > 0) return { voters, learners: sorted([...learners, ...missing]) }
  const isReady = wanted.voters.every((replica) => voters.includes(replica) || isCaughtUp(status, replica))
  if (!isReady) return null
  const isThere = isSame(voters, wanted.voters) && isSame(learners, wanted.learners)
  return isThere ? null : { voters: sorted(wanted.voters), learners: sorted(wanted.learners) }
}

export function keepMembership(raft: Raft, catalog: Catalog, group: GroupId): boolean {
  if (raft.role !== 'leader') return false
  const next = nextMembership(raft.status(), wantedMembers(catalog, group))
  return next !== null && raft.proposeMembership(next).kind === 'accepted'
}

function isCaughtUp(status: RaftStatus, replica: ReplicaId): boolean {
  const progress = status.progress?.get(replica)
  return (
    progress !== undefined &&
    progress.recentlyActive &&
    progress.state === 'replicate' &&
    progress.match + CAUGHT_UP_ENTRIES >= status.commit
  )
}

function sorted(replicas: readonly ReplicaId[]): readonly ReplicaId[] {
  return [...new Set(replicas)].sort((left, right) => left - right)
}

function isSame(left: readonly ReplicaId[], right: readonly ReplicaId[]): boolean {
  return left.length === right.length && sorted(left).every((replica, at) => replica === sorted(right)[at])
}
