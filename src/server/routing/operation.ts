/**
 * One command on its way: to the local replica, to the leader on another node, or waiting for a
 * leader to appear. It is answered exactly once. Attempts that were given up may still end: their
 * answer is still the answer (a write that may be sent twice carries its mark), their failure means nothing.
 */
import assert from 'node:assert/strict'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Failure, Responder } from '../../replica/outcome.ts'
import type { WriteLane } from './write-lane.ts'

/** How an operation ends when no attempt brought a reply. All but `unknown`: nothing was executed. */
export type OperationFailure =
  /** No leader was found, or reached, in time. */
  | { readonly kind: 'noLeader' }
  /** A write was sent and its fate is not known. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'overloaded' }
  /** The only replica there is failed for good. */
  | { readonly kind: 'unhealthy'; readonly reason: string }
  /** The disk of the only voter refuses writes. */
  | { readonly kind: 'storage'; readonly error: Error }
  /** The reply of a read doesn't fit into one message between nodes. */
  | { readonly kind: 'replyTooLarge' }
  | { readonly kind: 'stopping' }

/** Exactly one of the two is called, exactly once, perhaps before the call that hands it over returns. */
export interface OperationResponder<Reply> {
  reply(reply: Reply): void
  fail(failure: OperationFailure): void
}

export type OperationOwner<Command, Reply> = {
  readonly onAttemptFailed: (operation: Operation<Command, Reply>, failure: Failure) => void
  /** `reply` is null when it was given up. */
  readonly onDone: (operation: Operation<Command, Reply>, reply: Reply | null) => void
}

export type OperationRequest<Command> = {
  readonly group: GroupId
  readonly isWrite: boolean
  readonly command: Command
  /** Roughly what the command takes in the log. */
  readonly bytes: number
  /** Writes of one lane take effect in the order they were submitted; null: in any order. */
  readonly lane: WriteLane | null
}

export class Operation<Command, Reply> implements Responder<Reply> {
  readonly group: GroupId
  readonly isWrite: boolean
  readonly bytes: number
  readonly lane: WriteLane | null
  readonly deadlineMs: number
  /** Counts up in the order of submission. */
  readonly serial: number
  readonly #owner: OperationOwner<Command, Reply>
  readonly #responder: OperationResponder<Reply>
  command: Command
  /** In its lane; the lane's business. */
  position = 0
  /** Among those that are not answered; the router's business. */
  previous: Operation<Command, Reply> | null = null
  next: Operation<Command, Reply> | null = null
  /** Between attempts, at the local replica, or sent to another node. */
  state: 'waiting' | 'local' | 'sent' = 'waiting'
  /** Sent under a mark that makes repeating it harmless. */
  isTagged = false
  /** Names the present attempt. */
  attempt = 0
  /** Some attempt of this write may have taken effect without our knowing. */
  mayHaveHappened = false
  /** Where it was sent, under which term of that leader (0: only to hear who leads), while `sent`. */
  sentTo: ReplicaId | null = null
  sentTerm = 0
  /** While `waiting`, outside a lane: when to try again. */
  retryAtMs = 0
  /** A long read at the local replica: no deadline ends it, the replica does. */
  isLong = false
  isDone = false

  constructor(
    request: OperationRequest<Command>,
    deadlineMs: number,
    serial: number,
    owner: OperationOwner<Command, Reply>,
    responder: OperationResponder<Reply>,
  ) {
    this.group = request.group
    this.isWrite = request.isWrite
    this.command = request.command
    this.bytes = request.bytes
    this.lane = request.lane
    this.deadlineMs = deadlineMs
    this.serial = serial
    this.#owner = owner
    this.#responder = responder
  }

  begun(): void {
    assert(!this.isWrite, 'writes are never long')
    this.isLong = this.state === 'local'
  }

  reply(reply: Reply): void {
    if (this.isDone) return
    this.isDone = true
    this.#owner.onDone(this, reply)
    this.#responder.reply(reply)
  }

  /** The local replica's answer to the attempt made there. */
  fail(failure: Failure): void {
    if (!this.isDone && this.state === 'local') this.#owner.onAttemptFailed(this, failure)
  }

  /** Another node's answer. */
  failSent(attempt: number, failure: Failure): void {
    if (this.isDone || this.state !== 'sent' || this.attempt !== attempt) return
    this.#owner.onAttemptFailed(this, failure)
  }

  giveUp(failure: OperationFailure): void {
    if (this.isDone) return
    this.isDone = true
    this.#owner.onDone(this, null)
    this.#responder.fail(failure)
  }
}
