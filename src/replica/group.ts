/**
 * One replica of one group at work: drives the consensus core over log, transport and engine.
 *
 * Everything happens in `#pump`, once per turn: what came in during the turn (messages, proposals,
 * reads, durable writes) is stepped first, then all that the core wants is carried out
 * (ready-runner.ts).
 *
 * Failure model. The log fails: nothing more is acknowledged, what is under way is answered as
 * unknown, leadership is given up (a sole voter keeps it, for its reads), and after the log was
 * reopened the same records are appended again. The log, or the applying, or an engine that a full
 * log waits for, stands still: leadership is offered to another voter. The engine fails, an entry
 * can't be applied or the state diverges: the replica stops for good and says why (`health`); the
 * rest of the group goes on without it.
 */
import type { GroupId, ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import type { Engine } from '../env/engine.ts'
import type { Message } from '../raft/message.ts'
import type { Raft } from '../raft/raft.ts'
import type { Admission } from './admission.ts'
import type { Applier } from './applier.ts'
import { FollowPace } from './forwarding/follow-pace.ts'
import type { SizedCommand, StreamId, Taken } from './forwarding/proposal-streams.ts'
import type { SentProposals } from './forwarding/sent-proposals.ts'
import type { GroupCallbacks, GroupHealth, GroupWorld, OpenedGroup } from './group-contract.ts'
import type { GroupOptions } from './group-options.ts'
import { type GroupHooks, makeGroupParts } from './group-parts.ts'
import { bestSuccessor, isOnlyVoter, LeadershipWatch } from './leadership.ts'
import type { LogCutter } from './log-cutter.ts'
import type { FoundAgain } from './log-reopener.ts'
import type { Responder } from './outcome.ts'
import type { Persister } from './persister.ts'
import type { Proposer } from './proposer.ts'
import type { Reader } from './reader.ts'
import type { ReadyRunner } from './ready-runner.ts'
import { RepairReporter } from './repair-report.ts'
import type { SnapshotReceiver } from './snapshot/snapshot-receiver.ts'
import { Stalls } from './stall.ts'
import type { StateStore } from './state/state-store.ts'
import type { StateCheck } from './state-check.ts'

export class Group<Command, Reply> {
  readonly id: GroupId
  readonly raft: Raft
  readonly store: StateStore
  readonly receiver: SnapshotReceiver
  readonly #engine: Engine
  readonly #world: GroupWorld
  readonly #callbacks: GroupCallbacks
  /** What this node's gateway sent to the leader. */
  readonly sent: SentProposals<Command, Reply>
  readonly pace: FollowPace
  readonly #applier: Applier<Command, Reply>
  readonly #proposer: Proposer<Command, Reply>
  readonly #reader: Reader<Command, Reply>
  readonly #admission: Admission<Command, Reply>
  readonly #persister: Persister
  readonly #cutter: LogCutter
  readonly #stalls: Stalls
  readonly #leadership: LeadershipWatch
  readonly #stateCheck: StateCheck
  readonly #runner: ReadyRunner<Command, Reply>
  readonly #repairReporter: RepairReporter
  #isPumpScheduled = false
  #isStopped = false
  #isRepairing: boolean
  /** The log says that it lost something of this group, and will until `repaired` is durable. */
  #isDamageKnown: boolean
  #health: GroupHealth = { kind: 'healthy' }

  constructor(
    opened: OpenedGroup<Command, Reply>,
    world: GroupWorld,
    options: GroupOptions,
    callbacks: GroupCallbacks,
  ) {
    const { id, raft } = opened
    this.id = id
    this.raft = raft
    this.#engine = opened.engine
    this.#world = world
    this.#callbacks = callbacks
    this.#isRepairing = raft.isRepairing
    this.#isDamageKnown = raft.isRepairing
    const parts = makeGroupParts(opened, world, options, this.#hooks())
    this.store = parts.store
    this.receiver = parts.receiver
    this.sent = parts.sent
    this.#applier = parts.applier
    this.#proposer = parts.proposer
    this.#reader = parts.reader
    this.#admission = parts.admission
    this.#persister = parts.persister
    this.#cutter = parts.cutter
    this.#stateCheck = parts.stateCheck
    this.#runner = parts.runner
    this.#stalls = new Stalls(parts, options.tickMs, (what) => this.#offerLeadership(what))
    this.pace = new FollowPace(raft, options, this.#stalls)
    this.#leadership = new LeadershipWatch(raft)
    this.#repairReporter = new RepairReporter(id, raft, world)
  }

  #hooks(): GroupHooks {
    return {
      health: () => this.#health,
      isRunning: () => this.#isRunning,
      isStopped: () => this.#isStopped,
      isLeader: () => this.isLeader,
      schedule: () => this.schedule(),
      onApplied: (index) => this.#onApplied(index),
      onInstalled: () => this.#callbacks.onApplied(),
      onFlushed: () => this.#onFlushed(),
      onNeedTime: () => this.#advanceTime(),
      onSnapshotSent: (to, index) => this.#onSnapshotSent(to, index),
      onDigest: (index, digest) => this.#callbacks.onDigest(index, digest),
      onLogFailure: (error) => this.#onLogFailure(error),
      onFailure: (reason, isStateWrong) => this.#fail(reason, isStateWrong),
    }
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
    if (this.#admission.propose(command, bytes, responder)) this.schedule()
  }

  /** From a gateway on another node, under the leadership that it knows: forwarding/proposal-streams.ts. */
  accept(id: StreamId, first: number, proposals: readonly SizedCommand<Command>[]): Taken {
    const taken = this.#admission.accept(id, first, proposals)
    this.schedule()
    return taken
  }

  /** Its own log will soon tell what became of what is sent to this leader. */
  follows(leader: ReplicaId, term: number): boolean {
    const isFit = this.#isRunning && !this.#persister.hasFailed && !this.#runner.isInstalling
    return isFit && this.pace.isCloseTo(leader, term)
  }

  /** A linearizable read; on a follower it asks the leader for the index and answers from its own state. */
  query(command: Command, responder: Responder<Reply>): void {
    if (this.#admission.query(command, responder)) this.schedule()
  }

  /** As `query`, of the state as it is here: it may be an old one. Costs no round among the replicas. */
  peek(command: Command, responder: Responder<Reply>): void {
    this.#admission.peek(command, responder)
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
    this.#stalls.tick(this.isLeader)
    this.pace.tick()
    this.#repairReporter.tick()
    if (!this.#isPumpScheduled && this.#hasWork()) this.schedule()
  }

  /** Of a tick: most change nothing. What other events bring they schedule themselves. */
  #hasWork(): boolean {
    return (
      this.raft.hasReady() ||
      // Refused while leadership was handed over, say: that ends with a tick.
      this.#proposer.pendingCommands > 0 ||
      this.#leadership.isNews ||
      // The pause between two cuts ends without an event.
      this.#cutter.isDue
    )
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
    if (!this.isLeader || !this.#stateCheck.isDue(this.store.applied.position.index)) return
    this.#proposer.proposeQuietly('check')
    this.schedule()
  }

  /** The log's files take more room than its entries: fewer of them are kept. */
  shortenLog(): void {
    if (this.#isRunning && !this.#runner.isInstalling && !this.#persister.hasFailed) this.#cutter.shorten()
  }

  recordDigest(index: LogIndex, from: ReplicaId, digest: string): void {
    this.#stateCheck.record(index, from, digest)
  }

  /** Offers leadership to the voter that is furthest along; false when there is nobody to take it. */
  handOver(): boolean {
    if (!this.isLeader) return false
    const successor = bestSuccessor(this.raft)
    const isOffered = successor !== null && this.raft.transferLeadership(successor)
    this.schedule()
    return isOffered
  }

  /** The log was reopened; `found`: what it showed of this group, if it had to read itself again. */
  resumeLog(found: FoundAgain | null): void {
    if (!this.#isRunning) return
    const damage = found?.damage ?? null
    // Of damage that was known before, what was written since is still there, or this is more of it.
    const isKnown = this.#isDamageKnown && (found?.lastIndex ?? 0) >= this.raft.status().persistedIndex
    if (damage !== null && !isKnown) {
      this.#fail(`the log lost what this replica had written: ${damage.detail}`, false)
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
    this.#admission.failAll({ kind: 'unhealthy', reason: 'the node is stopping' })
    await this.#close()
  }

  /** Whatever fails on the way, the engine is closed. */
  async #close(): Promise<void> {
    try {
      await this.store.stop()
      await this.#cutter.stop()
      await this.receiver.stop()
    } catch (error) {
      this.#world.logger.error('the state could not be flushed; the log has what is missing', {
        group: this.id,
        error: String(error),
      })
    }
    await this.#engine.close()
  }

  #pump(): void {
    if (this.#runner.isInstalling || !this.#isRunning) return
    // Who does not lead any more tells those who wait; they must not wait for a cut.
    if (!this.isLeader || !this.#cutter.isFull) this.#proposer.proposePending()
    this.#reader.askRound()
    this.#runner.run()
    if (this.#isRepairing && !this.raft.isRepairing) this.#endRepair()
    this.#cutter.consider()
    if (this.#leadership.takeNews()) {
      this.receiver.termChanged()
      this.#callbacks.onChange()
    }
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

  #onSnapshotSent(to: ReplicaId, index: LogIndex | null): void {
    if (!this.#isRunning) return
    this.raft.reportSnapshot(to, index)
    this.schedule()
  }

  #offerLeadership(what: string): void {
    if (!this.handOver()) return
    this.#world.logger.warning(`${what} for a second: leadership is offered`, { group: this.id })
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

  #advanceTime(): void {
    if (this.#admission.advanceTime()) this.schedule()
  }

  #onLogFailure(error: Error): void {
    const isSoleVoter = isOnlyVoter(this.raft.membershipAt(this.raft.lastIndex), this.raft.id)
    this.#world.logger.error('the log failed: this replica acknowledges nothing until it writes again', {
      group: this.id,
      error: error.message,
    })
    this.#proposer.failPending(this.#admission.unhealthy())
    // When the log writes again they may still commit, here or under another leader.
    this.#proposer.failInflight({ kind: 'unknown' })
    if (!isSoleVoter) {
      this.raft.resign()
      this.#reader.failAll({ kind: 'notLeader', leader: null })
    }
    this.schedule()
    this.#callbacks.onLogFailure(error)
  }

  #fail(reason: string, isStateWrong: boolean): void {
    if (!this.#isRunning) return
    this.#health = { kind: 'failed', reason, isStateWrong }
    this.#world.logger.error('a replica stopped', { group: this.id, reason })
    this.#applier.stop()
    this.#admission.failAll({ kind: 'unhealthy', reason })
    this.#callbacks.onHealth(this.#health)
    this.#callbacks.onChange()
  }
}
