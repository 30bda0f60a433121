/**
 * A consensus core with the checker around it: every call is told to the checker, and the core's
 * own invariants are checked after it.
 *
 * Member by member and not by a proxy: a replica is asked thousands of times a virtual second.
 */
import type { ReplicaId } from '../../src/base/ids.ts'
import type { LogIndex, Term } from '../../src/base/log-entry.ts'
import type { Membership } from '../../src/raft/membership.ts'
import type { Message } from '../../src/raft/message.ts'
import type {
  ProposeResult,
  Raft,
  RaftState,
  RaftStatus,
  Ready,
  Role,
  SnapshotPosition,
} from '../../src/raft/raft.ts'
import type { RaftChecker } from '../raft/raft-checker.ts'

/** The core's own check walks the whole log; the checker sees every call, this one a sample. */
const CALLS_PER_FULL_CHECK = 256

export function watchRaft(raft: Raft, state: RaftState, checker: RaftChecker): Raft {
  return new WatchedRaft(raft, state, checker)
}

class WatchedRaft implements Raft {
  readonly id: ReplicaId
  readonly #raft: Raft
  readonly #checker: RaftChecker
  readonly #afterPersist = new Map<number, readonly Message[]>()
  #calls = 0

  constructor(raft: Raft, state: RaftState, checker: RaftChecker) {
    this.id = raft.id
    this.#raft = raft
    this.#checker = checker
    checker.started(raft.id, state)
  }

  get role(): Role {
    return this.#raft.role
  }

  get term(): Term {
    return this.#raft.term
  }

  get leader(): ReplicaId | null {
    return this.#raft.leader
  }

  get commit(): LogIndex {
    return this.#raft.commit
  }

  get appliedIndex(): LogIndex {
    return this.#raft.appliedIndex
  }

  get lastIndex(): LogIndex {
    return this.#raft.lastIndex
  }

  get logBytes(): number {
    return this.#raft.logBytes
  }

  get isRepairing(): boolean {
    return this.#raft.isRepairing
  }

  // ---- What changes nothing: nothing is to be checked after it.

  status(): RaftStatus {
    return this.#raft.status()
  }

  membershipAt(index: LogIndex): Membership {
    return this.#raft.membershipAt(index)
  }

  termAt(index: LogIndex): Term | null {
    return this.#raft.termAt(index)
  }

  lagOf(member: ReplicaId): number | null {
    return this.#raft.lagOf(member)
  }

  hasReady(): boolean {
    return this.#raft.hasReady()
  }

  compactionPoint(upTo: LogIndex, keepBytes: number): SnapshotPosition | null {
    return this.#raft.compactionPoint(upTo, keepBytes)
  }

  checkInvariants(): void {
    this.#raft.checkInvariants()
  }

  // ---- What the checker hears of.

  readIndex(context: number): boolean {
    this.#checker.readAsked(this.id, context)
    return this.#observed(this.#raft.readIndex(context))
  }

  takeReady(): Ready {
    const ready = this.#raft.takeReady()
    const checker = this.#checker
    checker.readyTaken(this.#raft, ready)
    for (const message of ready.messages) checker.sent(message)
    for (const grant of ready.reads) checker.readGranted(this.id, grant)
    if (ready.messagesAfterPersist.length > 0)
      this.#afterPersist.set(ready.number, ready.messagesAfterPersist)
    return ready
  }

  persisted(number: number): void {
    this.#raft.persisted(number)
    this.#checker.persisted(this.id, number)
    this.#observed(undefined)
    const messages = this.#afterPersist.get(number)
    if (messages === undefined) return
    for (const message of messages) this.#checker.sent(message)
    this.#afterPersist.delete(number)
  }

  // ---- Everything else.

  tick(): void {
    this.#observed(this.#raft.tick())
  }

  step(message: Message): void {
    this.#observed(this.#raft.step(message))
  }

  peerRestarted(peer: ReplicaId): void {
    this.#observed(this.#raft.peerRestarted(peer))
  }

  peerClosed(peer: ReplicaId): void {
    this.#observed(this.#raft.peerClosed(peer))
  }

  campaign(): void {
    this.#observed(this.#raft.campaign())
  }

  propose(payload: Uint8Array): ProposeResult {
    return this.#observed(this.#raft.propose(payload))
  }

  proposeMembership(target: Parameters<Raft['proposeMembership']>[0]): ProposeResult {
    return this.#observed(this.#raft.proposeMembership(target))
  }

  transferLeadership(to: ReplicaId): boolean {
    return this.#observed(this.#raft.transferLeadership(to))
  }

  resign(): void {
    this.#observed(this.#raft.resign())
  }

  applied(index: LogIndex): void {
    this.#observed(this.#raft.applied(index))
  }

  compact(index: LogIndex): void {
    this.#observed(this.#raft.compact(index))
  }

  offerSnapshot(snapshot: SnapshotPosition, from: ReplicaId, term: Term): boolean {
    return this.#observed(this.#raft.offerSnapshot(snapshot, from, term))
  }

  reportSnapshot(to: ReplicaId, index: LogIndex | null): void {
    this.#observed(this.#raft.reportSnapshot(to, index))
  }

  reportUnreachable(to: ReplicaId): void {
    this.#observed(this.#raft.reportUnreachable(to))
  }

  /** The call that gave `result` is over. */
  #observed<Result>(result: Result): Result {
    this.#calls += 1
    if (this.#calls % CALLS_PER_FULL_CHECK === 0) this.#raft.checkInvariants()
    this.#checker.observed(this.#raft)
    return result
  }
}
