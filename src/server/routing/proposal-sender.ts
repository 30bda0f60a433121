/**
 * Sends writes to a leader that this node's own replica follows, and takes what other nodes send so. What came of
 * a write its sender learns from its own log: docs/design/0008-writes-through-followers.md.
 *
 * What goes to one leader in one turn travels in one request. What the leader has not said it took, because a
 * connection broke or nothing was heard for a while, is sent again for as long as it leads in the same term; places
 * in the stream make that harmless.
 */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Clock, Timer } from '../../env/clock.ts'
import type { ClosedBy, SizedCommand } from '../../replica/forwarding/proposal-streams.ts'
import type { Sender, Sent, SentStream } from '../../replica/forwarding/sent-stream.ts'
import type { Group } from '../../replica/group.ts'
import type { Failure } from '../../replica/outcome.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Respond, Transport } from '../../replica/transport/transport.ts'
import type { MachineCodec } from './machine-codec.ts'
import type { Operation } from './operation.ts'
import {
  type ProposalAnswer,
  readProposalAnswer,
  readProposalHeader,
  writeProposalAnswer,
  writeProposalHeader,
} from './proposal-codec.ts'

/** Commands of one request; more become several. */
const REQUEST_COMMANDS_MAX = 1_024
const REQUEST_BYTES_MAX = 4 * 1024 * 1024
/** Requests of a stream without an answer; what comes then waits, and travels together. */
const REQUESTS_OPEN_MAX = 16
/** How often it is looked whether something has to be sent again. */
const REPEAT_POLL_MS = 50

export type ProposalSenderOptions<Command, Reply> = {
  readonly clock: Clock
  readonly transport: Pick<Transport, 'request' | 'isConnected'>
  readonly codec: Pick<MachineCodec<Command, Reply>, 'machine'>
  readonly self: ReplicaId
  readonly incarnation: number
  readonly localGroup: (group: GroupId) => Group<Command, Reply> | null
  /** What the answering node said about who leads the group. */
  readonly onHeard: (group: GroupId, term: number, leader: ReplicaId | null) => void
  /** A leader that has said nothing for so long is sent the same again. */
  readonly answerTimeoutMs: number
}

type Transmission<Command, Reply> = {
  readonly group: Group<Command, Reply>
  readonly stream: SentStream<Command, Reply>
  /** The next place to send. */
  next: number
  /** Requests without an answer, of those sent since all was last sent again. */
  open: number
  round: number
  /** When all was last sent again, or the leader last answered. */
  quietSinceMs: number
  /** A request came to nothing. */
  hasFailed: boolean
}

export class ProposalSender<Command, Reply> {
  readonly #options: ProposalSenderOptions<Command, Reply>
  readonly #transmissions = new Map<SentStream<Command, Reply>, Transmission<Command, Reply>>()
  #isFlushScheduled = false
  #repeatTimer: Timer | null = null

  constructor(options: ProposalSenderOptions<Command, Reply>) {
    this.#options = options
  }

  /** To the leader that `group`, the replica on this node, follows. */
  send(operation: Operation<Command, Reply>, group: Group<Command, Reply>): void {
    const stream = group.sent.streamTo(operation.sentTo as ReplicaId, group.raft.term)
    stream.add(operation.command, operation.bytes, new OperationSender(operation))
    if (!this.#transmissions.has(stream)) this.#transmissions.set(stream, this.#begin(group, stream))
    this.#scheduleRepeat()
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    this.#options.clock.endOfTurn(() => {
      this.#isFlushScheduled = false
      for (const transmission of this.#transmissions.values()) this.#transmit(transmission)
    })
  }

  stop(): void {
    this.#repeatTimer?.cancel()
    this.#repeatTimer = null
    this.#transmissions.clear()
  }

  /** Takes what another node's gateway sent. */
  serve(from: ReplicaId | null, body: ByteReader, respond: Respond): void {
    const { codec, localGroup } = this.#options
    if (from === null) {
      respond(null)
      return
    }
    const { group: groupId, count, id, first } = readProposalHeader(body, from)
    const group = localGroup(groupId)
    if (group === null) {
      respond(null)
      return
    }
    if (count === 0 || count > REQUEST_COMMANDS_MAX) throw new MalformedBytes(`${count} commands were sent`)
    const proposals: SizedCommand<Command>[] = []
    while (proposals.length < count) {
      const start = body.position
      const command = body.u8() === 0 ? null : codec.machine.decode(body)
      proposals.push({ command, bytes: body.position - start })
    }
    body.expectEnd()
    const taken = group.accept(id, first, proposals)
    const { term, leader } = group.raft
    respond((writer) => writeProposalAnswer(writer, { term, leader, taken }))
  }

  #begin(group: Group<Command, Reply>, stream: SentStream<Command, Reply>): Transmission<Command, Reply> {
    const quietSinceMs = this.#options.clock.monotonicMs()
    return { group, stream, next: stream.taken, open: 0, round: 0, quietSinceMs, hasFailed: false }
  }

  #transmit(transmission: Transmission<Command, Reply>): void {
    const { stream } = transmission
    // A late answer to one that is over: another may have begun.
    if (this.#transmissions.get(stream) !== transmission) return
    while (transmission.open < REQUESTS_OPEN_MAX && !stream.isClosed) {
      const sent = stream.notTaken(transmission.next, REQUEST_COMMANDS_MAX, REQUEST_BYTES_MAX)
      const last = sent.at(-1)
      if (last === undefined) return
      transmission.next = last.place + 1
      transmission.open += 1
      this.#request(transmission, sent)
    }
  }

  #request(transmission: Transmission<Command, Reply>, sent: readonly Sent<Command, Reply>[]): void {
    const { transport, codec, self, incarnation } = this.#options
    const { group, stream, round } = transmission
    const id = { gateway: self, incarnation, term: stream.term, stream: stream.number }
    const first = (sent[0] as Sent<Command, Reply>).place
    const write = (writer: ByteWriter): void => {
      writeProposalHeader(writer, { group: group.id, id, first, count: sent.length })
      for (const { command, sender } of sent) {
        // The leader has not taken it, as far as is known: then it need not take it any more.
        writer.u8(sender.isGone ? 0 : 1)
        if (!sender.isGone) codec.machine.encode(command, writer)
      }
    }
    transport.request(RequestKind.propose, stream.leader, write, (body) => {
      const isPresent = transmission.round === round
      if (isPresent) transmission.open -= 1
      if (body !== null)
        this.#onAnswer(transmission, isPresent, first + sent.length, readProposalAnswer(body))
      else transmission.hasFailed ||= isPresent
    })
  }

  /** `end`: the place behind those that were asked about. `isPresent`: not all was sent again since. */
  #onAnswer(
    transmission: Transmission<Command, Reply>,
    isPresent: boolean,
    end: number,
    { term, leader, taken }: ProposalAnswer,
  ): void {
    const { group, stream } = transmission
    this.#options.onHeard(group.id, term, leader)
    transmission.quietSinceMs = this.#options.clock.monotonicMs()
    // Refused: its term is over, or will be; the log will show it.
    if (taken.kind === 'refused') return
    if (taken.next > stream.lastPlace + 1) {
      throw new MalformedBytes(`the leader took places up to ${taken.next - 1}, of ${stream.lastPlace}`)
    }
    if (taken.closedBy === 'behind') group.pace.fellBehind()
    group.sent.onTaken(stream, taken.next, taken.closedBy === null ? null : failureOf(taken.closedBy))
    // What was sent before this was lost on the way.
    if (isPresent && taken.next < end) this.#repeat(transmission)
    else this.#transmit(transmission)
  }

  /** All that was not taken is sent again, in order. */
  #repeat(transmission: Transmission<Command, Reply>): void {
    transmission.round += 1
    transmission.open = 0
    transmission.hasFailed = false
    transmission.next = transmission.stream.taken
    transmission.quietSinceMs = this.#options.clock.monotonicMs()
    this.#transmit(transmission)
  }

  #scheduleRepeat(): void {
    if (this.#repeatTimer !== null || this.#transmissions.size === 0) return
    this.#repeatTimer = this.#options.clock.setTimer(REPEAT_POLL_MS, () => {
      this.#repeatTimer = null
      for (const transmission of this.#transmissions.values()) this.#look(transmission)
      this.#scheduleRepeat()
    })
  }

  #look(transmission: Transmission<Command, Reply>): void {
    const { group, stream } = transmission
    const { clock, transport, answerTimeoutMs } = this.#options
    const isOver = stream.isClosed || stream.taken > stream.lastPlace || group.raft.term > stream.term
    if (isOver) {
      this.#transmissions.delete(stream)
      return
    }
    const isQuiet = clock.monotonicMs() - transmission.quietSinceMs >= answerTimeoutMs
    const isReachable = group.raft.leader === stream.leader && transport.isConnected(stream.leader)
    if ((transmission.hasFailed || isQuiet) && isReachable) this.#repeat(transmission)
  }
}

class OperationSender<Command, Reply> implements Sender<Reply> {
  readonly #operation: Operation<Command, Reply>
  readonly #attempt: number

  constructor(operation: Operation<Command, Reply>) {
    this.#operation = operation
    this.#attempt = operation.attempt
  }

  get isGone(): boolean {
    return this.#operation.isDone
  }

  reply(reply: Reply): void {
    this.#operation.reply(reply)
  }

  fail(failure: Failure): void {
    this.#operation.failSent(this.#attempt, failure)
  }
}

function failureOf(closedBy: ClosedBy): Failure {
  if (closedBy === 'overloaded') return { kind: 'overloaded' }
  const reason = closedBy === 'behind' ? 'this replica is behind' : 'the leader of the group takes no writes'
  return { kind: 'unhealthy', reason }
}
