/**
 * Watches all replicas of one group and throws as soon as consensus breaks a promise.
 *
 * Pure, and knows nothing of how the replicas are run: whoever runs them (script tests, the random
 * cluster, the simulation of whole nodes) tells it what happens, in the order in which it happens:
 *
 *   started    storage gave this state to a new incarnation
 *   observed   after EVERY call into the replica
 *   readyTaken after takeReady, before anything of it is carried out
 *   persisted  after raft.persisted, before `messagesAfterPersist` leave
 *   sent       a message leaves the replica
 *   applied    the state machine stands at `index` with this digest
 *   readAsked, readGranted
 *   crashed    the incarnation is gone; what was not persisted may be, too
 *
 * It keeps its own record of what each disk must hold, from `readyTaken` and `persisted` alone.
 * Invariants are those of any Raft group: one leader per term; term and vote kept across
 * restarts; log matching; leader completeness; committed entries never change; committed means
 * durable on each joint quorum; nothing is promised before it is durable; a leader only appends; one
 * membership change at a time, and a snapshot brings the members of its position; equal applied
 * index, equal state; a read sees all that was committed before it was asked.
 */
import assert from 'node:assert/strict'
import { crc32 } from '../../src/base/checksum.ts'
import type { ReplicaId } from '../../src/base/ids.ts'
import type { Entry, HardState, LogIndex, LogPosition, Term } from '../../src/base/log-entry.ts'
import { EntryKind } from '../../src/base/log-entry.ts'
import type { Membership } from '../../src/raft/membership.ts'
import type { Message } from '../../src/raft/message.ts'
import type { Raft, RaftState, ReadGrant, Ready } from '../../src/raft/raft.ts'

/** What the checker needs to see of a replica. */
export type Observable = Pick<
  Raft,
  'id' | 'role' | 'term' | 'commit' | 'appliedIndex' | 'lastIndex' | 'termAt' | 'membershipAt' | 'status'
>

export interface RaftChecker {
  started(id: ReplicaId, state: RaftState): void
  crashed(id: ReplicaId): void
  observed(raft: Observable): void
  readyTaken(raft: Observable, ready: Ready): void
  persisted(id: ReplicaId, readyNumber: number): void
  sent(message: Message): void
  applied(id: ReplicaId, index: LogIndex, digest: number): void
  readAsked(id: ReplicaId, context: number): void
  readGranted(id: ReplicaId, grant: ReadGrant): void
  /** The highest index that any replica has committed. */
  readonly commit: number
  /** Terms that had a leader. */
  readonly elections: number
}

export function createRaftChecker(): RaftChecker {
  return new Checker()
}

type EntryFacts = {
  readonly term: number
  readonly kind: number
  readonly checksum: number
  readonly previousTerm: number
}
type Commit = { readonly term: number; readonly committedInTerm: number }
type Write = {
  readonly number: number
  readonly hardState: HardState | null
  readonly snapshot: LogPosition | null
  readonly entries: readonly Entry[]
}

/** One log as far as terms go: enough, because (index, term) names an entry. */
class TermLog {
  baseIndex: number
  baseTerm: number
  #terms: number[]

  constructor(base: LogPosition, entries: readonly Entry[]) {
    this.baseIndex = base.index
    this.baseTerm = base.term
    this.#terms = entries.map((entry) => entry.term)
  }

  get lastIndex(): number {
    return this.baseIndex + this.#terms.length
  }

  /** Undefined: not held. */
  termAt(index: number): number | undefined {
    return index === this.baseIndex ? this.baseTerm : this.#terms[index - this.baseIndex - 1]
  }

  /** True also for what a snapshot covers: it held it once, and it was committed. */
  holds(index: number, term: number): boolean {
    return index < this.baseIndex || this.termAt(index) === term
  }

  write(entries: readonly Entry[]): void {
    const first = entries[0]
    if (first === undefined) return
    assert(
      first.index > this.baseIndex && first.index <= this.lastIndex + 1,
      'a write leaves a gap in the log',
    )
    this.#terms.length = first.index - this.baseIndex - 1
    for (const entry of entries) this.#terms.push(entry.term)
  }

  reset(base: LogPosition): void {
    this.baseIndex = base.index
    this.baseTerm = base.term
    this.#terms = []
  }
}

class Shadow {
  hardState: HardState
  durable: TermLog
  /** As far as Readys were taken. */
  handed: TermLog
  /** What was durable before the disk lost it: acknowledged, and not forgotten by those who counted on it. */
  lost: readonly TermLog[] = []
  membershipIndexes: number[]
  writes: Write[] = []
  isRunning = true
  commit = 0
  applied = 0
  term = 0
  /** The term it led when its latest Ready was taken; 0: it did not lead. */
  ledTerm = 0

  constructor(state: RaftState) {
    this.hardState = state.hardState
    this.durable = new TermLog(state.base, state.entries)
    this.handed = new TermLog(state.base, state.entries)
    this.membershipIndexes = indexesOfMemberships(state.entries)
  }
}

class Checker implements RaftChecker {
  readonly #shadows = new Map<ReplicaId, Shadow>()
  readonly #leaders = new Map<number, ReplicaId>()
  /** By replica and term: whom it promised its vote to, for ever. */
  readonly #votes = new Map<string, ReplicaId>()
  /** By index: what was ever written there, most often in one term only. */
  readonly #entries = new Map<number, EntryFacts[]>()
  readonly #commits: Commit[] = []
  /** Of the committed entries that are one. */
  readonly #memberships: { readonly index: number; readonly membership: Membership }[] = []
  readonly #digests = new Map<number, number>()
  /** By replica and context: what was committed when the read was asked for. */
  readonly #asked = new Map<ReplicaId, Map<number, number>>()

  /** Index 0 counts as committed: `#commits[i - 1]` is entry i. */
  get commit(): number {
    return this.#commits.length
  }

  get elections(): number {
    return this.#leaders.size
  }

  started(id: ReplicaId, state: RaftState): void {
    const before = this.#shadows.get(id)
    assert(before === undefined || !before.isRunning, `${id} was started twice`)
    if (before !== undefined) this.#checkRecovery(id, before, state)
    const shadow = new Shadow(state)
    shadow.applied = state.applied
    shadow.term = state.hardState.term
    if (state.mayVoteFrom !== null && before !== undefined) shadow.lost = [...before.lost, before.durable]
    this.#shadows.set(id, shadow)
    const log = shadow.handed
    this.#register(log, state.entries)
  }

  crashed(id: ReplicaId): void {
    this.#shadow(id).isRunning = false
  }

  observed(raft: Observable): void {
    const shadow = this.#shadow(raft.id)
    const { id, term, commit, appliedIndex } = raft
    // Called after every step: texts are made only for failures.
    if (term < shadow.term) assert.fail(`${id}: the term fell from ${shadow.term} to ${term}`)
    if (commit < shadow.commit) assert.fail(`${id}: commit fell from ${shadow.commit} to ${commit}`)
    if (appliedIndex < shadow.applied)
      assert.fail(`${id}: applied fell from ${shadow.applied} to ${appliedIndex}`)
    shadow.term = term
    shadow.applied = appliedIndex
    if (raft.role === 'leader') this.#checkLeader(raft)
    if (commit > shadow.commit) {
      this.#checkCommits(raft, shadow.commit + 1, raft.status().membership)
      shadow.commit = commit
    }
  }

  readyTaken(raft: Observable, ready: Ready): void {
    const shadow = this.#shadow(raft.id)
    const { entries, snapshot, hardState } = ready
    const first = entries[0]
    const leads = raft.role === 'leader'
    if (leads && shadow.ledTerm === raft.term) {
      assert(snapshot === null, `leader ${raft.id} replaced its log`)
      assert(
        first === undefined || first.index === shadow.handed.lastIndex + 1,
        `leader ${raft.id} rewrote its log`,
      )
    }
    shadow.ledTerm = leads ? raft.term : 0
    if (snapshot !== null) {
      this.#checkSnapshot(raft, snapshot.position)
      shadow.handed.reset(snapshot.position)
      shadow.membershipIndexes = []
    }
    shadow.handed.write(entries)
    this.#register(shadow.handed, entries)
    if (first !== undefined) {
      const kept = shadow.membershipIndexes.filter((index) => index < first.index)
      shadow.membershipIndexes = [...kept, ...indexesOfMemberships(entries)]
    }
    if (leads) {
      // A new leader may not know yet that an earlier one is committed.
      const pending = shadow.membershipIndexes.filter((index) => index > this.commit)
      if (pending.length > 1)
        assert.fail(`leader ${raft.id} has membership changes pending at ${pending.join()}`)
    }
    if (hardState !== null || snapshot !== null || first !== undefined)
      shadow.writes.push({ number: ready.number, hardState, snapshot: snapshot?.position ?? null, entries })
    for (const entry of ready.committed) this.#checkHandedOut(raft.id, shadow, entry)
  }

  persisted(id: ReplicaId, readyNumber: number): void {
    const shadow = this.#shadow(id)
    while (shadow.writes.length > 0 && (shadow.writes[0] as Write).number <= readyNumber) {
      const write = shadow.writes.shift() as Write
      if (write.hardState !== null) shadow.hardState = write.hardState
      if (write.snapshot !== null) shadow.durable.reset(write.snapshot)
      shadow.durable.write(write.entries)
    }
  }

  sent(message: Message): void {
    const shadow = this.#shadow(message.from)
    if (message.kind === 'vote') this.#checkVote(shadow, message.from, message.term, message.from)
    if (message.kind === 'voteReply' && message.granted) {
      this.#checkVote(shadow, message.from, message.term, message.to)
    }
    if (message.kind === 'appendReply' && message.conflict === null) {
      const { lastIndex } = shadow.durable
      if (message.index > lastIndex)
        assert.fail(`${message.from} acknowledged ${message.index}, durable is ${lastIndex}`)
      // A leader's log has nothing of later terms than its own: what stands there is not what it is told of.
      const durableTerm = shadow.durable.termAt(message.index) ?? 0
      if (durableTerm > message.term)
        assert.fail(
          `${message.from} acknowledged ${message.index} to the leader of an earlier term than it has there`,
        )
      assert(message.term <= shadow.hardState.term, `${message.from} acknowledged in a term it may forget`)
    }
  }

  applied(id: ReplicaId, index: LogIndex, digest: number): void {
    const known = this.#digests.get(index)
    if (known === undefined) this.#digests.set(index, digest)
    else assert.equal(digest, known, `${id}: the state at ${index} differs from another replica's`)
  }

  readAsked(id: ReplicaId, context: number): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) this.#asked.set(id, new Map([[context, this.commit]]))
    else asked.set(context, this.commit)
  }

  readGranted(id: ReplicaId, grant: ReadGrant): void {
    const asked = this.#asked.get(id)
    const floor = asked?.get(grant.context)
    if (asked === undefined || floor === undefined)
      assert.fail(`${id}: read ${grant.context} was never asked, or granted twice`)
    asked.delete(grant.context)
    if (grant.index < floor)
      assert.fail(`${id}: stale read: granted at ${grant.index}, ${floor} was committed before it`)
  }

  #shadow(id: ReplicaId): Shadow {
    const shadow = this.#shadows.get(id)
    if (shadow === undefined) assert.fail(`replica ${id} was never started`)
    return shadow
  }

  /** What was durable is found again, except where a write still in flight may have replaced it. */
  #checkRecovery(id: ReplicaId, before: Shadow, state: RaftState): void {
    // Damage that was noticed may have taken anything; `#votes` still holds the replica to its votes.
    if (state.mayVoteFrom !== null) return
    assert(state.hardState.term >= before.hardState.term, `${id} forgot its term`)
    if (state.hardState.term === before.hardState.term && before.hardState.vote !== null) {
      assert.equal(state.hardState.vote, before.hardState.vote, `${id} forgot its vote`)
    }
    const rewrites = before.writes.map(({ snapshot, entries }) =>
      snapshot !== null ? -1 : (entries[0]?.index ?? Number.MAX_SAFE_INTEGER) - 1,
    )
    const sure = Math.min(before.durable.lastIndex, ...rewrites)
    const found = new TermLog(state.base, state.entries)
    for (let index = found.baseIndex; index <= sure; index++) {
      const term = before.durable.termAt(index)
      if (term !== undefined) assert.equal(found.termAt(index), term, `${id} lost durable entry ${index}`)
    }
  }

  #checkLeader(raft: Observable): void {
    const known = this.#leaders.get(raft.term)
    if (known === raft.id) return
    assert(known === undefined, `both ${known} and ${raft.id} lead term ${raft.term}`)
    this.#leaders.set(raft.term, raft.id)
    const { hardState } = this.#shadow(raft.id)
    const hasVote = hardState.term === raft.term && hardState.vote === raft.id
    assert(hasVote, `${raft.id} leads term ${raft.term} before its own vote is durable`)
    let index = this.#commits.length
    while (index > 0 && (this.#commits[index - 1] as Commit).committedInTerm >= raft.term) index--
    if (index === 0) return
    const term = raft.termAt(index as LogIndex)
    const isCompacted = term === null && index < raft.status().firstIndex
    const expected = (this.#commits[index - 1] as Commit).term
    assert(
      isCompacted || term === expected,
      `leader ${raft.id} of term ${raft.term} lacks committed entry ${index}`,
    )
  }

  #checkCommits(raft: Observable, from: number, membership: Membership): void {
    for (let index = from; index <= raft.commit; index++) {
      const term = raft.termAt(index as LogIndex)
      if (term === null) continue
      const known = this.#commits[index - 1]
      if (known !== undefined) {
        if (term !== known.term)
          assert.fail(`${raft.id}: committed entry ${index} differs from another replica's`)
        continue
      }
      if (this.#commits.length !== index - 1) assert.fail(`${raft.id}: commit skips entries before ${index}`)
      this.#checkDurableQuorum(index, term, membership)
      this.#commits.push({ term, committedInTerm: raft.term })
      if (this.#factsOf({ index, term })?.kind === EntryKind.membership) {
        this.#memberships.push({ index, membership: raft.membershipAt(index as LogIndex) })
      }
    }
  }

  #checkDurableQuorum(index: number, term: number, membership: Membership): void {
    for (const voters of [membership.voters, membership.votersOutgoing]) {
      if (voters.length === 0) continue
      const holders = voters.filter((id) => this.#hasHeld(id, index, term))
      if (holders.length > voters.length / 2) continue
      assert.fail(
        `entry ${index} (term ${term}) is committed, but durable only on [${holders.join()}] of [${voters.join()}]`,
      )
    }
  }

  #hasHeld(id: ReplicaId, index: number, term: number): boolean {
    const shadow = this.#shadows.get(id)
    if (shadow === undefined) return false
    return shadow.durable.holds(index, term) || shadow.lost.some((log) => log.holds(index, term))
  }

  #checkVote(shadow: Shadow, voter: ReplicaId, term: Term, candidate: ReplicaId): void {
    const { hardState } = shadow
    const isDurable = hardState.term > term || (hardState.term === term && hardState.vote === candidate)
    assert(isDurable, `${voter} votes for ${candidate} in term ${term} before that is durable`)
    const key = `${voter}:${term}`
    const known = this.#votes.get(key)
    assert(
      known === undefined || known === candidate,
      `${voter} votes for ${known} and ${candidate} in term ${term}`,
    )
    this.#votes.set(key, candidate)
  }

  #checkSnapshot(raft: Observable, position: LogPosition): void {
    const { id } = raft
    const known = this.#commits[position.index - 1]
    assert(known !== undefined, `${id} took a snapshot at ${position.index}, which is not committed`)
    assert.equal(position.term, known.term, `${id} took a snapshot at ${position.index} of another term`)
    const expected = this.#memberships.findLast(({ index }) => index <= position.index)?.membership
    if (expected === undefined) return
    const found = raft.membershipAt(position.index)
    assert.deepEqual(found, expected, `${id} took a snapshot at ${position.index} with other members`)
  }

  #checkHandedOut(id: ReplicaId, shadow: Shadow, entry: Entry): void {
    const known = this.#commits[entry.index - 1]
    if (known?.term !== entry.term)
      assert.fail(`${id} applies entry ${entry.index}, which is not the committed one`)
    const facts = this.#factsOf(entry)
    if (facts?.checksum !== crc32(entry.payload)) assert.fail(`${id} applies other bytes at ${entry.index}`)
    if (!shadow.durable.holds(entry.index, entry.term))
      assert.fail(`${id} applies entry ${entry.index} before it is durable`)
  }

  /** Log matching, by induction: an entry (index, term) has one content and one predecessor. */
  #register(log: TermLog, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const previousTerm = log.termAt(entry.index - 1)
      assert(previousTerm !== undefined)
      const { index, term, kind } = entry
      const checksum = crc32(entry.payload)
      const known = this.#factsOf(entry)
      if (known === undefined) {
        const facts = { term, kind, checksum, previousTerm }
        const others = this.#entries.get(index)
        if (others === undefined) this.#entries.set(index, [facts])
        else others.push(facts)
        continue
      }
      const isSame = known.kind === kind && known.checksum === checksum && known.previousTerm === previousTerm
      if (!isSame) assert.fail(`two entries at ${index} in term ${term}`)
    }
  }

  /** What an entry at that index in that term was when it was written first. */
  #factsOf({ index, term }: { readonly index: number; readonly term: number }): EntryFacts | undefined {
    const facts = this.#entries.get(index)
    return facts?.[0]?.term === term ? facts[0] : facts?.find((one) => one.term === term)
  }
}

function indexesOfMemberships(entries: readonly Entry[]): number[] {
  return entries.filter((entry) => entry.kind === EntryKind.membership).map((entry) => entry.index)
}
