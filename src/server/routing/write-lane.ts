/**
 * Keeps the writes of one client connection in their order although many are under way at once and
 * any of them may have to be sent again.
 *
 * A route is a leader in one term of its group. What goes by one route is proposed in the order it
 * was sent, and a term's entries commit in order and as a prefix: if one of them was lost, so were
 * all behind it. So a write may follow others at once by the same route, without waiting for their
 * answers; by another route it goes only when everything before it was answered. When one has to be
 * sent again, those behind it that are not under way wait until it is.
 *
 * A route without a term only asks who leads; what follows waits for the answer.
 */
import assert from 'node:assert/strict'
import type { GroupId, ReplicaId } from '../../base/ids.ts'

type Member = { readonly isDone: boolean; readonly group: GroupId; position: number }

/** Forgets what is done in pieces of this size. */
const COMPACT_AT = 1_024

export class WriteLane {
  /** In order; before `#head` all are done. */
  #members: Member[] = []
  #head = 0
  /** Position of `#members[0]`. */
  #base = 0
  /** Position of the first that is not under way by the present route. */
  #next = 0
  #group: GroupId | null = null
  #to: ReplicaId | null = null
  #term = 0
  #isFollowed = false
  /** When those that wait are tried again; set by the router. */
  retryAtMs = 0

  add(member: Member): void {
    member.position = this.#base + this.#members.length
    this.#members.push(member)
  }

  isFirst(member: Member): boolean {
    return member.position === this.#base + this.#head
  }

  /**
   * Whether it may go now; then it counts as under way until `returned` or done. `isFollowed`: in a stream, without
   * a session; the two ways of sending don't keep their order among each other.
   */
  admit(member: Member, to: ReplicaId, term: number, isFollowed: boolean): boolean {
    assert(!member.isDone)
    const first = this.#base + this.#head
    assert(member.position >= first)
    if (member.position === first) {
      this.#group = member.group
      this.#to = to
      this.#term = term
      this.#isFollowed = isFollowed
      this.#next = first + 1
      return true
    }
    const isSameTerm = term !== 0 && term === this.#term && to === this.#to
    const isSameRoute = isSameTerm && isFollowed === this.#isFollowed && member.group === this.#group
    if (!isSameRoute) return false
    while (this.#next < member.position && this.#isDone(this.#next)) this.#next += 1
    if (this.#next !== member.position) return false
    this.#next += 1
    return true
  }

  /** It has to go again: whatever is behind it and not under way waits for it. */
  returned(member: Member): void {
    if (member.position < this.#next) this.#next = member.position
  }

  /** Call when a member is done. */
  settle(): void {
    while (this.#members[this.#head]?.isDone === true) this.#head += 1
    if (this.#head === this.#members.length || this.#head >= COMPACT_AT) {
      this.#members = this.#members.slice(this.#head)
      this.#base += this.#head
      this.#head = 0
    }
    this.#next = Math.max(this.#next, this.#base + this.#head)
  }

  #isDone(position: number): boolean {
    return (this.#members[position - this.#base] as Member).isDone
  }
}
