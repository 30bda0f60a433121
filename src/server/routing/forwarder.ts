/**
 * Sends operations to the node that can carry them out, and carries out those that other nodes
 * send here. What goes to one node and group in one turn travels in one request; its response
 * comes when all of them are done, which they usually are in one log entry. Reads and writes travel
 * apart, so that a slow read delays no write.
 *
 * Failure model: the connection closes, or an answer can't be read, and the fate of the whole
 * request is unknown. Nothing is repeated here.
 */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { type GroupId, makeGroupId, type ReplicaId } from '../../base/ids.ts'
import type { Clock } from '../../env/clock.ts'
import { batchEnd } from '../../replica/batch-end.ts'
import type { Group } from '../../replica/group.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Respond, Transport } from '../../replica/transport/transport.ts'
import {
  type Answer,
  type ForwardHeader,
  readAnswers,
  readRequestHeader,
  writeAnswers,
  writeRequestHeader,
} from './forward-codec.ts'
import type { MachineCodec } from './machine-codec.ts'
import type { Operation } from './operation.ts'

/** Commands of one request; more in one turn become several. */
const REQUEST_WRITES_MAX = 1_024
/** Fewer: each waits for the slowest. */
const REQUEST_READS_MAX = 64
const REQUEST_BYTES_MAX = 4 * 1024 * 1024

export type ForwarderOptions<Command, Reply> = {
  readonly clock: Clock
  readonly transport: Pick<Transport, 'request'>
  readonly codec: MachineCodec<Command, Reply>
  readonly localGroup: (group: GroupId) => Group<Command, Reply> | null
  /** What the answering node said about who leads the group. */
  readonly onHeard: (group: GroupId, term: number, leader: ReplicaId | null) => void
}

type Batch<Command, Reply> = {
  readonly to: ReplicaId
  readonly header: ForwardHeader
  readonly operations: Operation<Command, Reply>[]
}

export class Forwarder<Command, Reply> {
  readonly #options: ForwarderOptions<Command, Reply>
  #pending: Batch<Command, Reply>[] = []

  constructor(options: ForwarderOptions<Command, Reply>) {
    this.#options = options
  }

  /** To `operation.sentTo`, under `operation.sentTerm`. */
  send(operation: Operation<Command, Reply>): void {
    const { group, isWrite, sentTo, sentTerm } = operation
    if (this.#pending.length === 0) this.#options.clock.endOfTurn(() => this.#flush())
    const known = this.#pending.find(
      ({ to, header }) =>
        to === sentTo && header.group === group && header.isWrite === isWrite && header.term === sentTerm,
    )
    if (known !== undefined) known.operations.push(operation)
    else {
      const header = { group, isWrite, term: sentTerm }
      this.#pending.push({ to: sentTo as ReplicaId, header, operations: [operation] })
    }
  }

  #flush(): void {
    const batches = this.#pending
    this.#pending = []
    for (const { to, header, operations } of batches) {
      const countMax = header.isWrite ? REQUEST_WRITES_MAX : REQUEST_READS_MAX
      for (let from = 0; from < operations.length; ) {
        const end = batchEnd(operations, from, countMax, REQUEST_BYTES_MAX)
        this.#request(to, header, operations.slice(from, end))
        from = end
      }
    }
  }

  #request(to: ReplicaId, header: ForwardHeader, operations: readonly Operation<Command, Reply>[]): void {
    const { codec, transport } = this.#options
    const attempts = operations.map((operation) => operation.attempt)
    const write = (writer: ByteWriter): void => {
      writeRequestHeader(writer, header, operations.length)
      for (const { command } of operations) codec.machine.encode(command, writer)
    }
    const failAll = (): void => {
      operations.forEach((operation, at) => operation.failSent(attempts[at] as number, { kind: 'unknown' }))
    }
    transport.request(RequestKind.forward, to, write, (body) => {
      if (body === null) {
        failAll()
        return
      }
      try {
        const { term, leader, answers } = readAnswers(body, operations.length, codec.decodeReply)
        this.#options.onHeard(header.group, term, leader)
        operations.forEach((operation, at) => settle(operation, attempts[at] as number, answers[at]))
      } catch (error) {
        if (error instanceof MalformedBytes) failAll()
        throw error
      }
    })
  }

  /** Carries out what another node's forwarder sent. */
  serve(body: ByteReader, respond: Respond): void {
    const { header, count } = readRequestHeader(body)
    const { isWrite, term } = header
    const limit = isWrite ? REQUEST_WRITES_MAX : REQUEST_READS_MAX
    if (count === 0 || count > limit) throw new MalformedBytes(`forwarded ${count} commands`)
    const group = this.#options.localGroup(makeGroupId(header.group))
    if (group === null) {
      respond(null)
      return
    }
    const { machine, encodeReply } = this.#options.codec
    const answers: (Answer<Reply> | null)[] = new Array(count).fill(null)
    let open = count
    const answer = (at: number, outcome: Answer<Reply>): void => {
      answers[at] = outcome
      open -= 1
      if (open > 0) return
      const { raft } = group
      respond((writer) =>
        writeAnswers(writer, raft.term, raft.leader, answers as readonly Answer<Reply>[], encodeReply),
      )
    }
    // All of them under the leadership their sender knew, or none: see write-lane.ts.
    const isDeposed = isWrite && term !== group.raft.term
    for (let at = 0; at < count; at++) {
      const start = body.position
      const command = machine.decode(body)
      if (isDeposed) {
        answer(at, { kind: 'notLeader', leader: group.raft.leader })
        continue
      }
      const responder = {
        reply: (reply: Reply): void => answer(at, { kind: 'reply', reply }),
        fail: (failure: Exclude<Answer<Reply>, { kind: 'reply' | 'replyTooLarge' }>): void =>
          answer(at, failure),
      }
      if (isWrite) group.propose(command, body.position - start, responder)
      else group.query(command, responder)
    }
  }
}

function settle<Command, Reply>(
  operation: Operation<Command, Reply>,
  attempt: number,
  answer: Answer<Reply> | undefined,
): void {
  if (answer === undefined) throw new MalformedBytes('a forwarded command was not answered')
  if (answer.kind === 'reply') operation.reply(answer.reply)
  else if (answer.kind === 'replyTooLarge') operation.giveUp(operation.isWrite ? { kind: 'unknown' } : answer)
  else operation.failSent(attempt, answer)
}
