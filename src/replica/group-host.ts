/**
 * The groups of one node: they share its log, its transport, its ticks and its fate.
 *
 * A replica of a group this node has not heard of is made when a member of the cluster addresses
 * it: it starts empty and without a vote, and the leader fills it. A group that was dropped here
 * is not made again by a late message, because replica ids are never used twice.
 */
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { CONTROL_GROUP, type GroupId, type ReplicaId } from '../base/ids.ts'
import { makeLogIndex } from '../base/log-entry.ts'
import type { Clock, Timer } from '../env/clock.ts'
import type { Engine, EngineStore } from '../env/engine.ts'
import type { Logger } from '../env/logger.ts'
import type { Random } from '../env/random.ts'
import { createRaft } from '../raft/create-raft.ts'
import { allMembers, type Membership } from '../raft/membership.ts'
import { decodeMessage } from '../raft/message-codec.ts'
import type { Raft, RaftOptions, RaftState } from '../raft/raft.ts'
import type { RecoveredGroup, SharedLog } from '../storage/log/shared-log.ts'
import { Group } from './group.ts'
import type { GroupHealth } from './group-contract.ts'
import type { GroupMachine } from './group-machine.ts'
import type { GroupOptions } from './group-options.ts'
import { LogReopener } from './log-reopener.ts'
import { explainDamage, lostGroup, removeUnbornGroups } from './lost-groups.ts'
import {
  createDoubtfulState,
  createGroupState,
  groupEngineName,
  NO_MEMBERSHIP,
  type OpenedState,
  recoverGroupState,
} from './open-group.ts'
import { NoticeKind } from './request-kinds.ts'
import { routeSnapshots } from './snapshot/snapshot-routes.ts'
import { StateStore } from './state/state-store.ts'
import { readGroupId } from './transport/read-group-id.ts'
import type { Transport } from './transport/transport.ts'

/** A loop that stood still is not owed the ticks it missed: they would all time out at once. */
const TICKS_CAUGHT_UP_MAX = 3
/** Each start and each failure of the log begins a segment: they add up long before the entries do. */
const LOG_SEGMENTS_MAX = 4

export type GroupHostWorld = {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly log: SharedLog
  readonly engines: EngineStore
  readonly transport: Transport
  /** Of this process: greater than of any before it in the same data directory. */
  readonly incarnation: number
  /** Makes a group's consensus core; the simulator puts its checker around it. */
  readonly makeRaft?: MakeRaft
}

export type MakeRaft = (group: GroupId, options: RaftOptions, state: RaftState) => Raft

export type GroupHostCallbacks = {
  /** The machine of a group, by its number: the control group's or a data group's. */
  readonly machineOf: (group: GroupId) => GroupMachine
  readonly onChange: (group: GroupId) => void
  /** An entry was applied. Called often: must be cheap. */
  readonly onApplied: (group: GroupId) => void
  readonly onHealth: (group: GroupId, health: GroupHealth) => void
  readonly onLogHealth: (error: Error | null) => void
}

const makeRaft: MakeRaft = (_group, options, state) => createRaft(options, state)

// oxlint-disable-next-line typescript/no-explicit-any -- groups of different machines stand side by side here; GroupMachine ties each to its own types
type AnyGroup = Group<any, any>

export class GroupHost {
  readonly #self: ReplicaId
  readonly #world: GroupHostWorld
  readonly #options: GroupOptions
  readonly #callbacks: GroupHostCallbacks
  readonly #groups = new Map<GroupId, AnyGroup>()
  readonly #opening = new Map<GroupId, Promise<AnyGroup>>()
  readonly #discarding = new Map<GroupId, Promise<void>>()
  readonly #reopener: LogReopener
  #tickTimer: Timer | null = null
  #lastTickMs = 0
  #lastCheckMs = 0
  #isStopped = false

  constructor(self: ReplicaId, world: GroupHostWorld, options: GroupOptions, callbacks: GroupHostCallbacks) {
    this.#self = self
    this.#world = world
    this.#options = options
    this.#callbacks = callbacks
    routeSnapshots(world.transport, (id) => (this.#isStopped ? null : (this.#groups.get(id) ?? null)))
    this.#reopener = new LogReopener(world, {
      onLogHealth: callbacks.onLogHealth,
      onReopened: (foundOf) => {
        for (const [id, group] of this.#groups) group.resumeLog(foundOf(id))
      },
    })
  }

  get groups(): ReadonlyMap<GroupId, AnyGroup> {
    return this.#groups
  }

  /**
   * Opens what the log holds, and returns it; the caller then starts the ticks. Fails with
   * `logDamaged` when the log has lost all of a group.
   */
  async recover(): Promise<readonly RecoveredGroup[]> {
    const recovered = this.#world.log.takeRecovered()
    const known = new Set(recovered.map((found) => found.group))
    const { losses } = this.#world.log
    // Every member is in the control group.
    if (losses.length > 0 && !known.has(CONTROL_GROUP)) throw lostGroup(CONTROL_GROUP, losses)
    await removeUnbornGroups(this.#world.engines, known, losses)
    for (const found of recovered) {
      if (found.damage !== null) {
        this.#world.logger.error(
          'the log of a group is damaged; its replica asks its peers before it votes',
          {
            group: found.group,
            path: found.damage.path,
            offset: found.damage.offset,
            detail: found.damage.detail,
          },
        )
      }
      await this.#open(found.group, (engine) =>
        recoverGroupState(engine, found, this.#self, this.#world.logger),
      ).catch((error: unknown) => {
        throw explainDamage(found.group, error)
      })
    }
    return recovered
  }

  /** A founding voter of a new group. */
  async found(group: GroupId, membership: Membership): Promise<void> {
    await this.#open(group, (engine) => createGroupState(engine, group, membership))
  }

  start(): void {
    this.#lastTickMs = this.#world.clock.monotonicMs()
    // Not only after a while: a process that dies soon each time would never get there.
    if (this.#hasManySegments) this.#checkStates(this.#lastTickMs)
    this.#scheduleTick()
  }

  onRaftMessages(id: GroupId, from: ReplicaId, messages: readonly Uint8Array[]): void {
    // Before the ticks run the groups on disk are not all open: none may be made on demand yet.
    if (this.#isStopped || this.#tickTimer === null) return
    const group = this.#groups.get(id)
    for (const bytes of messages) {
      const message = decodeMessage(new ByteReader(bytes))
      // A node that lost its disk has a new replica under an old address: what was meant for the old one
      // is not for it, and makes no replica.
      if (message.to !== this.#self || message.from !== from) {
        throw new MalformedBytes(
          `message from ${message.from} to ${message.to} came from ${from} to ${this.#self}`,
        )
      }
      if (group === undefined) {
        this.#createOnDemand(id, from)
        return
      }
      group.step(message)
    }
  }

  onNotice(kind: number, from: ReplicaId, body: ByteReader): void {
    if (kind !== NoticeKind.stateDigest) throw new MalformedBytes(`unknown notice ${kind}`)
    const group = this.#groups.get(readGroupId(body))
    const index = makeLogIndex(body.varint())
    group?.recordDigest(index, from, body.byteString())
  }

  onPeerClosed(peer: ReplicaId): void {
    for (const group of this.#groups.values()) group.peerClosed(peer)
  }

  onPeerRestarted(peer: ReplicaId): void {
    for (const group of this.#groups.values()) group.peerRestarted(peer)
  }

  onUnreachable(peer: ReplicaId): void {
    for (const group of this.#groups.values()) group.peerUnreachable(peer)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#tickTimer?.cancel()
    await this.#reopener.stop()
    await Promise.allSettled(this.#opening.values())
    await Promise.allSettled(this.#discarding.values())
    await Promise.all([...this.#groups.values()].map((group) => group.stop()))
  }

  #createOnDemand(id: GroupId, from: ReplicaId): void {
    if (this.#opening.has(id)) return
    const { status } = this.#world.log
    if (status.kind !== 'running') {
      // Its first record could not be written now; the peer repeats itself. Where no other group is, nobody
      // else hears of the failure.
      if (status.kind === 'failed') this.#reopener.onFailure(status.error)
      return
    }
    this.#world.logger.info('a peer made this node a replica of a group', { group: id, from })
    const [loss] = this.#world.log.losses
    const create = (engine: Engine): Promise<OpenedState> =>
      loss === undefined ? createGroupState(engine, id, NO_MEMBERSHIP) : createDoubtfulState(engine, id, loss)
    this.#open(id, create).catch((error: unknown) => {
      this.#world.logger.error('a replica could not be created', { group: id, error: String(error) })
    })
  }

  #open(id: GroupId, load: (engine: Engine) => Promise<OpenedState>): Promise<AnyGroup> {
    const opening = this.#openNow(id, load).finally(() => this.#opening.delete(id))
    this.#opening.set(id, opening)
    return opening
  }

  async #openNow(id: GroupId, load: (engine: Engine) => Promise<OpenedState>): Promise<AnyGroup> {
    const engine = await this.#world.engines.open(groupEngineName(id))
    try {
      const state = await load(engine)
      if (state.logRepair.length > 0) await this.#append(state)
      const group = this.#makeGroup(id, engine, state)
      this.#groups.set(id, group)
      group.schedule()
      return group
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  #append(state: OpenedState): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#world.log.append(state.logRepair, (error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  #makeGroup(id: GroupId, engine: Engine, state: OpenedState): AnyGroup {
    const { machine, advanceTime } = this.#callbacks.machineOf(id)
    const options: RaftOptions = { id: this.#self, ...this.#options, random: () => this.#world.random.next() }
    const raft = (this.#world.makeRaft ?? makeRaft)(id, options, state.raft)
    return new Group(
      {
        id,
        raft,
        machine,
        advanceTime,
        engine,
        makeStore: (callbacks) => new StateStore(engine, state, this.#options.store, callbacks),
      },
      this.#world,
      this.#options,
      {
        onHealth: (health) => this.#onHealth(id, health),
        onChange: () => this.#callbacks.onChange(id),
        onApplied: () => this.#callbacks.onApplied(id),
        onDigest: (index, digest) => this.#sendDigest(id, index, digest),
        onLogFailure: (error) => this.#reopener.onFailure(error),
      },
    )
  }

  #onHealth(id: GroupId, health: GroupHealth): void {
    this.#callbacks.onHealth(id, health)
    if (health.kind === 'failed' && health.isStateWrong) this.#discarding.set(id, this.#discard(id))
  }

  /**
   * A majority agrees on another state: this one is of no use to anybody, and must not be found by the
   * next start, which gets the state anew from the log or from a peer. Never rejects.
   */
  async #discard(id: GroupId): Promise<void> {
    try {
      await (this.#groups.get(id) as AnyGroup).stop()
      await this.#world.engines.destroy(groupEngineName(id))
      this.#world.logger.warning('the wrong state was removed: the next start fetches it from a peer', {
        group: id,
      })
    } catch (error) {
      this.#world.logger.error('a wrong state could not be removed', { group: id, error: String(error) })
    }
  }

  /** To learners too: a wrong one must not become a voter. */
  #sendDigest(id: GroupId, index: number, digest: string): void {
    for (const member of allMembers((this.#groups.get(id) as AnyGroup).raft.status().membership)) {
      if (member === this.#self) continue
      this.#world.transport.notify(NoticeKind.stateDigest, member, (writer) => {
        writer.varint(id)
        writer.varint(index)
        writer.byteString(digest)
      })
    }
  }

  #scheduleTick(): void {
    this.#tickTimer = this.#world.clock.setTimer(this.#options.tickMs, () => this.#tick())
  }

  #tick(): void {
    if (this.#isStopped) return
    const nowMs = this.#world.clock.monotonicMs()
    const { tickMs, checkIntervalMs } = this.#options
    const due = Math.floor((nowMs - this.#lastTickMs) / tickMs)
    for (let count = 0; count < Math.min(due, TICKS_CAUGHT_UP_MAX); count++) {
      for (const group of this.#groups.values()) group.tick()
    }
    this.#lastTickMs = due > TICKS_CAUGHT_UP_MAX ? nowMs : this.#lastTickMs + due * tickMs
    if (nowMs - this.#lastCheckMs >= checkIntervalMs) this.#checkStates(nowMs)
    this.#scheduleTick()
  }

  get #hasManySegments(): boolean {
    return this.#world.log.metrics().segments > LOG_SEGMENTS_MAX
  }

  #checkStates(nowMs: number): void {
    this.#lastCheckMs = nowMs
    for (const group of this.#groups.values()) group.checkState()
    if (this.#hasManySegments) for (const group of this.#groups.values()) group.shortenLog()
    this.#world.log.collectGarbage().catch((error: unknown) => {
      this.#world.logger.error('old log segments could not be removed', { error: String(error) })
    })
  }
}
