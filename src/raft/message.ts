/**
 * What replicas of one group say to each other. Plain data; the bytes are in message-codec.ts.
 *
 * A message may be lost, doubled, delayed and overtaken: every handler must bear that. `term` is
 * the sender's term; only a pre-vote names the term its sender WOULD campaign in.
 */
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, LogIndex, LogPosition, Term } from '../base/log-entry.ts'

type Envelope<Kind extends string> = {
  readonly kind: Kind
  readonly from: ReplicaId
  readonly to: ReplicaId
  readonly term: Term
}

/** "Would you vote for me in `term`?" Promises nothing on either side (thesis §9.6). */
export type PreVote = Envelope<'preVote'> & { readonly lastLog: LogPosition }
/** A grant repeats the term asked for; a refusal carries the refuser's own. */
export type PreVoteReply = Envelope<'preVoteReply'> & { readonly granted: boolean }

export type Vote = Envelope<'vote'> & {
  readonly lastLog: LogPosition
  /** The leader itself asked for this election: a live leader is no reason to refuse (thesis §3.10). */
  readonly isTransfer: boolean
}
export type VoteReply = Envelope<'voteReply'> & { readonly granted: boolean }

export type Append = Envelope<'append'> & {
  /** The entry before `entries[0]`. */
  readonly previous: LogPosition
  /** Consecutive from `previous.index + 1`; may be empty. */
  readonly entries: readonly Entry[]
  readonly commit: LogIndex
}
export type AppendReply = Envelope<'appendReply'> & {
  /** Accepted: durable here up to this index. Refused: the `previous.index` that did not match. */
  readonly index: LogIndex
  /** Null when accepted; else where the sender's log may agree with the leader's (§5.3, last paragraphs). */
  readonly conflict: LogPosition | null
  /** The sender's log is damaged (`mayVoteFrom`): what it holds counts for no quorum yet. */
  readonly isRepairing: boolean
}

export type Heartbeat = Envelope<'heartbeat'> & {
  readonly commit: LogIndex
  /** Counts up in a term; an answer proves that the sender led when the round began (§6.4). */
  readonly round: number
}
export type HeartbeatReply = Envelope<'heartbeatReply'> & {
  readonly round: number
  readonly isRepairing: boolean
}

/** A follower asks on behalf of its readers; `batch` is its own number for them. */
export type ReadIndex = Envelope<'readIndex'> & { readonly batch: number }
export type ReadIndexReply = Envelope<'readIndexReply'> & { readonly batch: number; readonly index: LogIndex }

/**
 * "What is your term?" Asked by a replica whose disk may have lost its newest vote, of everybody it may
 * have voted for: see repair.ts. `number` comes back, so that an answer speaks of now. `term` moves nobody.
 */
export type TermRequest = Envelope<'termRequest'> & { readonly number: number }
/** Not `isSure`: the sender's own disk may have forgotten a later term than it names. */
export type TermReply = Envelope<'termReply'> & { readonly number: number; readonly isSure: boolean }

/** "Campaign now": leadership is handed over. */
export type TimeoutNow = Envelope<'timeoutNow'>

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndex
  | ReadIndexReply
  | TimeoutNow
  | TermRequest
  | TermReply

/** Entries in one append, whatever their size; also bounds what the decoder accepts. */
export const MESSAGE_ENTRIES_MAX = 4096
