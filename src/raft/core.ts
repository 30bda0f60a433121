/**
 * The state of one replica, and the few operations that every part of the core shares.
 *
 * The core is one record that the functions of election.ts, replication.ts, follower.ts,
 * read-index.ts and ready.ts work on; create-raft.ts hides it behind the interface of raft.ts.
 * Nothing here waits, and nothing leaves except through the outboxes that ready.ts empties.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, HardState, LogIndex, Term } from '../base/log-entry.ts'
import { INDEX_ZERO } from '../base/log-entry.ts'
import { Durability } from './durability.ts'
import { isVoter } from './membership.ts'
import { MembershipHistory } from './membership-history.ts'
import type { Message, PreVote } from './message.ts'
import type { Progress } from './progress.ts'
import type { RaftOptions, RaftState, ReadGrant, Role, SnapshotPosition, SnapshotRequest } from './raft.ts'
import { RaftLog } from './raft-log.ts'
import { ForwardedReads, ReadQueue } from './read-queue.ts'

/** Batches of forwarded reads are numbered from a random multiple, below 2^53 in all. */
const FIRST_BATCH_RANGE = 2 ** 26
const BATCHES_PER_INCARNATION = 2 ** 26
/** Numbers that tell this incarnation's questions for terms from earlier ones'. */
const QUESTION_NUMBERS = 2 ** 40

/** See repair.ts. */
export type LostVote = {
  /** Of the questions of this incarnation. */
  readonly number: number
  /** Voters that told their term. */
  readonly heard: Set<ReplicaId>
  /** Voters that can't, because their own disk lost it. */
  readonly unsure: Set<ReplicaId>
  ticksToNextRequest: number
}

export type Core = {
  readonly id: ReplicaId
  readonly options: RaftOptions
  readonly log: RaftLog
  readonly durability: Durability
  readonly memberships: MembershipHistory

  role: Role
  term: Term
  vote: ReplicaId | null
  leader: ReplicaId | null
  commit: LogIndex
  /** The host said so; only moves forward. */
  applied: LogIndex
  /** What the engine had applied before this incarnation: with a damaged log, more than the log can prove. */
  readonly restored: LogIndex
  /** Handed out in `Ready.committed`, or part of an accepted snapshot. */
  dispatched: LogIndex
  /** Not null while the log is damaged. */
  mayVoteFrom: LogIndex | null
  /** A leader has shown where the log of a damaged replica must reach: see `learnRepairGoal`. */
  isRepairGoalKnown: boolean
  /** Not null while the newest vote may be lost. */
  lostVote: LostVote | null

  electionElapsed: number
  electionTimeout: number
  heartbeatElapsed: number
  /** Ticks until the campaign that a closed connection asked for. */
  hintedCampaignIn: number | null
  /** How often the present candidacy has asked for votes. */
  votesRequested: number
  /** Election timeouts that were left to the others, since this replica has too much to apply. */
  campaignsDeferred: number
  /** The latest pre-vote that a live leader, or a vote being written, kept us from answering; answered once that is over. */
  heldPreVote: PreVote | null
  readonly votes: Map<ReplicaId, boolean>

  // Of the leader; empty otherwise.
  /** Ascending by id: messages leave in the same order in every run. */
  peers: readonly Progress[]
  readonly peerById: Map<ReplicaId, Progress>
  /** The latest membership is committed, and what follows from that was done. */
  isMembershipSettled: boolean
  /** Appends may be due. */
  flushNeeded: boolean
  round: number
  /** Reads wait for a round that has not begun. */
  roundNeeded: boolean
  transferTo: ReplicaId | null
  transferTicksLeft: number
  readonly readQueue: ReadQueue
  readonly forwardedReads: ForwardedReads
  readonly matchOf: (id: ReplicaId) => number
  readonly ackedRoundOf: (id: ReplicaId) => number

  // Outboxes, emptied by takeReady.
  readyNumber: number
  handedHardState: HardState
  /** Accepted and not yet handed out. */
  snapshot: SnapshotPosition | null
  /** The index of a snapshot that was accepted and is not yet durable, and the Ready it left in (0: none yet). */
  installing: { readonly index: LogIndex; readyNumber: number } | null
  messages: Message[]
  messagesAfterPersist: Message[]
  grants: ReadGrant[]
  droppedReads: number[]
  snapshotsToSend: SnapshotRequest[]
}

export function makeCore(options: RaftOptions, state: RaftState): Core {
  assertOptions(options)
  const log = new RaftLog(state.base, state.entries)
  const memberships = new MembershipHistory(state.base.index, state.membership)
  for (const entry of state.entries) memberships.append(entry)
  assertState(state, log)
  const { term, vote } = currentVote(state.hardState, log)
  const commit = knownCommit(state, log)
  const core: Core = {
    id: options.id,
    options,
    log,
    durability: new Durability(log.lastIndex, state.hardState),
    memberships,
    role: 'follower',
    term,
    vote,
    leader: null,
    commit,
    applied: state.applied,
    restored: state.applied,
    dispatched: state.applied,
    mayVoteFrom: state.mayVoteFrom,
    isRepairGoalKnown: false,
    lostVote: makeLostVote(options, state),
    electionElapsed: 0,
    electionTimeout: 0,
    heartbeatElapsed: 0,
    hintedCampaignIn: null,
    votesRequested: 0,
    campaignsDeferred: 0,
    heldPreVote: null,
    votes: new Map(),
    peers: [],
    peerById: new Map(),
    isMembershipSettled: false,
    flushNeeded: false,
    round: 0,
    roundNeeded: false,
    transferTo: null,
    transferTicksLeft: 0,
    readQueue: new ReadQueue(),
    forwardedReads: new ForwardedReads(
      Math.floor(options.random() * FIRST_BATCH_RANGE) * BATCHES_PER_INCARNATION,
    ),
    // Bound once: they are called for every acknowledgement.
    matchOf: (id) => matchOf(core, id),
    ackedRoundOf: (id) => (id === core.id ? core.round : countedRound(core.peerById.get(id))),
    readyNumber: 0,
    handedHardState: state.hardState,
    snapshot: null,
    installing: null,
    messages: [],
    messagesAfterPersist: [],
    grants: [],
    droppedReads: [],
    snapshotsToSend: [],
  }
  resetElectionTimer(core)
  return core
}

function makeLostVote(options: RaftOptions, state: RaftState): LostVote | null {
  assert(!state.isVoteLost || state.mayVoteFrom !== null, 'a vote is lost with a part of the log')
  if (!state.isVoteLost) return null
  const number = Math.floor(options.random() * QUESTION_NUMBERS)
  return { number, heard: new Set(), unsure: new Set(), ticksToNextRequest: 0 }
}

/**
 * Storage may have lost the newest hard state, or never written it: a snapshot is installed before the
 * record that goes with it. A log that proves a later term moves there, without a vote.
 */
function currentVote(
  found: HardState,
  log: RaftLog,
): { readonly term: Term; readonly vote: ReplicaId | null } {
  return log.lastTerm > found.term ? { term: log.lastTerm, vote: null } : found
}

/**
 * A damaged log may end in entries that were replaced by others, now lost: what was known to be committed
 * can't be told from them. Only what the engine has applied is beyond doubt; a leader tells the rest.
 */
function knownCommit(state: RaftState, log: RaftLog): LogIndex {
  const trusted = state.mayVoteFrom === null ? state.hardState.commit : INDEX_ZERO
  return Math.min(Math.max(trusted, state.applied, state.base.index), log.lastIndex) as LogIndex
}

/** What a quorum may count on: the own log by what is durable, a peer's by what it acknowledged. */
function matchOf(core: Core, id: ReplicaId): number {
  if (id === core.id) return core.durability.persistedIndex
  const peer = core.peerById.get(id)
  return peer === undefined || peer.isRepairing ? 0 : peer.match
}

function countedRound(peer: Progress | undefined): number {
  return peer === undefined || peer.isRepairing ? 0 : peer.ackedRound
}

export function resetElectionTimer(core: Core): void {
  const { electionTicks, random } = core.options
  const drawn = random()
  assert(drawn >= 0 && drawn < 1, `random() returned ${drawn}`)
  core.electionElapsed = 0
  core.electionTimeout = electionTicks + Math.floor(drawn * electionTicks)
}

/** May campaign: it is needed, its log is whole, and no snapshot is halfway in. */
export function isPromotable(core: Core): boolean {
  return mayBeNeeded(core) && core.mayVoteFrom === null && core.installing === null
}

/** It would have much to apply before it could serve as a leader. */
export function isLagging(core: Core): boolean {
  const { log, applied, options } = core
  if (applied < log.base.index || applied >= log.lastIndex) return false
  return log.bytesBetween(applied, log.lastIndex) > options.maxCampaignLagBytes
}

/**
 * Voters are, and so is a voter that the latest membership removes, until that is committed: it may be
 * the only one whose log can win, with the votes of the others (thesis §4.2.2).
 */
export function mayBeNeeded(core: Core): boolean {
  const { current, currentIndex } = core.memberships
  if (isVoter(current, core.id)) return true
  if (currentIndex <= core.commit) return false
  return isVoter(core.memberships.at((currentIndex - 1) as LogIndex), core.id)
}

export function isRepairing(core: Core): boolean {
  return core.mayVoteFrom !== null
}

/** Appends to the log; a membership takes effect at once. */
export function appendEntry(core: Core, entry: Entry): void {
  core.log.append(entry)
  core.memberships.append(entry)
}

export function truncateFrom(core: Core, index: LogIndex): void {
  assert(core.role !== 'leader', 'a leader never rewrites its log')
  assert(index > core.commit, `truncating committed entry ${index} (commit ${core.commit})`)
  core.log.truncateFrom(index)
  core.memberships.truncateFrom(index)
  core.durability.truncateFrom(index)
}

export function commitTo(core: Core, index: LogIndex): void {
  if (index <= core.commit) return
  assert(index <= core.log.lastIndex, `commit ${index} beyond the log's end ${core.log.lastIndex}`)
  core.commit = index
}

export function send(core: Core, message: Message): void {
  assert(message.from === core.id && message.to !== core.id)
  core.messages.push(message)
}

/** The message promises something that must survive a crash. */
export function sendAfterPersist(core: Core, message: Message): void {
  assert(message.from === core.id && message.to !== core.id)
  core.messagesAfterPersist.push(message)
}

function assertOptions(options: RaftOptions): void {
  assert(Number.isSafeInteger(options.id) && options.id >= 1)
  assert(Number.isInteger(options.heartbeatTicks) && options.heartbeatTicks >= 1)
  assert(Number.isInteger(options.electionTicks) && options.electionTicks > options.heartbeatTicks)
  for (const limit of [
    options.maxMessageBytes,
    options.maxInflightMessages,
    options.maxInflightBytes,
    options.maxUncommittedBytes,
    options.maxApplyBytes,
    options.maxCampaignLagBytes,
  ]) {
    assert(Number.isSafeInteger(limit) && limit >= 1, `a limit is ${limit}`)
  }
}

/**
 * `applied` and `commit` may lie beyond a damaged log: the engine, or an earlier log, was further.
 * Beyond a whole log they prove that storage lost entries without noticing, and nothing is safe then.
 */
function assertState(state: RaftState, log: RaftLog): void {
  assert(state.applied >= state.base.index, 'applied lies before the log')
  if (state.mayVoteFrom !== null) return
  const { lastIndex } = log
  const isFresh = state.entries.length === 0
  assert(isFresh || log.lastTerm <= state.hardState.term, 'the log is ahead of the hard state')
  assert(state.applied <= lastIndex, `applied ${state.applied} beyond the log's end ${lastIndex}`)
  assert(
    state.hardState.commit <= lastIndex,
    `commit ${state.hardState.commit} beyond the log's end ${lastIndex}`,
  )
  assert(state.base.index >= INDEX_ZERO)
}
