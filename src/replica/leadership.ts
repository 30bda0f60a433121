/** Who leads a group: whether that changed since it was last told, and who could lead it next. */
import type { ReplicaId } from '../base/ids.ts'
import type { Membership } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'

/** Tells a change of role, term or leader once, however many steps it took. */
export class LeadershipWatch {
  readonly #raft: Raft
  #role = ''
  #term = -1
  #leader: ReplicaId | null = null

  constructor(raft: Raft) {
    this.#raft = raft
  }

  /** Something is different from what was taken last. */
  get isNews(): boolean {
    const { role, term, leader } = this.#raft
    return role !== this.#role || term !== this.#term || leader !== this.#leader
  }

  /** True when there were news; they are none any more. */
  takeNews(): boolean {
    if (!this.isNews) return false
    const { role, term, leader } = this.#raft
    this.#role = role
    this.#term = term
    this.#leader = leader
    return true
  }
}

/** The voter that is furthest along of those that answer; asked of the leader. */
export function bestSuccessor(raft: Raft): ReplicaId | null {
  const { progress, membership } = raft.status()
  const candidates = membership.voters
    .filter((voter) => voter !== raft.id && progress?.get(voter)?.recentlyActive === true)
    .sort((left, right) => (progress?.get(right)?.match ?? 0) - (progress?.get(left)?.match ?? 0))
  return candidates[0] ?? null
}

export function isOnlyVoter({ voters, votersOutgoing }: Membership, self: ReplicaId): boolean {
  return voters.length === 1 && voters[0] === self && votersOutgoing.length === 0
}
