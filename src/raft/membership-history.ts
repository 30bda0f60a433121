/**
 * Which membership is in force at each index of the log.
 *
 * A membership takes effect when its entry is APPENDED, not when it is applied (Raft §6), so it is
 * a function of the log alone: a replica that restarts in the middle of a change has it back by
 * reading its log, and truncating the entry takes it back. Applying late instead (as etcd does)
 * needs a further proof that no election is held under a configuration that is two changes old.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, LogIndex } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import type { Membership } from './membership.ts'
import { allVoters } from './membership.ts'
import { assertMembership } from './membership-change.ts'
import { decodeMembership } from './membership-codec.ts'

type Step = { readonly index: LogIndex; readonly membership: Membership }

export class MembershipHistory {
  /** Ascending by index; the first is the membership at the log's base. Few: changes are rare. */
  #steps: Step[]

  constructor(baseIndex: LogIndex, membership: Membership) {
    assertMembership(membership)
    this.#steps = [{ index: baseIndex, membership }]
  }

  get current(): Membership {
    return this.#last().membership
  }

  /** Where the current membership was appended; the base's index when the log names none. */
  get currentIndex(): LogIndex {
    return this.#last().index
  }

  /** Membership entries that the log still holds. */
  get changeCount(): number {
    return this.#steps.length - 1
  }

  at(index: LogIndex): Membership {
    assert(index >= this.#first().index, `the membership at ${index} is forgotten`)
    let at = this.#steps.length - 1
    while ((this.#steps[at] as Step).index > index) at--
    return (this.#steps[at] as Step).membership
  }

  /** Voters of the membership in force at `index`, and of every later one, ascending. */
  votersFrom(index: LogIndex): readonly ReplicaId[] {
    const voters = new Set(allVoters(this.at(index)))
    for (const step of this.#steps)
      if (step.index > index) for (const id of allVoters(step.membership)) voters.add(id)
    return [...voters].sort((left, right) => left - right)
  }

  append(entry: Entry): void {
    if (entry.kind !== EntryKind.membership) return
    assert(entry.index > this.currentIndex, 'memberships are appended in order')
    this.#steps.push({ index: entry.index, membership: decodeMembership(entry.payload) })
  }

  /** Forgets what was appended at or after `index`. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#first().index, 'the base is never truncated')
    while (this.#last().index >= index) this.#steps.pop()
  }

  compact(index: LogIndex): void {
    const membership = this.at(index)
    this.#steps = [{ index, membership }, ...this.#steps.filter((step) => step.index > index)]
  }

  reset(index: LogIndex, membership: Membership): void {
    assertMembership(membership)
    this.#steps = [{ index, membership }]
  }

  #first(): Step {
    return this.#steps[0] as Step
  }

  #last(): Step {
    return this.#steps[this.#steps.length - 1] as Step
  }
}
