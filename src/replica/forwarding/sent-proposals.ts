/**
 * What this replica's gateway sent to the leader, until the log tells what became of it: the gateway's side of
 * docs/design/0008-writes-through-followers.md.
 *
 * The log decides, never the leader's word, with one exception: a leader that closes a stream takes nothing of it
 * any more.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../../base/ids.ts'
import type { Term } from '../../base/log-entry.ts'
import type { Failure } from '../outcome.ts'
import type { ProposalMark } from './proposal-mark.ts'
import { type Sender, type Sent, SentStream } from './sent-stream.ts'

/** Who is told what applying an entry's commands brings. */
export type Waiters<Reply> = {
  readonly onReply: (ordinal: number, reply: Reply) => void
  /** The commands from `ordinal` on will not be answered: nothing here will execute them. */
  readonly onAbandoned: (ordinal: number) => void
}

const EVERYTHING = Number.MAX_SAFE_INTEGER

export class SentProposals<Command, Reply> {
  readonly #gateway: ReplicaId
  readonly #incarnation: number
  /** Ascending by number, and so by term. */
  #streams: SentStream<Command, Reply>[] = []
  /** A replica is made once in a process, so that no number comes twice under one incarnation. */
  #lastNumber = 0

  constructor(gateway: ReplicaId, incarnation: number) {
    this.#gateway = gateway
    this.#incarnation = incarnation
  }

  /** The stream for what goes to this leader in this term. */
  streamTo(leader: ReplicaId, term: Term): SentStream<Command, Reply> {
    const newest = this.#streams.at(-1)
    if (newest !== undefined && newest.term === term && !newest.isClosed) {
      assert(newest.leader === leader, 'a term has one leader')
      return newest
    }
    assert(newest === undefined || newest.term <= term, 'terms never fall')
    this.#lastNumber += 1
    const stream = new SentStream<Command, Reply>(this.#lastNumber, leader, term)
    this.#streams.push(stream)
    return stream
  }

  /** An entry of this term is about to be applied: what was meant for an earlier term comes no more. */
  reachedTerm(term: Term): void {
    this.#giveUp((stream) => stream.term < term, { kind: 'notCommitted' })
  }

  /** The entry that is about to be applied has these marks; null: none of its commands were sent from here. */
  takeMarked(term: Term, marks: readonly ProposalMark[]): Waiters<Reply> | null {
    let own: (Sender<Reply> | undefined)[] | null = null
    for (const { gateway, incarnation, stream: number, first, ordinal, count } of marks) {
      if (gateway !== this.#gateway || incarnation !== this.#incarnation) continue
      // One of a later stream is executed: of the earlier ones the leader has dropped what is not.
      this.#giveUp((earlier) => earlier.number < number, { kind: 'unknown' })
      const stream = this.#streams[0]
      if (stream?.number !== number) continue
      assert(stream.term === term, 'a stream is of one term')
      // The leader dropped them after it took them; what came behind is executed, so they can't follow.
      failAll(stream.resolveBefore(first), { kind: 'unknown' })
      own ??= []
      while (own.length < ordinal + count) own.push(undefined)
      for (const { place, sender } of stream.resolveBefore(first + count))
        own[ordinal + place - first] = sender
      if (stream.isClosed && stream.isEmpty) this.#streams.shift()
    }
    return own === null ? null : waitersOf(own)
  }

  /** The leader took everything before `next`. `closedBy`: and will take nothing more. */
  onTaken(stream: SentStream<Command, Reply>, next: number, closedBy: Failure | null): void {
    stream.tookBefore(next)
    if (closedBy === null || stream.isClosed) return
    const never = stream.close(next)
    if (stream.isEmpty) this.#streams = this.#streams.filter((candidate) => candidate !== stream)
    failAll(never, closedBy)
  }

  /** A snapshot whose last entry is of this term replaced the log: whether these were part of it can't be told. */
  skipTo(term: Term): void {
    this.#giveUp((stream) => stream.term <= term, { kind: 'unknown' })
  }

  /** The replica ends. */
  failAll(failure: Failure): void {
    this.#giveUp(() => true, failure)
  }

  /** Whoever is told may send again at once, in a stream of its own. */
  #giveUp(isOver: (stream: SentStream<Command, Reply>) => boolean, failure: Failure): void {
    if (this.#streams.length === 0) return
    const over = this.#streams.filter(isOver)
    if (over.length === 0) return
    this.#streams = this.#streams.filter((stream) => !over.includes(stream))
    for (const stream of over) failAll(stream.resolveBefore(EVERYTHING), failure)
  }
}

/** By ordinal. */
function waitersOf<Reply>(own: readonly (Sender<Reply> | undefined)[]): Waiters<Reply> {
  return {
    onReply: (ordinal, reply) => own[ordinal]?.reply(reply),
    onAbandoned: (from) => {
      for (let ordinal = from; ordinal < own.length; ordinal++) own[ordinal]?.fail({ kind: 'unknown' })
    },
  }
}

function failAll(sent: readonly Sent<unknown, never>[], failure: Failure): void {
  for (const { sender } of sent) sender.fail(failure)
}
