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

/**
 * Of the voters that answer, asked of the leader: the next one, in a ring, that has all that is committed, so that
 * each gets its turn where one after the other turns out to be no better; else the one that is furthest along.
 */
export function bestSuccessor(raft: Raft): ReplicaId | null {
  const { progress, membership, commit } = raft.status()
  const matchOf = (voter: ReplicaId): number => progress?.get(voter)?.match ?? 0
  const ring = membership.voters.toSorted((left, right) => left - right)
  const at = ring.indexOf(raft.id) + 1
  const others = [...ring.slice(at), ...ring.slice(0, at)].filter(
    (voter) => voter !== raft.id && progress?.get(voter)?.recentlyActive === true,
  )
  const whole = others.find((voter) => matchOf(voter) >= commit)
  return whole ?? others.toSorted((left, right) => matchOf(right) - matchOf(left))[0] ?? null
}

export function isOnlyVoter({ voters, votersOutgoing }: Membership, self: ReplicaId): boolean {
  return voters.length === 1 && voters[0] === self && votersOutgoing.length === 0
}
