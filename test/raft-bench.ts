/**
 * One replica on a workbench: told by hand-made messages, answering at once, with a disk that is as fast as
 * the test wants it. After every step the replica's own invariants are checked.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../src/base/ids.ts'
import type { Entry, LogIndex, LogPosition, Term } from '../src/base/log-entry.ts'
import { EntryKind } from '../src/base/log-entry.ts'
import { createRaft } from '../src/raft/create-raft.ts'
import type { Membership } from '../src/raft/membership.ts'
import type { Message } from '../src/raft/message.ts'
import type { Raft, RaftOptions, RaftState, ReadGrant, Ready } from '../src/raft/raft.ts'

export const ELECTION_TICKS = 10
export const id = (value: number): ReplicaId => value as ReplicaId
export const term = (value: number): Term => value as Term
export const at = (index: number): LogIndex => index as LogIndex
export const position = (inTerm: number, index: number): LogPosition => ({
  term: term(inTerm),
  index: at(index),
})
export const members = (...voters: number[]): Membership => ({
  voters: voters.map(id),
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
})
export const entry = (index: number, inTerm: number, text = ''): Entry => ({
  index: at(index),
  term: term(inTerm),
  kind: EntryKind.command,
  payload: Buffer.from(text),
})
/** Entries from index 1 on, of these terms. */
export const logOf = (...terms: number[]): Entry[] => terms.map((each, slot) => entry(slot + 1, each))

export type Start = Partial<Omit<RaftState, 'hardState'>> & {
  term?: number
  vote?: number | null
  commit?: number
}
export type Body<Kind extends Message['kind']> = Omit<Extract<Message, { kind: Kind }>, 'kind' | 'to'>

/** Replica 1 of three, unless told otherwise; its disk is as fast as `work` is called. */
export class Bench {
  readonly raft: Raft
  /** What left at once, and what left once it was durable. */
  readonly sent: Message[] = []
  readonly applied: Entry[] = []
  readonly reads: ReadGrant[] = []
  readonly droppedReads: number[] = []

  constructor(start: Start = {}, options: Partial<RaftOptions> = {}) {
    const entries = start.entries ?? []
    const lastTerm = entries[entries.length - 1]?.term ?? start.base?.term ?? 0
    const { vote = null, commit = 0 } = start
    this.raft = createRaft(
      {
        id: id(1),
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: 2,
        maxMessageBytes: 1000,
        maxInflightMessages: 16,
        maxInflightBytes: 10_000,
        maxUncommittedBytes: 10_000,
        maxApplyBytes: 10_000,
        maxCampaignLagBytes: 10_000,
        random: () => 0,
        ...options,
      },
      {
        hardState: {
          term: term(start.term ?? lastTerm),
          vote: vote === null ? null : id(vote),
          commit: at(commit),
        },
        base: start.base ?? position(0, 0),
        membership: start.membership ?? members(1, 2, 3),
        entries,
        applied: start.applied ?? start.base?.index ?? at(0),
        mayVoteFrom: start.mayVoteFrom ?? null,
        isVoteLost: start.isVoteLost ?? false,
      },
    )
  }

  /** Delivers, and works until nothing is left to do. */
  step<Kind extends Message['kind']>(kind: Kind, body: Body<Kind>): Message[] {
    this.raft.step({ kind, to: id(1), ...body } as Message)
    this.raft.checkInvariants()
    return this.work()
  }

  /** Takes Readys and makes them durable; what they sent. */
  work(): Message[] {
    const before = this.sent.length
    while (this.raft.hasReady()) this.persist(this.take())
    return this.sent.slice(before)
  }

  take(): Ready {
    const ready = this.raft.takeReady()
    this.sent.push(...ready.messages)
    for (const each of ready.committed) {
      this.applied.push(each)
      this.raft.applied(each.index)
    }
    this.reads.push(...ready.reads)
    this.droppedReads.push(...ready.droppedReads)
    this.raft.checkInvariants()
    return ready
  }

  persist(ready: Ready): void {
    this.raft.persisted(ready.number)
    this.sent.push(...ready.messagesAfterPersist)
    this.raft.checkInvariants()
  }

  tick(times: number): void {
    for (let left = times; left > 0; left--) this.raft.tick()
  }

  /** Becomes leader with the votes of the peers named. */
  lead(...voters: number[]): this {
    this.raft.campaign()
    this.work()
    for (const from of voters) this.answer(from, 'preVoteReply', true)
    for (const from of voters) this.answer(from, 'voteReply', true)
    assert.equal(this.raft.role, 'leader')
    this.work()
    return this
  }

  answer(from: number, kind: 'preVoteReply' | 'voteReply', granted: boolean): void {
    const wanted = kind === 'preVoteReply' ? 'preCandidate' : 'candidate'
    if (this.raft.role !== wanted) return
    const inTerm = kind === 'preVoteReply' && granted ? term(this.raft.term + 1) : this.raft.term
    this.step(kind, { from: id(from), term: inTerm, granted })
  }

  acknowledge(from: number, index: number): Message[] {
    const { term: inTerm } = this.raft
    return this.step('appendReply', {
      from: id(from),
      term: inTerm,
      index: at(index),
      conflict: null,
      isRepairing: false,
    })
  }

  append(from: number, inTerm: number, previous: LogPosition, entries: Entry[], commit = 0): Message[] {
    return this.step('append', { from: id(from), term: term(inTerm), previous, entries, commit: at(commit) })
  }

  terms(): (number | null)[] {
    return Array.from({ length: this.raft.lastIndex }, (_, slot) => this.raft.termAt(at(slot + 1)))
  }
}

export const find = <Kind extends Message['kind']>(
  messages: Message[],
  kind: Kind,
): Extract<Message, { kind: Kind }>[] =>
  messages.filter((message): message is Extract<Message, { kind: Kind }> => message.kind === kind)
