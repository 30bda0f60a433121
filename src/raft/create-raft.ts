/** Makes a replica of one group: the interface of raft.ts over the record of core.ts. */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex, Term } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { isRepairing, makeCore } from './core.ts'
import { campaign, peerClosed, tickElection } from './election.ts'
import { offerSnapshot } from './follower.ts'
import { checkInvariants } from './invariants.ts'
import {
  peerRestarted,
  propose,
  proposeMembership,
  resign,
  tickLeader,
  transferLeadership,
} from './leader.ts'
import type { Membership } from './membership.ts'
import { isJoint } from './membership.ts'
import type { MembershipTarget } from './membership-change.ts'
import type { Message } from './message.ts'
import type {
  PeerProgress,
  ProposeResult,
  Raft,
  RaftOptions,
  RaftState,
  RaftStatus,
  Ready,
  Role,
  SnapshotPosition,
} from './raft.ts'
import { askRead, expireForwardedReads } from './read-index.ts'
import { applied, compact, compactionPoint, hasReady, persisted, takeReady } from './ready.ts'
import { describeRepair, tickRepair } from './repair.ts'
import { step } from './step.ts'

export function createRaft(options: RaftOptions, state: RaftState): Raft {
  return new Replica(makeCore(options, state))
}

class Replica implements Raft {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  get id(): ReplicaId {
    return this.#core.id
  }

  get role(): Role {
    return this.#core.role
  }

  get term(): Term {
    return this.#core.term
  }

  get leader(): ReplicaId | null {
    return this.#core.leader
  }

  get commit(): LogIndex {
    return this.#core.commit
  }

  get appliedIndex(): LogIndex {
    return this.#core.applied
  }

  get lastIndex(): LogIndex {
    return this.#core.log.lastIndex
  }

  get logBytes(): number {
    const { log } = this.#core
    return log.bytesBetween(log.base.index, log.lastIndex)
  }

  get isRepairing(): boolean {
    return isRepairing(this.#core)
  }

  lagOf(member: ReplicaId): number | null {
    const peer = this.#core.peerById.get(member)
    if (peer === undefined || peer.state !== 'replicate' || peer.isRepairing) return null
    return Math.max(0, this.#core.commit - peer.match)
  }

  status(): RaftStatus {
    return describe(this.#core)
  }

  membershipAt(index: LogIndex): Membership {
    assert(index <= this.#core.log.lastIndex)
    return this.#core.memberships.at(index)
  }

  termAt(index: LogIndex): Term | null {
    return this.#core.log.termAt(index)
  }

  tick(): void {
    if (this.#core.role === 'leader') tickLeader(this.#core)
    else tickElection(this.#core)
    tickRepair(this.#core)
    expireForwardedReads(this.#core)
  }

  step(message: Message): void {
    step(this.#core, message)
  }

  peerClosed(peer: ReplicaId): void {
    peerClosed(this.#core, peer)
  }

  peerRestarted(peer: ReplicaId): void {
    peerRestarted(this.#core, peer)
  }

  campaign(): void {
    campaign(this.#core)
  }

  propose(payload: Uint8Array): ProposeResult {
    return propose(this.#core, payload)
  }

  proposeMembership(target: MembershipTarget): ProposeResult {
    return proposeMembership(this.#core, target)
  }

  readIndex(context: number): boolean {
    return askRead(this.#core, context)
  }

  transferLeadership(to: ReplicaId): boolean {
    return transferLeadership(this.#core, to)
  }

  resign(): void {
    resign(this.#core)
  }

  hasReady(): boolean {
    return hasReady(this.#core)
  }

  takeReady(): Ready {
    return takeReady(this.#core)
  }

  persisted(readyNumber: number): void {
    persisted(this.#core, readyNumber)
  }

  applied(index: LogIndex): void {
    applied(this.#core, index)
  }

  compactionPoint(upTo: LogIndex, keepBytes: number): SnapshotPosition | null {
    return compactionPoint(this.#core, upTo, keepBytes)
  }

  compact(index: LogIndex): void {
    compact(this.#core, index)
  }

  offerSnapshot(snapshot: SnapshotPosition, from: ReplicaId, term: Term): boolean {
    return offerSnapshot(this.#core, snapshot, from, term)
  }

  reportSnapshot(to: ReplicaId, index: LogIndex | null): void {
    const peer = this.#core.peerById.get(to)
    if (peer === undefined || peer.state !== 'snapshot') return
    const reached = Math.min(Math.max(peer.match, index ?? 0), this.#core.log.lastIndex)
    // Its acknowledgement is on the way, or the stream failed: either way, wait for a sign of life.
    peer.toProbeLater((reached + 1) as LogIndex)
  }

  reportUnreachable(to: ReplicaId): void {
    const peer = this.#core.peerById.get(to)
    if (peer === undefined || peer.state !== 'replicate') return
    peer.toProbe((peer.match + 1) as LogIndex)
    this.#core.flushNeeded = true
  }

  checkInvariants(): void {
    checkInvariants(this.#core)
  }
}

function describe(core: Core): RaftStatus {
  const { log } = core
  return {
    id: core.id,
    role: core.role,
    term: core.term,
    vote: core.vote,
    leader: core.leader,
    commit: core.commit,
    applied: core.applied,
    firstIndex: (log.base.index + 1) as LogIndex,
    lastIndex: log.lastIndex,
    persistedIndex: core.durability.persistedIndex,
    membership: core.memberships.current,
    membershipPending: isJoint(core.memberships.current) || core.memberships.currentIndex > core.applied,
    uncommittedBytes: log.bytesBetween(core.commit, log.lastIndex),
    logBytes: log.bytesBetween(log.base.index, log.lastIndex),
    repair: describeRepair(core),
    progress: core.role === 'leader' ? describePeers(core) : null,
  }
}

function describePeers(core: Core): ReadonlyMap<ReplicaId, PeerProgress> {
  return new Map(core.peers.map((peer) => [peer.id, peer.describe()]))
}
