/**
 * Elections where a sync takes longer than an election timeout: a vote counts only when it is durable,
 * so whoever campaigns again before that never wins.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRaftChecker } from '../../sim/raft/raft-checker.ts'
import { founding, type Packet, RaftHost } from '../../sim/raft/raft-host.ts'
import { createSimRandom } from '../../sim/world/random.ts'
import { makeReplicaId, type ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import { EMPTY_MEMBERSHIP } from './membership.ts'

const ELECTION_TICKS = 10
const IDS = [1, 2, 3].map(makeReplicaId)

/** Every sync takes the time of its disk, and covers what was written before it began. */
class SlowGroup {
  readonly #hosts: ReadonlyMap<ReplicaId, RaftHost>
  readonly #syncTicks = new Map<ReplicaId, number>()
  #packets: Packet[] = []
  readonly #syncs = new Map<ReplicaId, { writes: number; ticksLeft: number }>()

  constructor(seed: number) {
    const checker = createRaftChecker()
    const random = createSimRandom(seed)
    const options = {
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 2,
      maxMessageBytes: 1_000,
      maxInflightMessages: 8,
      maxInflightBytes: 10_000,
      maxUncommittedBytes: 10_000,
      maxApplyBytes: 10_000,
      maxCampaignLagBytes: 10_000,
      random: () => random.next(),
    }
    const events = { send: (packet: Packet): void => void this.#packets.push(packet) }
    const founders = founding({ ...EMPTY_MEMBERSHIP, voters: IDS })
    this.#hosts = new Map(IDS.map((id) => [id, new RaftHost(id, founders, options, checker, events)]))
  }

  host(number: number): RaftHost {
    return this.#hosts.get(makeReplicaId(number)) as RaftHost
  }

  get committed(): number {
    return Math.max(...this.#running.map(({ raft }) => raft.commit))
  }

  start(number: number, syncTicks: number): void {
    this.host(number).start()
    this.#syncTicks.set(this.host(number).id, syncTicks)
  }

  /** All that was written reaches the disks. */
  crashAll(): void {
    for (const host of this.#running) host.crash(host.pendingWrites, 0)
    this.#syncs.clear()
    this.#packets = []
  }

  /** True when `condition` held within so many ticks. */
  run(ticksMax: number, condition: () => boolean): boolean {
    for (let ticks = 0; ticks < ticksMax && !condition(); ticks++) this.#tick()
    return condition()
  }

  get #running(): readonly RaftHost[] {
    return [...this.#hosts.values()].filter(({ isRunning }) => isRunning)
  }

  /** A message takes one tick. */
  #tick(): void {
    const packets = this.#packets
    this.#packets = []
    for (const packet of packets) {
      const to = this.#hosts.get(packet.kind === 'message' ? packet.message.to : packet.to)
      if (to?.isRunning === true) to.deliver(packet)
    }
    for (const host of this.#running) {
      host.call((raft) => raft.tick())
      host.takeAllReadys()
      this.#sync(host)
      host.takeAllReadys()
    }
  }

  #sync(host: RaftHost): void {
    const running = this.#syncs.get(host.id)
    if (running !== undefined && --running.ticksLeft <= 0) {
      for (let written = 0; written < running.writes; written++) host.persistOne()
      this.#syncs.delete(host.id)
    }
    if (!this.#syncs.has(host.id) && host.pendingWrites > 0) {
      const ticksLeft = this.#syncTicks.get(host.id) as number
      this.#syncs.set(host.id, { writes: host.pendingWrites, ticksLeft })
    }
  }
}

for (const timeouts of [0.1, 1, 2, 5, 8]) {
  const syncTicks = timeouts * ELECTION_TICKS
  const ticksMax = 3 * ELECTION_TICKS + 6 * syncTicks

  test(`two of three find a leader, and commit, when a sync takes ${timeouts} election timeouts`, () => {
    for (let seed = 1; seed <= 100; seed++) {
      const group = new SlowGroup(seed)
      for (const number of [2, 3]) group.start(number, syncTicks)
      assert(
        group.run(ticksMax, () => group.committed > 0),
        `seed ${seed}`,
      )
    }
  })

  test(`and repair the third, whose disk is quicker and whose log is damaged: ${timeouts}`, () => {
    for (let seed = 1; seed <= 50; seed++) {
      const group = new SlowGroup(seed)
      for (const number of [1, 2, 3]) group.start(number, 0)
      assert(group.run(100, () => group.host(1).durableRange.last > 0 && group.host(1).raft.commit > 0))
      group.crashAll()
      const { last } = group.host(1).durableRange
      group.host(1).damage(last as LogIndex, last as LogIndex)
      group.start(1, syncTicks / 2)
      for (const number of [2, 3]) group.start(number, syncTicks)
      assert(
        group.run(ticksMax + 6 * syncTicks, () => group.committed > last && !group.host(1).isDamaged),
        `seed ${seed}`,
      )
    }
  })
}
