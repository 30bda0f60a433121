/**
 * Sends operations to the node that can carry them out, and carries out those that other nodes
 * send here. What goes to one node and group in one turn travels in one request; its response
 * comes when all of them are done, which they usually are in one log entry.
 */
import { MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { type GroupId, makeGroupId, type ReplicaId } from '../../base/ids.ts'
import type { Clock } from '../../env/clock.ts'
import type { Group } from '../../replica/group.ts'
import type { Failure } from '../../replica/outcome.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Respond, Transport } from '../../replica/transport/transport.ts'
import { OUTCOME_REPLY, readFailure, writeFailure } from './forward-codec.ts'
import type { MachineCodec } from './machine-codec.ts'
import type { Operation } from './operation.ts'

/** Commands of one request; more in one turn become several. */
const REQUEST_COMMANDS_MAX = 1_024
const REQUEST_BYTES_MAX = 4 * 1024 * 1024

export type ForwarderOptions<Command, Reply> = {
  readonly clock: Clock
  readonly transport: Transport
  readonly codec: MachineCodec<Command, Reply>
  readonly localGroup: (group: GroupId) => Group<Command, Reply> | null
}

export class Forwarder<Command, Reply> {
  readonly #options: ForwarderOptions<Command, Reply>
  #pending = new Map<string, { readonly to: ReplicaId; readonly operations: Operation<Command, Reply>[] }>()

  constructor(options: ForwarderOptions<Command, Reply>) {
    this.#options = options
  }

  send(operation: Operation<Command, Reply>, to: ReplicaId): void {
    operation.sentTo = to
    if (this.#pending.size === 0) this.#options.clock.endOfTurn(() => this.#flush())
    const key = `${to}/${operation.group}`
    const batch = this.#pending.get(key)
    if (batch === undefined) this.#pending.set(key, { to, operations: [operation] })
    else batch.operations.push(operation)
  }

  #flush(): void {
    const batches = [...this.#pending.values()]
    this.#pending = new Map()
    for (const { to, operations } of batches) {
      for (let from = 0; from < operations.length; ) {
        const end = requestEnd(operations, from)
        this.#request(to, operations.slice(from, end))
        from = end
      }
    }
  }

  #request(to: ReplicaId, operations: readonly Operation<Command, Reply>[]): void {
    const { group } = operations[0] as Operation<Command, Reply>
    const { machine, decodeReply } = this.#options.codec
    const attempts = operations.map((operation) => operation.attempt)
    const write = (writer: ByteWriter): void => {
      writer.varint(group)
      writer.varint(operations.length)
      for (const { isWrite, command } of operations) {
        writer.u8(isWrite ? 1 : 0)
        machine.encode(command, writer)
      }
    }
    this.#options.transport.request(RequestKind.forward, to, write, (body) => {
      operations.forEach((operation, at) => {
        const outcome: { reply: Reply } | Failure =
          body === null ? { kind: 'unknown' } : readOutcome(body, decodeReply)
        if ('reply' in outcome) operation.reply(outcome.reply)
        else if (operation.attempt === attempts[at]) operation.fail(outcome)
      })
    })
  }

  /** Carries out what another node's forwarder sent. */
  serve(body: ByteReader, respond: Respond): void {
    const groupId = makeGroupId(body.varint())
    const count = body.varint()
    if (count === 0 || count > REQUEST_COMMANDS_MAX) throw new MalformedBytes(`forwarded ${count} commands`)
    const group = this.#options.localGroup(groupId)
    if (group === null) {
      respond(null)
      return
    }
    const { machine, encodeReply } = this.#options.codec
    const outcomes: (({ readonly reply: Reply } | { readonly failure: Failure }) | undefined)[] = new Array(
      count,
    )
    let open = count
    const settle = (at: number, outcome: { readonly reply: Reply } | { readonly failure: Failure }): void => {
      outcomes[at] = outcome
      open -= 1
      if (open > 0) return
      respond((writer) => {
        for (const settled of outcomes) {
          if (settled === undefined) throw new Error('a forwarded command was not settled')
          if ('failure' in settled) writeFailure(writer, settled.failure)
          else {
            writer.u8(OUTCOME_REPLY)
            encodeReply(settled.reply, writer)
          }
        }
      })
    }
    for (let at = 0; at < count; at++) {
      const isWrite = body.u8() === 1
      const start = body.position
      const command = machine.decode(body)
      const responder = {
        reply: (reply: Reply): void => settle(at, { reply }),
        fail: (failure: Failure): void => settle(at, { failure }),
      }
      if (isWrite) group.propose(command, body.position - start, responder)
      else group.query(command, responder)
    }
  }
}

function requestEnd(operations: readonly { readonly bytes: number }[], from: number): number {
  let bytes = 0
  let end = from
  while (end < operations.length && end - from < REQUEST_COMMANDS_MAX) {
    bytes += (operations[end] as { readonly bytes: number }).bytes
    if (end > from && bytes > REQUEST_BYTES_MAX) break
    end += 1
  }
  return end
}

function readOutcome<Reply>(
  body: ByteReader,
  decodeReply: (reader: ByteReader) => Reply,
): { reply: Reply } | Failure {
  const code = body.u8()
  return code === OUTCOME_REPLY ? { reply: decodeReply(body) } : readFailure(code, body)
}
