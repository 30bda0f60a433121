/**
 * Turns commands into log entries and remembers who waits for them.
 *
 * Everything proposed in one turn of the event loop travels in one entry. What was appended is
 * remembered by index AND term: when the log reaches that index with the same term the waiting
 * commands are answered by their own replies, with another term they are known not to have
 * happened. So losing leadership never makes a command's outcome doubtful as long as this replica
 * goes on applying.
 */
import assert from 'node:assert/strict'
import type { LogIndex, LogPosition } from '../base/log-entry.ts'
import type { Machine } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import type { Random } from '../env/random.ts'
import type { Raft } from '../raft/raft.ts'
import type { LocalEntry } from './applier.ts'
import { type EntryPayload, encodePayload } from './entry-payload.ts'
import type { Failure, Responder } from './outcome.ts'

export type ProposerLimits = {
  /** Commands of one entry; more in one turn become several entries. */
  readonly entryCommandsMax: number
  /** An entry is closed once its commands hold this many bytes. */
  readonly entryBytesMax: number
  /** Commands that wait because the log is not taking more; beyond it they are refused. */
  readonly pendingCommandsMax: number
}

type Pending<Command, Reply> = {
  readonly command: Command
  readonly bytes: number
  readonly responder: Responder<Reply>
}

type Inflight<Command, Reply> = {
  readonly position: LogPosition
  readonly payload: EntryPayload<Command>
  readonly responders: readonly Responder<Reply>[]
}

export class Proposer<Command, Reply> {
  readonly #raft: Raft
  readonly #machine: Machine<Command, Reply>
  readonly #clock: Clock
  readonly #random: Random
  readonly #limits: ProposerLimits
  readonly #appliedTimeMs: () => number
  #pending: Pending<Command, Reply>[] = []
  #inflight: Inflight<Command, Reply>[] = []
  #inflightHead = 0
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
    return this.#inflight.length - this.#inflightHead
  }

  /** `bytes`: the command's size in the log, roughly; it decides where entries are cut. */
  add(command: Command, bytes: number, responder: Responder<Reply>): boolean {
    if (this.#pending.length >= this.#limits.pendingCommandsMax) return false
    this.#pending.push({ command, bytes, responder })
    return true
  }

  /** Appends what is pending to the log; what the log does not take now stays pending. */
  proposePending(): void {
    let from = 0
    while (from < this.#pending.length) {
      const to = this.#entryEnd(from)
      if (!this.#proposeEntry(this.#pending.slice(from, to))) break
      from = to
    }
    if (from === 0) return
    this.#pending = from === this.#pending.length ? [] : this.#pending.slice(from)
  }

  /** Proposes an entry that nobody waits for. */
  proposeQuietly(kind: 'check' | { readonly machineVersion: number }): void {
    const timeMs = this.#stamp()
    const payload: EntryPayload<Command> =
      kind === 'check' ? { kind, timeMs } : { kind: 'version', timeMs, machineVersion: kind.machineVersion }
    this.#raft.propose(encodePayload(this.#machine, payload))
  }

  /** What was proposed here for this position; tells those who were displaced. */
  takeLocal(position: LogPosition): LocalEntry<Command, Reply> | null {
    const head = this.#inflight[this.#inflightHead]
    if (head === undefined || head.position.index > position.index) return null
    assert(head.position.index === position.index, 'every index is applied')
    this.#dropHead()
    // An entry that this replica appended and lost may have been appended again by it as a later
    // leader: then the same index stands again further back.
    if (head.position.term !== position.term) {
      failAll(head, { kind: 'notCommitted' })
      return this.takeLocal(position)
    }
    return {
      payload: head.payload,
      onReply: (ordinal, reply) => (head.responders[ordinal] as Responder<Reply>).reply(reply),
    }
  }

  /** A snapshot replaced the log up to `index`: whether these were part of it can't be told. */
  skipTo(index: LogIndex): void {
    for (;;) {
      const head = this.#inflight[this.#inflightHead]
      if (head === undefined || head.position.index > index) return
      this.#dropHead()
      failAll(head, { kind: 'unknown' })
    }
  }

  /** Fails what was not given to the log yet. */
  failPending(failure: Failure): void {
    const pending = this.#pending
    this.#pending = []
    for (const { responder } of pending) responder.fail(failure)
  }

  /** The replica stops: what is in the log may still commit elsewhere. */
  failInflight(failure: Failure): void {
    const inflight = this.#inflight.slice(this.#inflightHead)
    this.#inflight = []
    this.#inflightHead = 0
    for (const entry of inflight) failAll(entry, failure)
  }

  #entryEnd(from: number): number {
    let bytes = 0
    let to = from
    while (to < this.#pending.length && to - from < this.#limits.entryCommandsMax) {
      bytes += (this.#pending[to] as Pending<Command, Reply>).bytes
      if (to > from && bytes > this.#limits.entryBytesMax) break
      to += 1
    }
    return to
  }

  #proposeEntry(batch: readonly Pending<Command, Reply>[]): boolean {
    const payload: EntryPayload<Command> = {
      kind: 'commands',
      timeMs: this.#stamp(),
      seed: this.#random.u32(),
      commands: batch.map((pending) => pending.command),
    }
    const result = this.#raft.propose(encodePayload(this.#machine, payload))
    switch (result.kind) {
      case 'accepted':
        this.#inflight.push({
          position: result.position,
          payload,
          responders: batch.map((pending) => pending.responder),
        })
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

  #dropHead(): void {
    this.#inflightHead += 1
    if (this.#inflightHead === this.#inflight.length || this.#inflightHead > 1024) {
      this.#inflight = this.#inflight.slice(this.#inflightHead)
      this.#inflightHead = 0
    }
  }
}

function failAll<Command, Reply>(entry: Inflight<Command, Reply>, failure: Failure): void {
  for (const responder of entry.responders) responder.fail(failure)
}
