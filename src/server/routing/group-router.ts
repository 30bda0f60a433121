/**
 * Brings every command to a replica that can carry it out, and keeps at it until the caller's
 * deadline: through elections, lost connections and slow nodes.
 *
 * - Here if this node can: writes where it leads, reads wherever it has a healthy replica.
 * - Otherwise to the leader, as far as it is known. Writes travel under the gateway's session, so
 *   that an attempt whose fate is unknown can be repeated without executing twice.
 * - While there is no leader, operations wait and go on the moment one is known.
 *
 * One retry layer: nothing below repeats anything.
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import { unreachable } from '../../base/unreachable.ts'
import type { Clock, Timer } from '../../env/clock.ts'
import type { Random } from '../../env/random.ts'
import type { Group } from '../../replica/group.ts'
import type { Failure } from '../../replica/outcome.ts'
import type { Transport } from '../../replica/transport/transport.ts'
import type { Forwarder } from './forwarder.ts'
import { Operation, type OperationFailure } from './operation.ts'

export type RouterOptions<Command, Reply> = {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly self: ReplicaId
  readonly forwarder: Forwarder<Command, Reply>
  readonly localGroup: (group: GroupId) => Group<Command, Reply> | null
  /** Nodes that may have a replica of the group, for when this one has none. */
  readonly candidates: (group: GroupId) => readonly ReplicaId[]
  /** Marks a write so that sending it again is harmless; null: it can't be marked now, wait. */
  readonly tagForRetry: (command: Command) => Command | null
  /** The write was answered (null: given up): its mark is not needed any more. */
  readonly releaseTag: (command: Command, reply: Reply | null) => void
  readonly operationTimeoutMs: number
  readonly attemptTimeoutMs: number
}

/** Pauses between attempts that failed at once; doubled per attempt, with full jitter. */
const RETRY_MS_MIN = 4
const RETRY_MS_MAX = 64
/** How often deadlines are looked at. */
const SWEEP_MS = 50

type Waiting<Command, Reply> = { readonly operation: Operation<Command, Reply>; readonly untilMs: number }

export class GroupRouter<Command, Reply> {
  readonly #options: RouterOptions<Command, Reply>
  readonly #forwarder: Forwarder<Command, Reply>
  /** In order of deadline, since all have the same timeout. */
  #open: Operation<Command, Reply>[] = []
  #openHead = 0
  #waiting: Waiting<Command, Reply>[] = []
  #retryTimer: Timer | null = null
  #sent: {
    readonly operation: Operation<Command, Reply>
    readonly attempt: number
    readonly untilMs: number
  }[] = []
  #sweepTimer: Timer | null = null
  #isStopped = false

  constructor(options: RouterOptions<Command, Reply>) {
    this.#options = options
    this.#forwarder = options.forwarder
  }

  submit(
    what: {
      readonly group: GroupId
      readonly isWrite: boolean
      readonly command: Command
      readonly bytes: number
    },
    onReply: (reply: Reply) => void,
    onFailure: (failure: OperationFailure) => void,
  ): void {
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.operationTimeoutMs
    const operation = new Operation<Command, Reply>({ ...what, deadlineMs }, this, onReply, onFailure)
    this.#open.push(operation)
    this.#scheduleSweep()
    this.#attempt(operation)
  }

  /** A leader appeared or changed: those who wait, and those who asked a deposed one, try again. */
  leaderChanged(group: GroupId): void {
    const leader = this.#options.localGroup(group)?.raft.leader ?? null
    if (leader === null) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const entry of waiting) {
      if (entry.operation.group === group) this.#attempt(entry.operation)
      else this.#waiting.push(entry)
    }
    const sent = this.#sent
    this.#sent = []
    for (const entry of sent) {
      const { operation, attempt } = entry
      if (operation.isDone || operation.attempt !== attempt) continue
      const isStale = operation.group === group && operation.sentTo !== null && operation.sentTo !== leader
      if (isStale && this.#mayRepeat(operation)) this.#attempt(operation)
      else this.#sent.push(entry)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#sweepTimer?.cancel()
    this.#retryTimer?.cancel()
    for (const operation of this.#open.slice(this.#openHead)) this.#expire(operation)
  }

  onDone(operation: Operation<Command, Reply>, reply: Reply | null): void {
    if (operation.isTagged) this.#options.releaseTag(operation.command, reply)
  }

  onAttemptFailed(operation: Operation<Command, Reply>, failure: Failure): void {
    operation.sentTo = null
    switch (failure.kind) {
      case 'notLeader':
        if (
          failure.leader !== null &&
          failure.leader !== this.#options.self &&
          operation.attempt < FOLLOW_HINTS_MAX
        ) {
          this.#forward(operation, failure.leader)
        } else this.#wait(operation)
        return
      case 'notCommitted':
      case 'overloaded':
      case 'unhealthy':
        this.#wait(operation)
        return
      case 'unknown':
        if (operation.isWrite) operation.mayHaveHappened = true
        if (this.#mayRepeat(operation)) this.#wait(operation)
        else operation.giveUp({ kind: 'unknown' })
        return
      default:
        unreachable(failure)
    }
  }

  #attempt(operation: Operation<Command, Reply>): void {
    operation.attempt += 1
    operation.isWaiting = false
    const group = this.#options.localGroup(operation.group)
    if (group !== null && group.health.kind === 'healthy') {
      if (operation.isWrite && group.isLeader) {
        group.propose(operation.command, operation.bytes, operation)
        return
      }
      // A follower's read that failed is asked of the leader; the leader has nobody else to ask.
      const mayQuery = group.isLeader || (group.raft.leader !== null && operation.attempt === 1)
      if (!operation.isWrite && mayQuery) {
        group.query(operation.command, operation)
        return
      }
    }
    const leader = group?.raft.leader ?? null
    const target = leader !== null && leader !== this.#options.self ? leader : this.#anyCandidate(operation)
    if (target === null) this.#wait(operation)
    else this.#forward(operation, target)
  }

  #forward(operation: Operation<Command, Reply>, to: ReplicaId): void {
    if (!this.#options.transport.isConnected(to)) {
      this.#wait(operation)
      return
    }
    if (operation.isWrite) {
      const tagged = this.#options.tagForRetry(operation.command)
      if (tagged === null) {
        this.#wait(operation)
        return
      }
      operation.command = tagged
      operation.isTagged = true
    }
    operation.attempt += 1
    const untilMs = this.#options.clock.monotonicMs() + this.#options.attemptTimeoutMs
    this.#sent.push({ operation, attempt: operation.attempt, untilMs })
    this.#forwarder.send(operation, to)
  }

  /** Only when no local replica knows a leader: somebody else may. */
  #anyCandidate(operation: Operation<Command, Reply>): ReplicaId | null {
    const local = this.#options.localGroup(operation.group)
    if (local !== null && local.health.kind === 'healthy') return null
    const candidates = this.#options
      .candidates(operation.group)
      .filter((replica) => replica !== this.#options.self && this.#options.transport.isConnected(replica))
    return candidates[operation.attempt % Math.max(candidates.length, 1)] ?? null
  }

  #mayRepeat(operation: Operation<Command, Reply>): boolean {
    return !operation.isWrite || operation.isTagged
  }

  #wait(operation: Operation<Command, Reply>): void {
    const ceilingMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(operation.attempt, 8))
    const untilMs = this.#options.clock.monotonicMs() + this.#options.random.next() * ceilingMs
    operation.isWaiting = true
    this.#waiting.push({ operation, untilMs })
    this.#scheduleRetry()
  }

  /** One timer for all that wait: thousands do when a leader is lost. */
  #scheduleRetry(): void {
    if (this.#retryTimer !== null || this.#waiting.length === 0 || this.#isStopped) return
    this.#retryTimer = this.#options.clock.setTimer(RETRY_MS_MIN, () => {
      this.#retryTimer = null
      this.#retryDue()
      this.#scheduleRetry()
    })
  }

  #retryDue(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const waiting = this.#waiting
    this.#waiting = []
    for (const entry of waiting) {
      if (entry.operation.isDone) continue
      if (entry.untilMs <= nowMs) this.#attempt(entry.operation)
      else this.#waiting.push(entry)
    }
  }

  #scheduleSweep(): void {
    if (this.#sweepTimer !== null || this.#isStopped) return
    this.#sweepTimer = this.#options.clock.setTimer(SWEEP_MS, () => {
      this.#sweepTimer = null
      this.#sweep()
    })
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const late = this.#sent.filter((entry) => entry.untilMs <= nowMs)
    this.#sent = this.#sent.filter((entry) => entry.untilMs > nowMs && !entry.operation.isDone)
    for (const { operation, attempt } of late) {
      if (!operation.isDone && operation.attempt === attempt)
        this.onAttemptFailed(operation, { kind: 'unknown' })
    }
    for (;;) {
      const operation = this.#open[this.#openHead]
      if (operation === undefined || (!operation.isDone && operation.deadlineMs > nowMs)) break
      this.#openHead += 1
      if (!operation.isDone) this.#expire(operation)
    }
    if (this.#openHead > 4_096 || this.#openHead === this.#open.length) {
      this.#open = this.#open.slice(this.#openHead)
      this.#openHead = 0
    }
    if (this.#open.length > 0) this.#scheduleSweep()
  }

  #expire(operation: Operation<Command, Reply>): void {
    const mayBeInLog = operation.isWrite && (operation.mayHaveHappened || !operation.isWaiting)
    operation.giveUp(mayBeInLog ? { kind: 'unknown' } : { kind: 'noLeader' })
  }
}

/** Leaders named by a refusal are followed this often before pausing: two nodes may name each other. */
const FOLLOW_HINTS_MAX = 4
