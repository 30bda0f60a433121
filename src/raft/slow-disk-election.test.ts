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
import { EMPTY_MEMBERSHIP } from './membership.ts'

const ELECTION_TICKS = 10
const IDS = [1, 2, 3].map(makeReplicaId)

/** Two of three replicas; every sync takes `syncTicks`, and covers what was written before it began. */
class SlowPair {
  readonly hosts: ReadonlyMap<ReplicaId, RaftHost>
  readonly #syncTicks: number
  #packets: Packet[] = []
  readonly #syncs = new Map<ReplicaId, { writes: number; ticksLeft: number }>()

  constructor(syncTicks: number, seed: number) {
    this.#syncTicks = syncTicks
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
    this.hosts = new Map(
      IDS.slice(1).map((id) => [
        id,
        new RaftHost(id, founding({ ...EMPTY_MEMBERSHIP, voters: IDS }), options, checker, events),
      ]),
    )
    for (const host of this.hosts.values()) host.start()
  }

  get committed(): number {
    return Math.max(...[...this.hosts.values()].map(({ raft }) => raft.commit))
  }

  /** A message takes one tick. */
  tick(): void {
    const packets = this.#packets
    this.#packets = []
    for (const packet of packets) {
      const to = packet.kind === 'message' ? packet.message.to : packet.to
      this.hosts.get(to)?.deliver(packet)
    }
    for (const host of this.hosts.values()) {
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
    if (!this.#syncs.has(host.id) && host.pendingWrites > 0)
      this.#syncs.set(host.id, { writes: host.pendingWrites, ticksLeft: this.#syncTicks })
  }
}

for (const timeouts of [0.1, 1, 2, 5, 8]) {
  test(`a leader is found, and its first entry committed, when a sync takes ${timeouts} election timeouts`, () => {
    const syncTicks = timeouts * ELECTION_TICKS
    for (let seed = 1; seed <= 100; seed++) {
      const pair = new SlowPair(syncTicks, seed)
      const ticksMax = 3 * ELECTION_TICKS + 6 * syncTicks
      let ticks = 0
      while (pair.committed === 0 && ticks < ticksMax) {
        pair.tick()
        ticks++
      }
      assert.ok(pair.committed > 0, `seed ${seed}: nothing was committed in ${ticks} ticks`)
    }
  })
}
