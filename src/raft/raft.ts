/**
 * The consensus core's public face: one replica of one group.
 *
 * Pure: no clock, disk, socket, promise or randomness of its own. The host feeds it ticks,
 * messages and the fate of its disk writes, and carries out what `takeReady` returns:
 *
 *   1. send `messages` at once;
 *   2. append `hardState`, `snapshot` and `entries` to the log; when they are durable call
 *      `persisted(ready.number)`, then send `messagesAfterPersist`;
 *   3. apply `committed`, in order; then call `applied(index)`;
 *   4. answer `reads` whose index is applied.
 *
 * Steps 1–4 of one Ready run side by side, and later Readys may be taken before earlier ones are
 * persisted or applied; `persisted` is called in the order of the Readys. A vote, an acknowledgement
 * or a vote request never leaves before what it promises is durable: they are in
 * `messagesAfterPersist`, and the core counts its own vote and its own log only from `persisted`.
 */
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, HardState, LogIndex, LogPosition, Term } from '../base/log-entry.ts'
import type { Membership } from './membership.ts'
import type { Message } from './message.ts'

export type RaftOptions = {
  readonly id: ReplicaId
  /** Election timeout: drawn from [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** Payload bytes of one append message; a larger single entry travels alone. */
  readonly maxMessageBytes: number
  readonly maxInflightMessages: number
  readonly maxInflightBytes: number
  /** Proposals are refused while more payload bytes than this are not yet committed. */
  readonly maxUncommittedBytes: number
  /** Bytes of entries in one Ready's `committed`. */
  readonly maxApplyBytes: number
  /** Who has more than this still to apply lets the others campaign first: it could lead, but not serve. */
  readonly maxCampaignLagBytes: number
  /** Uniform in [0, 1); drawn for election timeouts, and once to tell this incarnation's reads from earlier ones. */
  readonly random: () => number
}

/** What storage found. For a new group: zeros, an empty log and the founding membership. */
export type RaftState = {
  /** Its term may be behind the log's only where the log is damaged, or is nothing but a base: a snapshot's. */
  readonly hardState: HardState
  /** The log starts after this position. */
  readonly base: LogPosition
  /** The membership in force at `base`. */
  readonly membership: Membership
  readonly entries: readonly Entry[]
  /** ≥ base.index; entries up to here are not handed out again. */
  readonly applied: LogIndex
  /**
   * The log lost synced bytes (see storage): this replica neither votes nor campaigns, and what it
   * holds counts for no quorum, until a leader has brought its durable log to this index, the
   * highest that it is known to have acknowledged, and to what that leader has committed. `applied`
   * and the commit index may then lie beyond the log. Null when the log is whole.
   */
  readonly mayVoteFrom: LogIndex | null
  /**
   * What the log lost may be the newest term and vote. Then the repair also waits until every other voter
   * has told its term, and this replica votes only in later ones (docs/design/0005-lost-votes.md).
   */
  readonly isVoteLost: boolean
}

export type Ready = {
  /** Counts up by one from 1. */
  readonly number: number
  /** Not null when it must be written: must be durable BEFORE `messagesAfterPersist` leave. */
  readonly hardState: HardState | null
  /** To append, replacing everything from `entries[0].index` on. */
  readonly entries: readonly Entry[]
  /**
   * A snapshot that the host received and that the core accepted: it replaces the WHOLE log; install
   * it BEFORE `entries`. `persisted` says that it is installed as well, and it then counts as applied.
   */
  readonly snapshot: SnapshotPosition | null
  readonly messages: readonly Message[]
  readonly messagesAfterPersist: readonly Message[]
  /**
   * Committed and not yet handed out: to apply in order. Durable on a majority AND in this replica's
   * own log, so that after a crash the engine is never ahead of the log.
   */
  readonly committed: readonly Entry[]
  readonly reads: readonly ReadGrant[]
  /** Peers too far behind for the log: stream them a snapshot, then `reportSnapshot`. */
  readonly snapshotsToSend: readonly SnapshotRequest[]
  /** Reads that can't be granted any more (leadership lost): the caller asks the new leader. */
  readonly droppedReads: readonly number[]
}

export type SnapshotPosition = { readonly position: LogPosition; readonly membership: Membership }
export type SnapshotRequest = { readonly to: ReplicaId; readonly minIndex: LogIndex }

/** The read asked for with `context` may be served from any state at or after `index`. */
export type ReadGrant = { readonly context: number; readonly index: LogIndex }

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

export type ProposeResult =
  /** Appended at `position`; it commits there or not at all: check the term when it does. */
  | { readonly kind: 'accepted'; readonly position: LogPosition }
  | { readonly kind: 'notLeader'; readonly leader: ReplicaId | null }
  /** Too many uncommitted bytes, leadership being handed over, or a membership change under way. */
  | { readonly kind: 'refused'; readonly reason: 'uncommittedLimit' | 'transferring' | 'membershipPending' }

export type RaftStatus = {
  readonly id: ReplicaId
  readonly role: Role
  readonly term: Term
  readonly vote: ReplicaId | null
  readonly leader: ReplicaId | null
  readonly commit: LogIndex
  readonly applied: LogIndex
  readonly firstIndex: LogIndex
  readonly lastIndex: LogIndex
  /** Durable here. */
  readonly persistedIndex: LogIndex
  readonly membership: Membership
  readonly membershipPending: boolean
  readonly uncommittedBytes: number
  /** Bytes of payload held in memory. */
  readonly logBytes: number
  /** Not null while the log is damaged. */
  readonly repair: RepairStatus | null
  /** Only on the leader. */
  readonly progress: ReadonlyMap<ReplicaId, PeerProgress> | null
}

export type RepairStatus = {
  /** What this replica's log must reach, as far as that is known. */
  readonly goal: LogIndex
  /** A leader has shown what it committed. */
  readonly isGoalKnown: boolean
  /** Voters that have not told their term yet, because they don't answer or their own disk lost it. */
  readonly waitsFor: readonly ReplicaId[]
  /** Those of them that said that their own disk lost it. */
  readonly damagedPeers: readonly ReplicaId[]
}

export type PeerProgress = {
  readonly state: 'probe' | 'replicate' | 'snapshot'
  readonly match: LogIndex
  readonly next: LogIndex
  readonly inflightMessages: number
  readonly inflightBytes: number
  readonly recentlyActive: boolean
}

export interface Raft {
  readonly id: ReplicaId
  /** Allocates; for status pages and tests. The getters below are for hot paths. */
  status(): RaftStatus
  readonly role: Role
  readonly term: Term
  readonly leader: ReplicaId | null
  readonly commit: LogIndex
  readonly appliedIndex: LogIndex
  readonly lastIndex: LogIndex
  /** Payload bytes of the entries held in memory. */
  readonly logBytes: number
  /** The log was damaged and no leader has brought it back yet. */
  readonly isRepairing: boolean
  /**
   * On the leader: how many committed entries this member has not acknowledged; null where it is no member, or is
   * not sent entries one after the other (agreement is sought, or it needs a snapshot), or its log is damaged.
   */
  lagOf(member: ReplicaId): number | null

  tick(): void
  step(message: Message): void
  /** A hint that the connection to `peer` closed: if it leads, start a pre-vote at once. Never more than a hint. */
  peerClosed(peer: ReplicaId): void
  /**
   * The process of `peer` is another one than before; nothing that the earlier one sent is stepped after this.
   * Its disk may have lost what it acknowledged: that counts again once it has said that its log is whole.
   */
  peerRestarted(peer: ReplicaId): void
  /** Starts an election now (after a pre-vote), as if the timeout had passed. */
  campaign(): void
  propose(payload: Uint8Array): ProposeResult
  /** Goes through joint consensus to exactly these members. One change at a time. */
  proposeMembership(target: {
    readonly voters: readonly ReplicaId[]
    readonly learners: readonly ReplicaId[]
  }): ProposeResult
  /**
   * Asks for a linearizable read (Raft thesis §6.4). `context` comes back in `Ready.reads` or
   * `Ready.droppedReads`; contexts are unique per replica lifetime. On a follower the request
   * travels to the leader. False when no leader is known, or when too many reads wait already.
   */
  readIndex(context: number): boolean
  /** False when `to` can't take over (unknown, learner) or this replica does not lead. */
  transferLeadership(to: ReplicaId): boolean
  /** Leader steps down at once, since its disk or clock is not fit to lead, and asks the best successor to campaign. */
  resign(): void

  /** The membership in force at `index`, for log bases and snapshots. Throws below the log's base. */
  membershipAt(index: LogIndex): Membership
  /** Null when the log does not hold `index` (any more). */
  termAt(index: LogIndex): Term | null

  hasReady(): boolean
  takeReady(): Ready
  persisted(readyNumber: number): void
  applied(index: LogIndex): void
  /**
   * Where the log may be cut: the highest index ≤ `upTo` (and ≤ applied) behind which at least
   * `keepBytes` of payload remain, with its term and the membership in force there. Null when that
   * is not beyond the present base.
   */
  compactionPoint(upTo: LogIndex, keepBytes: number): SnapshotPosition | null
  /** Entries up to `index` (applied, and durable in the engine) may be forgotten. */
  compact(index: LogIndex): void
  /** Offers a completely received and verified snapshot; the core accepts it in a Ready, or ignores it. True when accepted. */
  offerSnapshot(snapshot: SnapshotPosition, from: ReplicaId, term: Term): boolean
  /** The stream of a snapshot to `to` ended: at this index, or in failure (null). */
  reportSnapshot(to: ReplicaId, index: LogIndex | null): void
  /** Messages to `to` are being dropped: probe instead of pipelining. */
  reportUnreachable(to: ReplicaId): void
  /** Throws when an internal invariant does not hold. Costly: tests and the simulator call it after every step. */
  checkInvariants(): void
}
