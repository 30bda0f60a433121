/**
 * Brings every command to a replica that can carry it out, and keeps at it until the caller's
 * deadline: through elections, lost connections and slow nodes.
 *
 * - Here if this node can: writes where it leads, reads wherever it has a healthy replica.
 * - Otherwise to the leader, as far as it is known. Writes name the leader's term, so that those of one lane
 *   can't overtake each other (write-lane.ts). Where a replica here follows that leader, its log will tell what
 *   became of them (proposal-sender.ts). Elsewhere they travel under the gateway's session, so that an attempt
 *   whose fate is unknown can be repeated without executing twice.
 * - While there is no leader, operations wait and go on the moment one is known.
 *
 * One retry layer: nothing below repeats anything. What was proposed here without a mark is never
 * repeated unless it is known that it did not happen.
 */
import assert from 'node:assert/strict'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import { unreachable } from '../../base/unreachable.ts'
import type { Clock, Timer } from '../../env/clock.ts'
import type { Random } from '../../env/random.ts'
import type { Group } from '../../replica/group.ts'
import type { Failure } from '../../replica/outcome.ts'
import type { Transport } from '../../replica/transport/transport.ts'
import type { Forwarder } from './forwarder.ts'
import { OpenOperations } from './open-operations.ts'
import {
  Operation,
  type OperationFailure,
  type OperationRequest,
  type OperationResponder,
} from './operation.ts'
import type { ProposalSender } from './proposal-sender.ts'
import type { WriteLane } from './write-lane.ts'

export type RouterOptions<Command, Reply> = {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Pick<Transport, 'isConnected'>
  readonly self: ReplicaId
  readonly forwarder: Pick<Forwarder<Command, Reply>, 'send'>
  readonly proposals: Pick<ProposalSender<Command, Reply>, 'send'>
  readonly localGroup: (group: GroupId) => Group<Command, Reply> | null
  /** Nodes that may have a replica of the group, for when this one has none. */
  readonly candidates: (group: GroupId) => readonly ReplicaId[]
  /** Why this node's log takes no writes at the moment; null: it does. */
  readonly logFailure: () => Error | null
  /** Marks a write so that sending it again is harmless; null: it can't be marked now, wait. */
  readonly tagForRetry: (command: Command) => Command | null
  /** The write was answered (null: given up): its mark is not needed any more. */
  readonly releaseTag: (command: Command, reply: Reply | null) => void
  readonly operationTimeoutMs: number
  readonly attemptTimeoutMs: number
}

/** Operations that are not answered yet; more are refused. */
export const OPEN_OPERATIONS_MAX = 100_000
export const OPEN_BYTES_MAX = 512 * 1024 * 1024
/** Pauses between attempts that failed at once; doubled per attempt, with full jitter. */
const RETRY_MS_MIN = 4
const RETRY_MS_MAX = 64
/** A replica that knows no leader for so long may have been removed, or be cut off: others are asked. */
const ASK_OTHERS_AFTER_MS = 500
/** While the local replica knows no leader: its finding one ends the wait, this only makes sure. */
const PARKED_MS = 500
/** Leaders named by a refusal are followed this often before pausing: two nodes may name each other. */
const FOLLOW_HINTS_MAX = 4
/** How often deadlines are looked at. */
const SWEEP_MS = 50
/** No leader has it: what is sent under it is refused, with the name of the leader. */
const NO_TERM = 0

/** A leader and its term; NO_TERM: a node that may lead, or know who does. */
type Heard = { readonly term: number; readonly leader: ReplicaId }
type Sent<Command, Reply> = {
  readonly operation: Operation<Command, Reply>
  readonly attempt: number
  readonly untilMs: number
}

export class GroupRouter<Command, Reply> {
  readonly #options: RouterOptions<Command, Reply>
  /** In order of deadline, since all have the same timeout. */
  readonly #open = new OpenOperations<Operation<Command, Reply>>()
  #lastSerial = 0
  #waiting: Operation<Command, Reply>[] = []
  #sent: Sent<Command, Reply>[] = []
  /** What other nodes said last about who leads: used where no local replica knows better. */
  readonly #heard = new Map<GroupId, Heard>()
  #retryTimer: Timer | null = null
  #sweepTimer: Timer | null = null
  #isStopped = false

  constructor(options: RouterOptions<Command, Reply>) {
    this.#options = options
  }

  get openOperations(): number {
    return this.#open.count
  }

  submit(request: OperationRequest<Command>, responder: OperationResponder<Reply>): void {
    if (this.#isStopped) {
      responder.fail({ kind: 'stopping' })
      return
    }
    const { count, bytes } = this.#open
    if (count > 0 && (count >= OPEN_OPERATIONS_MAX || bytes + request.bytes > OPEN_BYTES_MAX)) {
      responder.fail({ kind: 'overloaded' })
      return
    }
    this.#lastSerial += 1
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.operationTimeoutMs
    const operation = new Operation<Command, Reply>(request, deadlineMs, this.#lastSerial, this, responder)
    this.#open.add(operation)
    operation.lane?.add(operation)
    this.#scheduleSweep()
    this.#attempt(operation)
  }

  /** A leader appeared or changed: those who wait, and those who asked a deposed one, try again. */
  leaderChanged(group: GroupId): void {
    const leader = this.#knownLeader(group)?.leader ?? null
    if (leader === null || this.#isStopped) return
    const sent = this.#sent
    this.#sent = []
    for (const entry of sent) {
      const { operation } = entry
      if (!isPresent(entry)) continue
      const isStale = operation.group === group && operation.sentTo !== leader && operation.state === 'sent'
      if (isStale) this.#takeBack(operation)
      else this.#sent.push(entry)
    }
    this.#retry((operation) => operation.group === group)
  }

  /** What another node answered about a group: in `term` it followed (or was) `leader`. */
  hear(group: GroupId, term: number, leader: ReplicaId | null): void {
    const known = this.#heard.get(group)
    if (leader !== null && term >= (known?.term ?? 0)) this.#heard.set(group, { term, leader })
  }

  stop(): void {
    this.#isStopped = true
    this.#sweepTimer?.cancel()
    this.#retryTimer?.cancel()
    this.#waiting = []
    this.#sent = []
    for (let operation = this.#open.first; operation !== null; operation = this.#open.first)
      this.#expire(operation, { kind: 'stopping' })
    assert(this.#open.count === 0, 'every operation was ended')
  }

  onDone(operation: Operation<Command, Reply>, reply: Reply | null): void {
    this.#open.remove(operation)
    if (operation.isTagged) this.#options.releaseTag(operation.command, reply)
    const { lane } = operation
    if (lane === null) return
    lane.settle()
    // Those behind it may only have waited for this.
    lane.retryAtMs = 0
  }

  onAttemptFailed(operation: Operation<Command, Reply>, failure: Failure): void {
    switch (failure.kind) {
      case 'notLeader':
        this.#doubtHeard(operation)
        this.#return(operation)
        if (operation.attempt <= FOLLOW_HINTS_MAX && this.#knownLeader(operation.group) !== null)
          this.#attempt(operation)
        else this.#wait(operation)
        return
      case 'notCommitted':
      case 'unhealthy':
        this.#return(operation)
        this.#wait(operation)
        return
      case 'overloaded':
        // Not repeated: what came behind it may have been taken, and writes must not change places.
        operation.giveUp({ kind: 'overloaded' })
        return
      case 'unknown':
        this.#onUnknown(operation)
        return
      default:
        unreachable(failure)
    }
  }

  #onUnknown(operation: Operation<Command, Reply>): void {
    if (operation.isWrite && !operation.isTagged) {
      operation.giveUp({ kind: 'unknown' })
      return
    }
    this.#doubtHeard(operation)
    this.#takeBack(operation)
  }

  /** Whoever was said to lead did not answer as a leader: forgotten, unless there is newer word. */
  #doubtHeard({ group, sentTo, sentTerm }: Operation<Command, Reply>): void {
    const heard = this.#heard.get(group)
    if (heard !== undefined && heard.leader === sentTo && heard.term <= sentTerm) this.#heard.delete(group)
  }

  /** The attempt's fate is open; it is repeated, which its mark makes harmless. */
  #takeBack(operation: Operation<Command, Reply>): void {
    assert(!operation.isWrite || operation.isTagged, 'a write without a mark is never sent twice')
    if (mayTakeEffect(operation)) operation.mayHaveHappened = true
    this.#return(operation)
    this.#wait(operation)
  }

  /** Nothing of it is under way that counts. */
  #return(operation: Operation<Command, Reply>): void {
    operation.state = 'waiting'
    operation.isLong = false
    operation.sentTo = null
    operation.lane?.returned(operation)
  }

  #attempt(operation: Operation<Command, Reply>): void {
    assert(!operation.isDone && operation.state === 'waiting')
    const { group: id, isWrite } = operation
    const group = this.#options.localGroup(id)
    const isHealthy = group !== null && group.health.kind === 'healthy'
    const isFirstTry = operation.attempt === 0
    if (!isWrite && isHealthy && (group.isLeader || (isFirstTry && group.raft.leader !== null))) {
      this.#begin(operation, 'local')
      if (!group.isLeader) this.#limit(operation)
      group.query(operation.command, operation)
      return
    }
    const route = this.#knownLeader(id) ?? this.#anybody(operation, isHealthy)
    if (route === null) {
      const failure = this.#soleFailure(operation, group)
      if (failure === null) this.#wait(operation)
      else operation.giveUp(failure)
      return
    }
    const { leader, term } = route
    const isHere = leader === this.#options.self
    const isFollowed = this.#isFollowed(operation, group, route)
    if (!isHere && !this.#options.transport.isConnected(leader)) {
      // It may be gone for good, and nobody here would ever hear of its successor.
      if (this.#heard.get(id)?.leader === leader) this.#heard.delete(id)
      this.#wait(operation)
    } else if (operation.lane !== null && !operation.lane.admit(operation, leader, term, isFollowed))
      this.#block(operation)
    else if (isHere) {
      assert(group?.isLeader === true && isWrite, 'reads of a leader were taken above')
      this.#begin(operation, 'local')
      group.propose(operation.command, operation.bytes, operation)
    } else if (isFollowed) {
      this.#begin(operation, 'sent')
      operation.sentTo = leader
      operation.sentTerm = term
      this.#options.proposals.send(operation, group as Group<Command, Reply>)
    } else this.#forward(operation, leader, term)
  }

  /** The replica here will tell what became of it; what was sent under a session before stays under it. */
  #isFollowed(
    { isWrite, isTagged }: Operation<Command, Reply>,
    group: Group<Command, Reply> | null,
    { leader, term }: Heard,
  ): boolean {
    return isWrite && !isTagged && group !== null && group.follows(leader, term)
  }

  #forward(operation: Operation<Command, Reply>, to: ReplicaId, term: number): void {
    if (operation.isWrite) {
      const tagged = this.#options.tagForRetry(operation.command)
      if (tagged === null) {
        operation.lane?.returned(operation)
        this.#wait(operation)
        return
      }
      operation.command = tagged
      operation.isTagged = true
    }
    this.#begin(operation, 'sent')
    operation.sentTo = to
    operation.sentTerm = term
    this.#limit(operation)
    this.#options.forwarder.send(operation)
  }

  #begin(operation: Operation<Command, Reply>, state: 'local' | 'sent'): void {
    operation.state = state
    operation.attempt += 1
  }

  /** If no answer comes in time, another way is tried. */
  #limit(operation: Operation<Command, Reply>): void {
    const untilMs = this.#options.clock.monotonicMs() + this.#options.attemptTimeoutMs
    this.#sent.push({ operation, attempt: operation.attempt, untilMs })
  }

  #knownLeader(id: GroupId): Heard | null {
    const group = this.#options.localGroup(id)
    const { self } = this.#options
    const heard = this.#heard.get(id)
    if (group !== null && group.health.kind === 'healthy') {
      const { leader, term } = group.raft
      const isNews = heard !== undefined && (heard.term > term || (leader === null && heard.term === term))
      if (leader !== null && !isNews) return leader === self && !group.isLeader ? null : { leader, term }
    }
    return heard !== undefined && heard.leader !== self ? heard : null
  }

  /** A node that may know the leader, when this one has not learned of one for a while, or can't. */
  #anybody({ group, deadlineMs }: Operation<Command, Reply>, isHealthy: boolean): Heard | null {
    const { self, clock, random, transport, operationTimeoutMs } = this.#options
    const soughtMs = clock.monotonicMs() - (deadlineMs - operationTimeoutMs)
    if (isHealthy && soughtMs < ASK_OTHERS_AFTER_MS) return null
    const others = this.#options
      .candidates(group)
      .filter((replica) => replica !== self && transport.isConnected(replica))
    const chosen = others[Math.floor(random.next() * others.length)]
    return chosen === undefined ? null : { leader: chosen, term: NO_TERM }
  }

  /** Why there is nothing to wait for: the only replica there is can't go on. */
  #soleFailure(
    operation: Operation<Command, Reply>,
    group: Group<Command, Reply> | null,
  ): OperationFailure | null {
    const error = this.#options.logFailure()
    if (group === null || (error === null && group.health.kind === 'healthy')) return null
    const { voters, votersOutgoing } = group.raft.status().membership
    const isSole = voters.length === 1 && votersOutgoing.length === 0 && voters[0] === this.#options.self
    if (!isSole || operation.mayHaveHappened) return null
    if (group.health.kind === 'failed') return { kind: 'unhealthy', reason: group.health.reason }
    return error === null || !operation.isWrite ? null : { kind: 'storage', error }
  }

  #wait(operation: Operation<Command, Reply>): void {
    assert(operation.state === 'waiting' && !operation.isDone)
    const { clock, random } = this.#options
    const { lane } = operation
    const isParked = this.#isLeaderless(operation.group)
    const ceilingMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(operation.attempt, 8))
    const nowMs = clock.monotonicMs()
    const retryAtMs = nowMs + (isParked ? PARKED_MS : random.next() * ceilingMs)
    operation.retryAtMs = retryAtMs
    if (lane?.isFirst(operation) === true) lane.retryAtMs = retryAtMs
    this.#waiting.push(operation)
    this.#scheduleRetry()
  }

  /** Others of its lane have to be answered first. */
  #block(operation: Operation<Command, Reply>): void {
    const lane = operation.lane as WriteLane
    this.#waiting.push(operation)
    lane.retryAtMs = Math.max(lane.retryAtMs, this.#options.clock.monotonicMs() + RETRY_MS_MAX)
    this.#scheduleRetry()
  }

  #isLeaderless(id: GroupId): boolean {
    const group = this.#options.localGroup(id)
    return group !== null && group.health.kind === 'healthy' && group.raft.leader === null
  }

  /** One timer for all that wait: thousands do when a leader is lost. */
  #scheduleRetry(): void {
    if (this.#retryTimer !== null || this.#waiting.length === 0 || this.#isStopped) return
    this.#retryTimer = this.#options.clock.setTimer(RETRY_MS_MIN, () => {
      this.#retryTimer = null
      const nowMs = this.#options.clock.monotonicMs()
      this.#retry(({ lane, retryAtMs }) => (lane === null ? retryAtMs : lane.retryAtMs) <= nowMs)
      this.#scheduleRetry()
    })
  }

  /** In the order of submission, so that a lane's writes can follow each other at once. */
  #retry(isDue: (operation: Operation<Command, Reply>) => boolean): void {
    const due: Operation<Command, Reply>[] = []
    const later: Operation<Command, Reply>[] = []
    for (const operation of this.#waiting) {
      if (!operation.isDone) (isDue(operation) ? due : later).push(operation)
    }
    this.#waiting = later
    due.sort((left, right) => left.serial - right.serial)
    const stuck = new Set<WriteLane>()
    for (const operation of due) {
      const { lane } = operation
      // Answering one may end others.
      if (operation.isDone) continue
      if (lane !== null && stuck.has(lane)) this.#waiting.push(operation)
      else this.#attempt(operation)
      if (lane !== null && operation.state === 'waiting') stuck.add(lane)
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
    const sent = this.#sent.filter(isPresent)
    const isOver = ({ operation, untilMs }: Sent<Command, Reply>) => untilMs <= nowMs && !operation.isLong
    this.#sent = sent.filter((entry) => !isOver(entry))
    for (const entry of sent) {
      if (isOver(entry) && isPresent(entry)) this.#onUnknown(entry.operation)
    }
    let next = this.#open.first
    while (next !== null && next.deadlineMs <= nowMs) {
      const operation = next
      // Before it leaves the chain.
      next = operation.next
      if (!operation.isLong) this.#expire(operation, { kind: 'noLeader' })
    }
    if (this.#open.count > 0) this.#scheduleSweep()
  }

  /** `otherwise`: when it is certain that nothing was executed. */
  #expire(operation: Operation<Command, Reply>, otherwise: OperationFailure): void {
    const mayBeInLog = operation.mayHaveHappened || mayTakeEffect(operation)
    operation.giveUp(mayBeInLog ? { kind: 'unknown' } : otherwise)
  }
}

/** A write is under way whose answer would not be that somebody else leads. */
function mayTakeEffect<Command, Reply>({ isWrite, state, sentTerm }: Operation<Command, Reply>): boolean {
  return isWrite && (state === 'local' || (state === 'sent' && sentTerm !== NO_TERM))
}

/** The attempt that this entry limits is still the one under way. */
function isPresent<Command, Reply>({ operation, attempt }: Sent<Command, Reply>): boolean {
  return !operation.isDone && operation.state !== 'waiting' && operation.attempt === attempt
}
