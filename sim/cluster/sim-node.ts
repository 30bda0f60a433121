/**
 * One machine of the simulated cluster: its disk outlives the processes that run on it, one after
 * the other. The process is the product's own node (`server/node.ts`), unchanged.
 */
import assert from 'node:assert/strict'
import type { GroupId, ReplicaId } from '../../src/base/ids.ts'
import { makeNodeId } from '../../src/base/ids.ts'
import type { Clock } from '../../src/env/clock.ts'
import type { Address } from '../../src/env/network.ts'
import { createRaft } from '../../src/raft/create-raft.ts'
import type { NodeOptions, RunningNode } from '../../src/server/node-options.ts'
import { startNode } from '../../src/server/node.ts'
import { createMemoryEngineStore, type MemoryEngineStore } from '../../src/storage/memory-engine.ts'
import { createSimClock, type SimClock } from '../clock.ts'
import { createSimDisk, type SimDisk } from '../disk.ts'
import type { SimLog } from '../logger.ts'
import type { DeathNotice, SimNetwork } from '../network.ts'
import type { RaftChecker } from '../raft-checker.ts'
import type { SimRandom } from '../random.ts'
import type { Scheduler } from '../scheduler.ts'
import { watchRaft } from './watched-raft.ts'

export const REDIS_PORT = 6379
export const PEER_PORT = 7400

export type SimNodeWorld = {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly random: SimRandom
  readonly log: SimLog
  /** One per group, shared by all nodes. */
  readonly checkerOf: (group: GroupId) => RaftChecker
  readonly options: Partial<NodeOptions>
  readonly diskLatencyMs: (random: SimRandom) => number
}

export class SimNode {
  readonly host: string
  readonly disk: SimDisk
  readonly #world: SimNodeWorld
  readonly #random: SimRandom
  readonly #engines: MemoryEngineStore
  readonly #join: readonly Address[]
  #clock: SimClock | null = null
  #running: RunningNode | null = null
  #watched: { readonly group: GroupId; readonly id: ReplicaId }[] = []
  #incarnation = 0
  /** What ended the start of the present incarnation, if anything did. */
  startFailure: unknown = null

  constructor(host: string, join: readonly Address[], world: SimNodeWorld) {
    this.host = host
    this.#world = world
    this.#join = join
    this.#random = world.random.fork(host)
    const latency = this.#random.fork('disk-latency')
    this.disk = createSimDisk({
      random: this.#random.fork('disk'),
      clock: this.#processClock(),
      latencyMs: () => world.diskLatencyMs(latency),
    })
    this.#engines = createMemoryEngineStore({ random: this.#random.fork('engine') })
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

  start(): void {
    assert(this.#clock === null, `${this.host} runs already`)
    this.#incarnation += 1
    const incarnation = this.#incarnation
    const random = this.#random.fork(`incarnation-${incarnation}`)
    const clock = createSimClock(this.#world.scheduler, {
      driftPerMillion: random.between(-50, 50),
      skewMs: random.between(-100, 100),
    })
    this.#clock = clock
    this.startFailure = null
    const world = {
      clock,
      random,
      disk: this.disk.disk(),
      network: this.#world.network.attach(this.host, clock),
      engines: this.#engines,
      logger: this.#world.log.logger(this.host),
      makeRaft: this.#makeRaft,
    }
    startNode(world, this.#options()).then(
      (node) => {
        if (this.#incarnation === incarnation && this.#clock !== null) this.#running = node
      },
      (error: unknown) => {
        if (this.#incarnation === incarnation && this.#clock !== null) this.startFailure = error
      },
    )
  }

  /** The process dies. With `losesPower` what was not synced is gone too. */
  crash(notice: DeathNotice, losesPower: boolean): void {
    assert(this.#clock !== null, `${this.host} is down already`)
    this.#clock.kill()
    this.#clock = null
    this.#running = null
    this.#world.network.kill(this.host, notice)
    if (losesPower) this.disk.crash()
    else this.disk.kill()
    this.#engines.crash()
    for (const { group, id } of this.#watched) this.#world.checkerOf(group).crashed(id)
    this.#watched = []
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
    this.#watched.push({ group, id: options.id })
    return watchRaft(createRaft(options, state), state, this.#world.checkerOf(group))
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
    }
  }
}
