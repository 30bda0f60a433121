/**
 * One machine of the simulated cluster: its disk outlives the processes that run on it, one after
 * the other. The process is the product's own node (`server/node.ts`), unchanged.
 */
import assert from 'node:assert/strict'
import type { GroupId, ReplicaId } from '../../src/base/ids.ts'
import { makeNodeId } from '../../src/base/ids.ts'
import { makeLogIndex } from '../../src/base/log-entry.ts'
import type { Clock } from '../../src/env/clock.ts'
import type { DiskOperation } from '../../src/env/disk.ts'
import { EngineFault } from '../../src/env/engine.ts'
import type { Address } from '../../src/env/network.ts'
import { createRaft } from '../../src/raft/create-raft.ts'
import type { Raft } from '../../src/raft/raft.ts'
import { startNode } from '../../src/server/node.ts'
import type { NodeOptions, RunningNode } from '../../src/server/node-options.ts'
import { createMemoryEngineStore, type MemoryEngineStore } from '../../src/storage/memory-engine.ts'
import { digestingStore } from '../checkers/engine-digests.ts'
import { createSimDisk, type SimDisk } from '../disk/disk.ts'
import type { DeathNotice, SimNetwork } from '../network/network.ts'
import { FrameMeddler } from '../network/network-frames.ts'
import type { RaftChecker } from '../raft/raft-checker.ts'
import { createSimClock, type SimClock } from '../world/clock.ts'
import type { SimLog } from '../world/logger.ts'
import type { SimRandom } from '../world/random.ts'
import { eventTag, type Scheduler } from '../world/scheduler.ts'
import { slowEngineStore } from './slow-engine.ts'
import { watchRaft } from './watched-raft.ts'
import {
  CallWatch,
  type CrashPoint,
  watchClock,
  watchDisk,
  watchEngines,
  watchNetwork,
} from './watched-world.ts'

const FINDING = eventTag('finding')
export const REDIS_PORT = 6379
export const PEER_PORT = 7400

/** How far wall clocks may be off, drawn at each start. */
export type MachineClock = { readonly skewMsMax: number; readonly driftPerMillionMax: number }

export type SimNodeWorld = {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly random: SimRandom
  readonly log: SimLog
  /** One per group, shared by all nodes. */
  readonly checkerOf: (group: GroupId) => RaftChecker
  readonly options: Partial<NodeOptions>
  readonly clock: MachineClock
  readonly diskLatencyMs: (random: SimRandom, operation: DiskOperation, host: string) => number
  readonly engineLatencyMs: (random: SimRandom) => number
  /** Peers may hear frames of earlier again: see network-frames.ts. */
  readonly remembersFrames: boolean
}

type Watched = { readonly group: GroupId; readonly id: ReplicaId; readonly raft: Raft }

export class SimNode {
  readonly host: string
  readonly #world: SimNodeWorld
  readonly #random: SimRandom
  #disk: SimDisk
  #engines: MemoryEngineStore
  #join: readonly Address[]
  #clock: SimClock | null = null
  #running: RunningNode | null = null
  #watched: Watched[] = []
  #incarnation = 0
  /** When the present process began, or the last one. */
  startedMs = 0
  #disks = 0
  #engineFault: EngineFault | null = null
  /** Of the reads of its engines, how many meet damage; the damage is there until the engines are replaced. */
  #rotShare = 0
  #watch = new CallWatch()
  readonly frames: FrameMeddler
  /** What each call of its engines takes at most beside the usual. */
  engineDelayMsMax = 0
  /** Differs from the other machines' options; read at the next start. */
  changes: Partial<NodeOptions> = {}
  /** What ended the start of the present incarnation, if anything did. */
  startFailure: Error | null = null
  /** Why the running process says that it can't go on, if it does. */
  failure: Error | null = null

  constructor(host: string, join: readonly Address[], world: SimNodeWorld) {
    this.host = host
    this.#world = world
    this.#join = join
    this.#random = world.random.fork(host)
    const frameRandom = this.#random.fork('frames')
    this.frames = new FrameMeddler(world.scheduler, frameRandom, PEER_PORT, world.remembersFrames)
    this.#disk = this.#makeDisk()
    this.#engines = this.#makeEngines()
  }

  get disk(): SimDisk {
    return this.#disk
  }

  get engines(): MemoryEngineStore {
    return this.#engines
  }

  get electionTimeoutMs(): number {
    return this.#options().electionTimeoutMs
  }

  get isUp(): boolean {
    return this.#clock !== null
  }

  /** null while down, or while it has not come as far as serving. */
  get running(): RunningNode | null {
    return this.#running
  }

  get clock(): SimClock | null {
    return this.#clock
  }

  get replicas(): readonly Watched[] {
    return this.#watched
  }

  /** Of the present process, or the last one. */
  get calls(): CallWatch {
    return this.#watch
  }

  /** The present process dies there, if it comes so far. */
  crashAt(point: CrashPoint): void {
    assert(this.#clock !== null, `${this.host} is down`)
    this.#watch.crashAt(point)
  }

  start(): void {
    assert(this.#clock === null, `${this.host} runs already`)
    this.#incarnation += 1
    this.startedMs = this.#world.scheduler.nowMs
    const incarnation = this.#incarnation
    const random = this.#random.fork(`incarnation-${incarnation}`)
    const { skewMsMax, driftPerMillionMax } = this.#world.clock
    const clock = createSimClock(this.#world.scheduler, {
      driftPerMillion: random.between(-driftPerMillionMax, driftPerMillionMax),
      skewMs: random.between(-skewMsMax, skewMsMax),
    })
    const engineLatency = random.fork('engine-latency')
    this.#clock = clock
    this.startFailure = null
    this.failure = null
    this.#engineFault = null
    const isPresent = (): boolean => this.#incarnation === incarnation && this.#clock !== null
    const watch = new CallWatch()
    this.#watch = watch
    const engines = digestingStore(this.#engines, (name, index, digest) => this.#onState(name, index, digest))
    const network = this.frames.wrap(this.#world.network.attach(this.host, clock))
    const world = {
      clock: watchClock(clock, watch),
      random,
      disk: watchDisk(this.#disk.disk(), watch),
      network: watchNetwork(network, watch),
      engines: watchEngines(
        slowEngineStore(engines, clock, () => this.#engineLatencyMs(engineLatency)),
        watch,
      ),
      logger: this.#world.log.logger(this.host),
      makeRaft: this.#makeRaft,
    }
    startNode(world, this.#options()).then(
      (node) => {
        if (!isPresent()) return
        this.#running = node
        void node.failed.then((error) => {
          if (isPresent()) this.failure = error
        })
      },
      (error: unknown) => {
        if (isPresent()) this.startFailure = error instanceof Error ? error : new Error(String(error))
      },
    )
  }

  /** The process dies. With `losesPower` what was not synced is gone too. */
  crash(notice: DeathNotice, losesPower: boolean): void {
    assert(this.#clock !== null, `${this.host} is down already`)
    this.#watch.died()
    this.#clock.kill()
    this.#clock = null
    this.#running = null
    this.#world.network.kill(this.host, notice)
    if (losesPower) this.#disk.crash()
    else this.#disk.kill()
    this.#engines.crash()
    for (const { group, id } of this.#watched) this.#world.checkerOf(group).crashed(id)
    this.#watched = []
  }

  /** The next call of the engine that a failure makes final fails, and all after it. */
  failEngine(errno: string): void {
    this.#engineFault = new EngineFault('io', 'engine', `the simulated disk says ${errno}`, { errno })
  }

  get hasEngineFault(): boolean {
    return this.#engineFault !== null
  }

  /** Damage in the engines' tables: it is found by whoever reads there, never returned as data. */
  rotEngines(share: number): void {
    this.#rotShare = share
  }

  get hasRottenEngines(): boolean {
    return this.#rotShare > 0
  }

  /** A new, empty machine under the old name, which joins the cluster as a new replica. */
  wipe(join: readonly Address[]): void {
    assert(this.#clock === null, `${this.host} runs`)
    this.#join = join
    this.frames.forgetSent()
    this.#disk = this.#makeDisk()
    this.#engines = this.#makeEngines()
  }

  /** The applied state is gone; it can be had again from the log or a peer. */
  loseEngines(): void {
    assert(this.#clock === null, `${this.host} runs`)
    this.#engines = this.#makeEngines()
  }

  #onState(name: string, index: number, digest: number): void {
    const watched = this.#watched.find(({ group }) => name === `group-${group}`)
    // An engine that is filled before its replica exists.
    if (watched === undefined) return
    try {
      this.#world.checkerOf(watched.group).applied(watched.id, makeLogIndex(index), digest)
    } catch (error) {
      // Thrown here, it would be taken for a failure of the engine.
      this.#world.scheduler.after(0, FINDING, () => {
        throw error
      })
    }
  }

  #engineLatencyMs(random: SimRandom): number {
    const usualMs = this.#world.engineLatencyMs(random)
    return this.engineDelayMsMax === 0 ? usualMs : usualMs + random.next() * this.engineDelayMsMax
  }

  #makeDisk(): SimDisk {
    this.#disks += 1
    const latency = this.#random.fork(`disk-latency-${this.#disks}`)
    return createSimDisk({
      random: this.#random.fork(`disk-${this.#disks}`),
      clock: this.#processClock(),
      latencyMs: ({ operation }) => this.#world.diskLatencyMs(latency, operation, this.host),
    })
  }

  #makeEngines(): MemoryEngineStore {
    this.#rotShare = 0
    const rot = this.#random.fork(`engine-rot-${this.#disks}`)
    return createMemoryEngineStore({
      random: this.#random.fork(`engine-${this.#disks}`),
      faultFor: (call, name) => {
        if (call === 'write' || call === 'persist') return this.#engineFault
        const isReading = call === 'getMany' || call === 'range' || call === 'verify'
        if (!isReading || this.#rotShare === 0 || !rot.chance(this.#rotShare)) return null
        return new EngineFault('corruption', name, 'a simulated block has a wrong checksum')
      },
    })
  }

  /** The disk outlives processes; what one asked of it ends with its clock. */
  #processClock(): Clock {
    const clock = (): SimClock => {
      assert(this.#clock !== null, 'a dead process asked the disk for something')
      return this.#clock
    }
    return {
      wallMs: () => clock().wallMs(),
      monotonicMs: () => clock().monotonicMs(),
      setTimer: (delayMs, run) => clock().setTimer(delayMs, run),
      endOfTurn: (run) => clock().endOfTurn(run),
    }
  }

  readonly #makeRaft = (
    group: GroupId,
    options: Parameters<typeof createRaft>[0],
    state: Parameters<typeof createRaft>[1],
  ) => {
    const raft = createRaft(options, state)
    this.#watched.push({ group, id: options.id, raft })
    return watchRaft(raft, state, whileAlive(this.#world.checkerOf(group), this.#watch))
  }

  #options(): NodeOptions {
    return {
      nodeId: makeNodeId(this.host),
      host: '0.0.0.0',
      advertiseHost: this.host,
      redisPort: REDIS_PORT,
      peerPort: PEER_PORT,
      httpAddress: null,
      processId: this.#incarnation,
      join: this.#join,
      roles: ['control', 'data', 'gateway'],
      password: null,
      heartbeatMs: 30,
      electionTimeoutMs: 150,
      maxValueBytes: 1024 * 1024,
      maxMemoryBytes: 64 * 1024 * 1024,
      maxConnections: 1_000,
      logSegmentBytes: 256 * 1024,
      drainTimeoutMs: 3_000,
      ...this.#world.options,
      ...this.changes,
    }
  }
}

/** What a process still does in the turn in which it died is nobody's business. */
function whileAlive(checker: RaftChecker, watch: CallWatch): RaftChecker {
  const tell =
    <Given extends readonly unknown[]>(report: (...given: Given) => void) =>
    (...given: Given): void => {
      if (watch.isAlive) report(...given)
    }
  return {
    get commit() {
      return checker.commit
    },
    get elections() {
      return checker.elections
    },
    started: tell((id, state) => checker.started(id, state)),
    crashed: tell((id) => checker.crashed(id)),
    observed: tell((raft) => checker.observed(raft)),
    readyTaken: tell((raft, ready) => checker.readyTaken(raft, ready)),
    persisted: tell((id, readyNumber) => checker.persisted(id, readyNumber)),
    sent: tell((message) => checker.sent(message)),
    applied: tell((id, index, digest) => checker.applied(id, index, digest)),
    readAsked: tell((id, context) => checker.readAsked(id, context)),
    readGranted: tell((id, grant) => checker.readGranted(id, grant)),
  }
}
