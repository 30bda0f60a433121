/**
 * One replica of one group at work: drives the consensus core over log, transport and engine.
 *
 * Everything happens in `#pump`, once per turn: what came in during the turn (messages, proposals,
 * reads, durable writes) is stepped first, then all that the core wants is carried out. Sending,
 * logging and applying run side by side; what must wait for what is written in raft/raft.ts.
 *
 * Failure model. The log fails: nothing more is acknowledged, what is under way is answered as
 * unknown, leadership is given up (a sole voter keeps it, for its reads), and after the log was
 * reopened the same records are appended again. The log stands still: leadership is offered to
 * another voter. The engine fails, an entry can't be applied or the
 * state diverges: the replica stops for good and says why (`health`); the rest of the group goes on
 * without it.
 */

import { ByteWriter } from '../base/byte-writer.ts'
import type { GroupId, ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import type { Machine } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import type { Engine } from '../env/engine.ts'
import type { Logger } from '../env/logger.ts'
import type { Random } from '../env/random.ts'
import type { Membership } from '../raft/membership.ts'
import { decodeMembership } from '../raft/membership-codec.ts'
import type { Message } from '../raft/message.ts'
import { encodeMessage } from '../raft/message-codec.ts'
import type { Raft, Ready, SnapshotPosition, SnapshotRequest } from '../raft/raft.ts'
import type { LogDamage, SharedLog } from '../storage/log/shared-log.ts'
import { Applier } from './applier.ts'
import { DivergenceDetector, type Verdict } from './divergence-detector.ts'
import type { GroupOptions } from './group-options.ts'
import { LogCutter } from './log-cutter.ts'
import type { Failure, Responder } from './outcome.ts'
import { Persister } from './persister.ts'
import { Proposer } from './proposer.ts'
import { Reader } from './reader.ts'
import { RepairReporter } from './repair-report.ts'
import { SnapshotReceiver } from './snapshot/snapshot-receiver.ts'
import { sendSnapshot } from './snapshot/snapshot-sender.ts'
import type { StateStore } from './state-store.ts'
import type { Transport } from './transport/transport.ts'

/** A second. Of ticks, since a process that stood still can't say that its disk did. */
const LOG_STALL_TICKS = 100

export type GroupWorld = {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly log: SharedLog
  readonly transport: Transport
}

export type GroupHealth =
  | { readonly kind: 'healthy' }
  /** `isStateWrong`: a majority of the replicas agrees on another state than the engine's. */
  | { readonly kind: 'failed'; readonly reason: string; readonly isStateWrong: boolean }

export type GroupCallbacks = {
  readonly onHealth: (health: GroupHealth) => void
  /** Role, term or leader changed. */
  readonly onChange: () => void
  readonly onApplied: () => void
  readonly onDigest: (index: LogIndex, digest: string) => void
  readonly onLogFailure: (error: Error) => void
}

export type OpenedGroup<Command, Reply> = {
  readonly id: GroupId
  readonly raft: Raft
  readonly machine: Machine<Command, Reply>
  /** A command that does nothing but move logical time; null when the machine has none. */
  readonly advanceTime: Command | null
  readonly engine: Engine
  /** Makes the store over the engine; the callbacks are the group's. */
  readonly makeStore: (callbacks: {
    onFlushed: () => void
    onFailure: (error: unknown) => void
  }) => StateStore
}

export class Group<Command, Reply> {
  readonly id: GroupId
  readonly raft: Raft
  readonly store: StateStore
  readonly receiver: SnapshotReceiver
  readonly #engine: Engine
  readonly #advanceTimeCommand: Command | null
  readonly #world: GroupWorld
  readonly #callbacks: GroupCallbacks
  readonly #applier: Applier<Command, Reply>
  readonly #proposer: Proposer<Command, Reply>
  readonly #reader: Reader<Command, Reply>
  readonly #persister: Persister
  readonly #cutter: LogCutter
  readonly #detector = new DivergenceDetector()
  readonly #repairReporter: RepairReporter
  readonly #sendingTo = new Set<ReplicaId>()
  #isPumpScheduled = false
  #isInstalling = false
  #isStopped = false
  #isRepairing: boolean
  /** The log says that it lost something of this group, and will until `repaired` is durable. */
  #isDamageKnown: boolean
  #health: GroupHealth = { kind: 'healthy' }
  #knownRole = ''
  #knownTerm = -1
  #knownLeader: ReplicaId | null = null
  #lastCheckIndex: LogIndex | null = null
  /** What the log was asked to write and is not durable, and the ticks since that was seen first. */
  #watchedStep: number | null = null
  #watchedTicks = 0

  constructor(
    opened: OpenedGroup<Command, Reply>,
    world: GroupWorld,
    options: GroupOptions,
    callbacks: GroupCallbacks,
  ) {
    const { id, raft, machine } = opened
    this.id = id
    this.raft = raft
    this.#engine = opened.engine
    this.#advanceTimeCommand = opened.advanceTime
    this.#world = world
    this.#callbacks = callbacks
    this.#isRepairing = raft.isRepairing
    this.#isDamageKnown = raft.isRepairing
    this.store = opened.makeStore({
      onFlushed: () => this.#onFlushed(),
      onFailure: (error) => this.#fail(`the engine failed: ${String(error)}`),
    })
    this.#repairReporter = new RepairReporter(id, raft, world)
    this.#persister = new Persister(id, world.log, (error) => this.#onLogFailure(error))
    this.#proposer = new Proposer(raft, machine, world, options.proposer, () => this.store.applied.timeMs)
    this.#applier = new Applier(machine, this.store, world.clock, {
      takeLocal: (position) => this.#proposer.takeLocal(position),
      onApplied: (index) => this.#onApplied(index),
      onCheck: (index, digest) => this.#onCheck(index, digest),
      onFailure: (error) => this.#fail(`applying the log failed: ${String(error)}`),
    })
    this.#reader = new Reader(raft, machine, this.store, world, options.readsMax, {
      onFailure: (error) => this.#fail(`reading the engine failed: ${String(error)}`),
      onNeedTime: () => this.#advanceTime(),
    })
    this.receiver = new SnapshotReceiver({
      store: this.store,
      partitionOf: (key) => machine.partitionOf(key),
      logger: world.logger,
      offer: (position, membership, from, term) => {
        const isAccepted = raft.offerSnapshot(
          { position, membership: decodeMembership(membership) },
          from,
          term,
        )
        this.schedule()
        return isAccepted
      },
    })
    this.#cutter = new LogCutter(raft, this.store, this.#persister, options, world)
  }

  get health(): GroupHealth {
    return this.#health
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader' && this.#isRunning
  }

  get #isRunning(): boolean {
    return !this.#isStopped && this.#health.kind === 'healthy'
  }

  /** `bytes`: roughly what the command takes in the log. */
  propose(command: Command, bytes: number, responder: Responder<Reply>): void {
    const refusal = this.#refusal()
    if (refusal !== null) this.#failLater(responder, refusal)
    else if (!this.#proposer.add(command, bytes, responder))
      this.#failLater(responder, { kind: 'overloaded' })
    else this.schedule()
  }

  /** A linearizable read; on a follower it asks the leader for the index and answers from its own state. */
  query(command: Command, responder: Responder<Reply>): void {
    if (!this.#isRunning) this.#failLater(responder, this.#unhealthy())
    else if (this.#persister.hasFailed && !this.isLeader) {
      // What this replica can't log it does not apply: it would wait for an index that does not come.
      this.#failLater(responder, { kind: 'notLeader', leader: this.raft.leader })
    } else if (!this.#reader.add(command, responder)) this.#failLater(responder, { kind: 'overloaded' })
    else this.schedule()
  }

  step(message: Message): void {
    if (!this.#isRunning) return
    // No vote of this replica's own would survive, so it can't take over now.
    if (message.kind === 'timeoutNow' && this.#persister.hasFailed) return
    this.raft.step(message)
    this.schedule()
  }

  tick(): void {
    // A replica that can't write its vote does not campaign: it would only raise its term, for ever.
    if (!this.#isRunning || (this.#persister.hasFailed && !this.isLeader)) return
    this.raft.tick()
    this.#watchLog()
    this.#repairReporter.tick()
    this.schedule()
  }

  /** What is not durable here is not applied here: a leader whose disk stands still would stop everybody. */
  #watchLog(): void {
    const waiting = this.#persister.oldestWaiting
    if (waiting === null || waiting !== this.#watchedStep) {
      this.#watchedStep = waiting
      this.#watchedTicks = 0
      return
    }
    this.#watchedTicks += 1
    if (this.#watchedTicks < LOG_STALL_TICKS || !this.isLeader) return
    // Offered again after as long: a transfer may fail, and other disks may be no better.
    this.#watchedTicks = 0
    if (!this.handOver()) return
    this.#world.logger.warning('the log has not finished a write for a second: leadership is offered', {
      group: this.id,
    })
  }

  peerClosed(peer: ReplicaId): void {
    if (!this.#isRunning) return
    this.raft.peerClosed(peer)
    this.schedule()
  }

  peerRestarted(peer: ReplicaId): void {
    if (!this.#isRunning) return
    this.raft.peerRestarted(peer)
    this.schedule()
  }

  /** Messages to this peer are being dropped. */
  peerUnreachable(peer: ReplicaId): void {
    if (!this.#isRunning) return
    this.raft.reportUnreachable(peer)
    this.schedule()
  }

  /** Lets the replicas compare their states after a common entry, if anything changed since the last time. */
  checkState(): void {
    if (!this.isLeader || this.store.applied.position.index === this.#lastCheckIndex) return
    this.#proposer.proposeQuietly('check')
    this.schedule()
  }

  /** The log's files take more room than its entries: fewer of them are kept. */
  shortenLog(): void {
    if (this.#isRunning && !this.#isInstalling && !this.#persister.hasFailed) this.#cutter.shorten()
  }

  recordDigest(index: LogIndex, from: ReplicaId, digest: string): void {
    const verdict = this.#detector.record(index, from, digest, this.raft.status().membership.voters)
    if (verdict !== null) this.#onVerdict(verdict)
  }

  /** Offers leadership to the voter that is furthest along; false when there is nobody to take it. */
  handOver(): boolean {
    if (!this.isLeader) return false
    const { progress, membership } = this.raft.status()
    const candidates = membership.voters
      .filter((voter) => voter !== this.raft.id && progress?.get(voter)?.recentlyActive === true)
      .sort((left, right) => (progress?.get(right)?.match ?? 0) - (progress?.get(left)?.match ?? 0))
    const isOffered = candidates[0] !== undefined && this.raft.transferLeadership(candidates[0])
    this.schedule()
    return isOffered
  }

  /** The log was reopened; `damage`: what it found missing of this group when it read itself again. */
  resumeLog(damage: LogDamage | null): void {
    if (!this.#isRunning) return
    if (damage !== null && !this.#isDamageKnown) {
      this.#fail(`the log lost what this replica had written: ${damage.detail}`)
      return
    }
    if (this.#persister.hasFailed) this.#persister.resume()
    this.schedule()
  }

  /** Something was stepped into the core from outside (membership, transfer): carry out what follows. */
  schedule(): void {
    if (this.#isPumpScheduled || this.#isStopped) return
    this.#isPumpScheduled = true
    this.#world.clock.endOfTurn(() => {
      this.#isPumpScheduled = false
      this.#pump()
    })
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#applier.stop()
    this.#failWaiters({ kind: 'unhealthy', reason: 'the node is stopping' })
    await this.#close()
  }

  /** Whatever fails on the way, the engine is closed. */
  async #close(): Promise<void> {
    try {
      await this.store.stop()
      await this.#cutter.stop()
    } catch (error) {
      this.#world.logger.error('the state could not be flushed; the log has what is missing', {
        group: this.id,
        error: String(error),
      })
    }
    await this.#engine.close()
  }

  #pump(): void {
    if (this.#isInstalling || !this.#isRunning) return
    this.#proposer.proposePending()
    this.#reader.askRound()
    while (this.raft.hasReady() && !this.#isInstalling) this.#carryOut(this.raft.takeReady())
    if (this.#isRepairing && !this.raft.isRepairing) this.#endRepair()
    this.#cutter.consider()
    this.#noticeChange()
  }

  #carryOut(ready: Ready): void {
    this.#send(ready.messages)
    if (ready.snapshot !== null) {
      this.#install(ready, ready.snapshot)
    } else {
      this.#persist(ready)
      if (ready.committed.length > 0) this.#applier.enqueue(ready.committed)
    }
    for (const grant of ready.reads) this.#reader.settleRound(grant.context, grant.index)
    for (const context of ready.droppedReads) this.#reader.settleRound(context, null)
    for (const request of ready.snapshotsToSend) this.#sendSnapshot(request)
  }

  #endRepair(): void {
    this.#isRepairing = false
    this.#persister.markRepaired(() => {
      this.#isDamageKnown = false
    })
    this.#world.logger.warning('the damaged log of this replica was filled from its peers', {
      group: this.id,
      last: this.raft.lastIndex,
    })
  }

  #persist(ready: Ready): void {
    this.#persister.persist(ready, () => {
      if (this.#isStopped) return
      if (ready.snapshot !== null) this.store.confirmInstall()
      this.raft.persisted(ready.number)
      this.#send(ready.messagesAfterPersist)
      this.schedule()
    })
  }

  #install(ready: Ready, snapshot: SnapshotPosition): void {
    this.#isInstalling = true
    // Before the store changes under it: everything it still had to apply is in the snapshot.
    this.#applier.pause()
    const received = this.receiver.take(snapshot.position)
    this.store.install(received.applied, received.hash).then(
      () => this.#onInstalled(ready, snapshot),
      (error: unknown) => this.#fail(`installing a snapshot failed: ${String(error)}`),
    )
  }

  #onInstalled(ready: Ready, snapshot: SnapshotPosition): void {
    this.#isInstalling = false
    if (!this.#isRunning) return
    const { index } = snapshot.position
    this.#world.logger.info('installed a snapshot', { group: this.id, index })
    this.#proposer.skipTo(index)
    this.raft.applied(index)
    this.#persist(ready)
    this.#applier.resume()
    this.#applier.enqueue(ready.committed)
    this.#reader.runGranted()
    this.#callbacks.onApplied()
    this.schedule()
  }

  #send(messages: readonly Message[]): void {
    const [first] = messages
    if (first === undefined) return
    const { transport } = this.#world
    if (messages.length === 1) {
      transport.sendRaft(this.id, first.to, [encoded(first)])
      return
    }
    const byPeer = new Map<ReplicaId, Uint8Array[]>()
    for (const message of messages) {
      const others = byPeer.get(message.to)
      if (others === undefined) byPeer.set(message.to, [encoded(message)])
      else others.push(encoded(message))
    }
    for (const [peer, bytes] of byPeer) transport.sendRaft(this.id, peer, bytes)
  }

  #sendSnapshot(request: SnapshotRequest): void {
    const { to } = request
    if (this.#sendingTo.has(to)) return
    this.#sendingTo.add(to)
    const term = this.raft.term
    const target = { to, group: this.id, number: this.#world.random.u32(), term }
    const isCancelled = (): boolean => this.#isStopped || !this.isLeader || this.raft.term !== term
    this.#world.logger.info('sending a snapshot', { group: this.id, to })
    const { transport, clock } = this.#world
    sendSnapshot({ store: this.store, transport, clock, isCancelled }, target).then(
      (index) => this.#endSnapshot(to, index),
      (error: unknown) => {
        this.#world.logger.error('sending a snapshot failed', { group: this.id, to, error: String(error) })
        this.#endSnapshot(to, null)
      },
    )
  }

  #endSnapshot(to: ReplicaId, index: LogIndex | null): void {
    this.#sendingTo.delete(to)
    if (!this.#isRunning) return
    this.raft.reportSnapshot(to, index)
    this.schedule()
  }

  #onApplied(index: LogIndex): void {
    this.raft.applied(index)
    this.#reader.runGranted()
    this.#callbacks.onApplied()
    this.schedule()
  }

  #onFlushed(): void {
    if (!this.#isRunning) return
    this.#applier.run()
    this.schedule()
  }

  #onCheck(index: LogIndex, digest: string): void {
    this.#lastCheckIndex = index
    this.recordDigest(index, this.raft.id, digest)
    this.#callbacks.onDigest(index, digest)
  }

  #onVerdict(verdict: Verdict): void {
    if (verdict.kind === 'agreed') return
    if (verdict.kind === 'undecidable') {
      this.#fail(`the replicas' states differ at index ${verdict.index} and no majority agrees`)
      return
    }
    this.#world.logger.error('the states of the replicas differ', { group: this.id, ...verdict })
    if (verdict.minority.includes(this.raft.id)) {
      this.#fail(`this replica's state differs from the majority's at index ${verdict.index}`, true)
    }
  }

  #advanceTime(): void {
    const responder: Responder<Reply> = {
      reply: () => this.#reader.timeAdvanced(),
      fail: () => this.#reader.failUntilTime(),
    }
    if (this.#advanceTimeCommand !== null) this.propose(this.#advanceTimeCommand, 16, responder)
    else this.#failLater(responder, { kind: 'notLeader', leader: this.raft.leader })
  }

  #onLogFailure(error: Error): void {
    const isSoleVoter = isOnlyVoter(this.raft.membershipAt(this.raft.lastIndex), this.raft.id)
    this.#world.logger.error('the log failed: this replica acknowledges nothing until it writes again', {
      group: this.id,
      error: error.message,
    })
    this.#proposer.failPending(this.#unhealthy())
    // When the log writes again they may still commit, here or under another leader.
    this.#proposer.failInflight({ kind: 'unknown' })
    if (!isSoleVoter) {
      this.raft.resign()
      this.#reader.failAll({ kind: 'notLeader', leader: null })
    }
    this.schedule()
    this.#callbacks.onLogFailure(error)
  }

  #fail(reason: string, isStateWrong = false): void {
    if (!this.#isRunning) return
    this.#health = { kind: 'failed', reason, isStateWrong }
    this.#world.logger.error('a replica stopped', { group: this.id, reason })
    this.#applier.stop()
    this.#failWaiters({ kind: 'unhealthy', reason })
    this.#callbacks.onHealth(this.#health)
    this.#callbacks.onChange()
  }

  #failWaiters(failure: Failure): void {
    this.#proposer.failPending(failure)
    this.#proposer.failInflight({ kind: 'unknown' })
    this.#reader.failAll(failure)
  }

  #refusal(): Failure | null {
    if (!this.#isRunning || this.#persister.hasFailed) return this.#unhealthy()
    return this.isLeader ? null : { kind: 'notLeader', leader: this.raft.leader }
  }

  #unhealthy(): Failure {
    const reason =
      this.#health.kind === 'failed' ? this.#health.reason : 'the log of this node does not accept writes'
    return { kind: 'unhealthy', reason }
  }

  #failLater(responder: Responder<Reply>, failure: Failure): void {
    this.#world.clock.endOfTurn(() => responder.fail(failure))
  }

  #noticeChange(): void {
    const { role, term, leader } = this.raft
    if (role === this.#knownRole && term === this.#knownTerm && leader === this.#knownLeader) return
    this.#knownRole = role
    this.#knownTerm = term
    this.#knownLeader = leader
    this.#callbacks.onChange()
  }
}

function encoded(message: Message): Uint8Array {
  const writer = new ByteWriter()
  encodeMessage(message, writer)
  return writer.takeBytes()
}

function isOnlyVoter({ voters, votersOutgoing }: Membership, self: ReplicaId): boolean {
  return voters.length === 1 && voters[0] === self && votersOutgoing.length === 0
}
