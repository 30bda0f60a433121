/**
 * Keeps one connection's commands in their order although writes go through the log and reads do
 * not: a read waits for the writes sent before it, a write for the reads. Runs of the same kind
 * go on side by side, so a pipeline of writes (or of reads) costs one round; that writes do not
 * overtake each other is the router's business (routing/write-lane.ts).
 */
import assert from 'node:assert/strict'
import type { Reply } from '../../kv/reply.ts'
import type { DataRequest } from '../../redis/data-request.ts'
import type { OperationFailure, OperationResponder } from '../routing/operation.ts'
import { failureReply } from './failure-reply.ts'

/** One command of a connection, from when it was read until it is answered: one object for all of its way. */
export class OrderedCommand implements OperationResponder<Reply> {
  readonly request: DataRequest
  readonly isWrite: boolean
  readonly #order: CommandOrder
  readonly #respond: (reply: Reply) => void

  constructor(request: DataRequest, isWrite: boolean, order: CommandOrder, respond: (reply: Reply) => void) {
    this.request = request
    this.isWrite = isWrite
    this.#order = order
    this.#respond = respond
  }

  reply(reply: Reply): void {
    this.#order.close(this.isWrite)
    this.#respond(reply)
    this.#order.release()
  }

  fail(failure: OperationFailure): void {
    this.reply(failureReply(failure))
  }
}

export class CommandOrder {
  readonly #submit: (command: OrderedCommand) => void
  #held: OrderedCommand[] = []
  #heldHead = 0
  #openWrites = 0
  #openReads = 0
  #isReleasing = false

  /** `submit` may answer before it returns. */
  constructor(submit: (command: OrderedCommand) => void) {
    this.#submit = submit
  }

  add(request: DataRequest, isWrite: boolean, respond: (reply: Reply) => void): void {
    const command = new OrderedCommand(request, isWrite, this, respond)
    if (this.#heldHead < this.#held.length || this.#mustWait(isWrite)) this.#held.push(command)
    else this.#start(command)
  }

  /** A command is answered. `release` follows, once its reply has its place. */
  close(isWrite: boolean): void {
    if (isWrite) this.#openWrites -= 1
    else this.#openReads -= 1
    assert(this.#openWrites >= 0 && this.#openReads >= 0, 'a command was answered twice')
  }

  release(): void {
    if (this.#heldHead < this.#held.length && !this.#isReleasing) this.#releaseHeld()
  }

  #mustWait(isWrite: boolean): boolean {
    return isWrite ? this.#openReads > 0 : this.#openWrites > 0
  }

  #start(command: OrderedCommand): void {
    if (command.isWrite) this.#openWrites += 1
    else this.#openReads += 1
    this.#submit(command)
  }

  /** A loop, not a recursion: thousands of held commands may be answered at once when they are refused. */
  #releaseHeld(): void {
    this.#isReleasing = true
    try {
      let next = this.#held[this.#heldHead]
      while (next !== undefined && !this.#mustWait(next.isWrite)) {
        this.#heldHead += 1
        this.#start(next)
        next = this.#held[this.#heldHead]
      }
    } finally {
      this.#isReleasing = false
    }
    if (this.#heldHead < this.#held.length) return
    this.#held = []
    this.#heldHead = 0
  }
}
