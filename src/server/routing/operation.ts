/**
 * One command on its way: to the local replica, to the leader on another node, or waiting for a
 * leader to appear. It is answered exactly once; attempts that were given up may still end, and
 * are then ignored.
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Failure, Responder } from '../../replica/outcome.ts'

/** How an operation ends when no attempt brought a reply. */
export type OperationFailure =
  /** Nothing was executed: no leader was found in time. */
  | { readonly kind: 'noLeader' }
  /** A write was sent and its fate is not known. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'unhealthy'; readonly reason: string }

export type OperationOwner<Command, Reply> = {
  readonly onAttemptFailed: (operation: Operation<Command, Reply>, failure: Failure) => void
  /** `reply` is null when it was given up. */
  readonly onDone: (operation: Operation<Command, Reply>, reply: Reply | null) => void
}

export class Operation<Command, Reply> implements Responder<Reply> {
  readonly group: GroupId
  readonly isWrite: boolean
  readonly bytes: number
  readonly deadlineMs: number
  readonly #owner: OperationOwner<Command, Reply>
  readonly #onReply: (reply: Reply) => void
  readonly #onFailure: (failure: OperationFailure) => void
  command: Command
  /** Sent under a mark that makes repeating it harmless. */
  isTagged = false
  /** Counts attempts; an answer to an earlier one is still an answer, a failure of it means nothing. */
  attempt = 0
  /** Some attempt of this write may have taken effect without our knowing. */
  mayHaveHappened = false
  sentTo: ReplicaId | null = null
  /** Between attempts: nothing of it is under way. */
  isWaiting = false
  isDone = false

  constructor(
    what: {
      readonly group: GroupId
      readonly isWrite: boolean
      readonly command: Command
      readonly bytes: number
      readonly deadlineMs: number
    },
    owner: OperationOwner<Command, Reply>,
    onReply: (reply: Reply) => void,
    onFailure: (failure: OperationFailure) => void,
  ) {
    this.group = what.group
    this.isWrite = what.isWrite
    this.command = what.command
    this.bytes = what.bytes
    this.deadlineMs = what.deadlineMs
    this.#owner = owner
    this.#onReply = onReply
    this.#onFailure = onFailure
  }

  reply(reply: Reply): void {
    if (this.isDone) return
    this.isDone = true
    this.#owner.onDone(this, reply)
    this.#onReply(reply)
  }

  fail(failure: Failure): void {
    if (!this.isDone) this.#owner.onAttemptFailed(this, failure)
  }

  giveUp(failure: OperationFailure): void {
    if (this.isDone) return
    this.isDone = true
    this.#owner.onDone(this, null)
    this.#onFailure(failure)
  }
}
