/**
 * Decides which commands a replica takes, and says why not: it does not lead, its log or its state is not
 * fit, too much is waiting. Who is refused is told in a later turn, never inside his own call.
 */
import type { Clock } from '../env/clock.ts'
import type { Raft } from '../raft/raft.ts'
import {
  type ProposalStreams,
  REFUSED,
  type SizedCommand,
  type StreamId,
  type Taken,
} from './forwarding/proposal-streams.ts'
import type { SentProposals } from './forwarding/sent-proposals.ts'
import type { GroupHealth } from './group-contract.ts'
import type { Failure, Responder } from './outcome.ts'
import type { Proposer } from './proposer.ts'
import type { Reader } from './reader.ts'

/** What a command that only moves logical time takes in the log, roughly. */
const ADVANCE_TIME_BYTES = 16

export type AdmissionParts<Command, Reply> = {
  readonly raft: Raft
  readonly clock: Clock
  readonly proposer: Proposer<Command, Reply>
  readonly streams: ProposalStreams
  readonly sent: SentProposals<Command, Reply>
  readonly maxFollowLagEntries: number
  readonly reader: Reader<Command, Reply>
  /** Null when the machine has no such command. */
  readonly advanceTime: Command | null
}

/** What the replica is fit for at the moment. */
export type AdmissionFacts = {
  readonly health: () => GroupHealth
  /** The replica has neither failed nor been stopped. */
  readonly isRunning: () => boolean
  readonly isLogFailed: () => boolean
}

/** Where `true` is answered, the command was taken and the group must be scheduled. */
export class Admission<Command, Reply> {
  readonly #parts: AdmissionParts<Command, Reply>
  readonly #facts: AdmissionFacts

  constructor(parts: AdmissionParts<Command, Reply>, facts: AdmissionFacts) {
    this.#parts = parts
    this.#facts = facts
  }

  propose(command: Command, bytes: number, responder: Responder<Reply>): boolean {
    const refusal = this.#writeRefusal()
    if (refusal !== null) return this.#refuse(responder, refusal)
    return (
      this.#parts.proposer.add(command, bytes, responder) || this.#refuse(responder, { kind: 'overloaded' })
    )
  }

  /** What a gateway on another node sent for places `first` and on of its stream. */
  accept(id: StreamId, first: number, proposals: readonly SizedCommand<Command>[]): Taken {
    const { raft, proposer, streams } = this.#parts
    if (raft.role !== 'leader') return REFUSED
    const isFit = this.#writeRefusal() === null
    const lag = raft.lagOf(id.gateway)
    const isBehind = lag === null || lag > this.#parts.maxFollowLagEntries
    return streams.accept(raft.term, id, first, proposals.length, (at) => {
      const { command, bytes } = proposals[at] as SizedCommand<Command>
      if (!isFit) return 'unhealthy'
      if (isBehind) return 'behind'
      if (command === null) return null
      return proposer.addForeign(command, bytes, id, first + at) ? null : 'overloaded'
    })
  }

  query(command: Command, responder: Responder<Reply>): boolean {
    const { raft, reader } = this.#parts
    if (!this.#facts.isRunning()) return this.#refuse(responder, this.unhealthy())
    // What this replica can't log it does not apply: it would wait for an index that does not come.
    if (this.#facts.isLogFailed() && raft.role !== 'leader') {
      return this.#refuse(responder, { kind: 'notLeader', leader: raft.leader })
    }
    return reader.add(command, responder) || this.#refuse(responder, { kind: 'overloaded' })
  }

  /** Of the state as it is here. */
  peek(command: Command, responder: Responder<Reply>): void {
    if (!this.#facts.isRunning()) this.#refuse(responder, this.unhealthy())
    else if (!this.#parts.reader.peek(command, responder)) this.#refuse(responder, { kind: 'overloaded' })
  }

  /** Reads wait for logical time to reach their clock. */
  advanceTime(): boolean {
    const { raft, reader, advanceTime } = this.#parts
    const responder: Responder<Reply> = {
      reply: () => reader.timeAdvanced(),
      fail: () => reader.failUntilTime(),
    }
    if (advanceTime !== null) return this.propose(advanceTime, ADVANCE_TIME_BYTES, responder)
    return this.#refuse(responder, { kind: 'notLeader', leader: raft.leader })
  }

  /** The replica ends: what is in the log already may still happen. */
  failAll(failure: Failure): void {
    const { proposer, sent, reader } = this.#parts
    proposer.failPending(failure)
    proposer.failInflight({ kind: 'unknown' })
    sent.failAll({ kind: 'unknown' })
    reader.failAll(failure)
  }

  unhealthy(): Failure {
    const health = this.#facts.health()
    const reason = health.kind === 'failed' ? health.reason : 'the log of this node does not accept writes'
    return { kind: 'unhealthy', reason }
  }

  #writeRefusal(): Failure | null {
    if (!this.#facts.isRunning() || this.#facts.isLogFailed()) return this.unhealthy()
    const { role, leader } = this.#parts.raft
    return role === 'leader' ? null : { kind: 'notLeader', leader }
  }

  #refuse(responder: Responder<Reply>, failure: Failure): false {
    this.#parts.clock.endOfTurn(() => responder.fail(failure))
    return false
  }
}
