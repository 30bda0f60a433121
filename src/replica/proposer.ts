/**
 * Turns commands into log entries and remembers who waits for them.
 *
 * Everything proposed in one turn of the event loop travels in one entry. What was appended is
 * remembered by index AND term: when the log reaches that index with the same term the waiting
 * commands are answered by their own replies. When another entry is applied there, or an entry of a
 * later term before it (terms never fall along a log), they are known not to have happened. So
 * losing leadership never makes a command's outcome doubtful as long as this replica goes on applying.
 */
import assert from 'node:assert/strict'
import type { LogIndex, LogPosition } from '../base/log-entry.ts'
import type { Machine } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import type { Random } from '../env/random.ts'
import type { Raft } from '../raft/raft.ts'
import type { LocalEntry } from './applier.ts'
import { batchEnd } from './batch-end.ts'
import { type EntryPayload, encodePayload } from './entry-payload.ts'
import { NO_MARKS, type ProposalMark } from './forwarding/proposal-mark.ts'
import type { StreamId } from './forwarding/proposal-streams.ts'
import type { Failure, Responder } from './outcome.ts'

export type ProposerLimits = {
  /** Commands of one entry; more in one turn become several entries. */
  readonly entryCommandsMax: number
  /** An entry is closed once its commands hold this many bytes. */
  readonly entryBytesMax: number
  /** Commands that wait because the log is not taking more; beyond it they are refused. */
  readonly pendingCommandsMax: number
  /** The same in bytes; a single command always fits. */
  readonly pendingBytesMax: number
}

type Pending<Command, Reply> = {
  readonly command: Command
  readonly bytes: number
  readonly responder: Responder<Reply>
  /** Another node's gateway sent it, for this term only. */
  readonly from: StreamId | null
  /** In that stream. */
  readonly place: number
}

type Inflight<Command, Reply> = {
  readonly position: LogPosition
  readonly payload: EntryPayload<Command>
  readonly commands: readonly Pending<Command, Reply>[]
}

export class Proposer<Command, Reply> {
  readonly #raft: Raft
  readonly #machine: Machine<Command, Reply>
  readonly #clock: Clock
  readonly #random: Random
  readonly #limits: ProposerLimits
  readonly #appliedTimeMs: () => number
  #pending: Pending<Command, Reply>[] = []
  #pendingBytes = 0
  /** The term that those of them were sent for which came from other nodes: the present one, or one that is over. */
  #foreignTerm: number | null = null
  /** Ascending by index and by term. */
  #inflight: Inflight<Command, Reply>[] = []
  #inflightHead = 0
  /**
   * What stood where this replica, leading again, has appended since. Not lost for certain: another
   * replica may still hold it and win a later election.
   */
  #displaced: Inflight<Command, Reply>[] = []
  #lastStampMs = 0

  constructor(
    raft: Raft,
    machine: Machine<Command, Reply>,
    world: { readonly clock: Clock; readonly random: Random },
    limits: ProposerLimits,
    appliedTimeMs: () => number,
  ) {
    this.#raft = raft
    this.#machine = machine
    this.#clock = world.clock
    this.#random = world.random
    this.#limits = limits
    this.#appliedTimeMs = appliedTimeMs
  }

  get pendingCommands(): number {
    return this.#pending.length
  }

  get inflightEntries(): number {
    return this.#inflight.length - this.#inflightHead + this.#displaced.length
  }

  /** `bytes`: the command's size in the log, roughly; it decides where entries are cut. */
  add(command: Command, bytes: number, responder: Responder<Reply>): boolean {
    return this.#push({ command, bytes, responder, from: null, place: 0 })
  }

  /**
   * From a gateway on another node. It learns from its own log what came of it, so nobody is told here; and it goes
   * into the log in the term it was sent for or never, since with the first entry of a later one it is sent again.
   */
  addForeign(command: Command, bytes: number, from: StreamId, place: number): boolean {
    this.#dropStale(from.term)
    this.#foreignTerm = from.term
    return this.#push({ command, bytes, responder: NOBODY, from, place })
  }

  #push(pending: Pending<Command, Reply>): boolean {
    const { pendingCommandsMax, pendingBytesMax } = this.#limits
    const count = this.#pending.length
    if (count >= pendingCommandsMax) return false
    if (count > 0 && this.#pendingBytes + pending.bytes > pendingBytesMax) return false
    this.#pending.push(pending)
    this.#pendingBytes += pending.bytes
    return true
  }

  /** Appends what is pending to the log; what the log does not take now stays pending. */
  proposePending(): void {
    if (this.#pending.length === 0) return
    this.#dropStale(this.#raft.term)
    const pending = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    const { entryCommandsMax, entryBytesMax } = this.#limits
    let from = 0
    while (from < pending.length) {
      const to = batchEnd(pending, from, entryCommandsMax, entryBytesMax)
      const isAll = from === 0 && to === pending.length
      if (!this.#proposeEntry(isAll ? pending : pending.slice(from, to))) break
      from = to
    }
    if (from === pending.length) return
    this.#pending = [...pending.slice(from), ...this.#pending]
    this.#pendingBytes = bytesOf(this.#pending)
  }

  /** Forgets what was sent for another term than this. */
  #dropStale(term: number): void {
    if (this.#foreignTerm === null || this.#foreignTerm === term) return
    this.#foreignTerm = null
    this.#pending = this.#pending.filter(({ from }) => from === null || from.term === term)
    this.#pendingBytes = bytesOf(this.#pending)
  }

  /** Proposes an entry that nobody waits for. */
  proposeQuietly(kind: 'check' | { readonly machineVersion: number }): void {
    const timeMs = this.#stamp()
    const payload: EntryPayload<Command> =
      kind === 'check' ? { kind, timeMs } : { kind: 'version', timeMs, machineVersion: kind.machineVersion }
    this.#raft.propose(encodePayload(this.#machine, payload))
  }

  /** What was proposed here for this position; tells those who can't come any more. */
  takeLocal(position: LogPosition): LocalEntry<Command, Reply> | null {
    const displaced = this.#displaced.length === 0 ? null : this.#takeDisplaced(position)
    for (;;) {
      const head = this.#inflight[this.#inflightHead]
      if (head === undefined) break
      if (head.position.term >= position.term) {
        if (head.position.index > position.index) break
        assert(head.position.index === position.index, 'every index is applied')
        this.#dropHead()
        if (head.position.term === position.term) return localEntry(head)
      } else {
        this.#dropHead()
      }
      failFrom(head, 0, { kind: 'notCommitted' })
    }
    return displaced === null ? null : localEntry(displaced)
  }

  /** A snapshot replaced the log up to `index`: whether these were part of it can't be told. */
  skipTo(index: LogIndex): void {
    const isSkipped = (entry: Inflight<Command, Reply>): boolean => entry.position.index <= index
    const skipped = [...this.#inflight.slice(this.#inflightHead), ...this.#displaced].filter(isSkipped)
    this.#inflight = this.#inflight.slice(this.#inflightHead).filter((entry) => !isSkipped(entry))
    this.#inflightHead = 0
    this.#displaced = this.#displaced.filter((entry) => !isSkipped(entry))
    for (const entry of skipped) failFrom(entry, 0, { kind: 'unknown' })
  }

  /** Fails what was not given to the log yet. */
  failPending(failure: Failure): void {
    const pending = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    for (const { responder } of pending) responder.fail(failure)
  }

  /** The replica stops: what is in the log may still commit elsewhere. */
  failInflight(failure: Failure): void {
    const inflight = [...this.#displaced, ...this.#inflight.slice(this.#inflightHead)]
    this.#displaced = []
    this.#inflight = []
    this.#inflightHead = 0
    for (const entry of inflight) failFrom(entry, 0, failure)
  }

  #proposeEntry(batch: readonly Pending<Command, Reply>[]): boolean {
    const payload: EntryPayload<Command> = {
      kind: 'commands',
      timeMs: this.#stamp(),
      seed: this.#random.u32(),
      commands: batch.map((pending) => pending.command),
      marks: marksOf(batch),
    }
    const result = this.#raft.propose(encodePayload(this.#machine, payload, bytesOf(batch)))
    switch (result.kind) {
      case 'accepted':
        this.#displaceFrom(result.position.index)
        this.#inflight.push({ position: result.position, payload, commands: batch })
        return true
      case 'notLeader':
        for (const { responder } of batch) responder.fail({ kind: 'notLeader', leader: result.leader })
        return true
      case 'refused':
        return false
    }
  }

  #stamp(): number {
    this.#lastStampMs = Math.max(this.#lastStampMs, this.#appliedTimeMs(), this.#clock.wallMs())
    return this.#lastStampMs
  }

  #displaceFrom(index: LogIndex): void {
    for (;;) {
      const last = this.#inflight.length > this.#inflightHead ? this.#inflight.at(-1) : undefined
      if (last === undefined || last.position.index < index) return
      this.#inflight.pop()
      this.#displaced.push(last)
    }
  }

  #takeDisplaced(position: LogPosition): Inflight<Command, Reply> | null {
    let found: Inflight<Command, Reply> | null = null
    const kept: Inflight<Command, Reply>[] = []
    for (const entry of this.#displaced) {
      const { index, term } = entry.position
      if (index === position.index && term === position.term) found = entry
      else if (index > position.index && term >= position.term) kept.push(entry)
      else failFrom(entry, 0, { kind: 'notCommitted' })
    }
    this.#displaced = kept
    return found
  }

  #dropHead(): void {
    this.#inflightHead += 1
    // Soon, because the array holds on to whole entries and all who waited for them; seldom enough for O(1).
    if (this.#inflightHead * 2 >= this.#inflight.length) {
      this.#inflight = this.#inflight.slice(this.#inflightHead)
      this.#inflightHead = 0
    }
  }
}

function bytesOf(commands: readonly { readonly bytes: number }[]): number {
  let bytes = 0
  for (const command of commands) bytes += command.bytes
  return bytes
}

const NOBODY: Responder<unknown> = { reply: () => {}, fail: () => {} }

function marksOf(batch: readonly Pending<unknown, never>[]): readonly ProposalMark[] {
  let marks: ProposalMark[] | null = null
  for (let ordinal = 0; ordinal < batch.length; ) {
    const { from, place } = batch[ordinal] as Pending<unknown, never>
    let end = ordinal + 1
    if (from !== null) {
      while (end < batch.length && batch[end]?.from === from && batch[end]?.place === place + end - ordinal)
        end += 1
      const { gateway, incarnation, stream } = from
      marks ??= []
      marks.push({ gateway, incarnation, stream, first: place, ordinal, count: end - ordinal })
    }
    ordinal = end
  }
  return marks ?? NO_MARKS
}

function localEntry<Command, Reply>(entry: Inflight<Command, Reply>): LocalEntry<Command, Reply> {
  return {
    payload: entry.payload,
    onReply: (ordinal, reply) => (entry.commands[ordinal] as Pending<Command, Reply>).responder.reply(reply),
    onAbandoned: (ordinal) => failFrom(entry, ordinal, { kind: 'unknown' }),
  }
}

function failFrom<Command, Reply>(entry: Inflight<Command, Reply>, ordinal: number, failure: Failure): void {
  for (let at = ordinal; at < entry.commands.length; at++) {
    ;(entry.commands[at] as Pending<Command, Reply>).responder.fail(failure)
  }
}
