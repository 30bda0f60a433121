/**
 * The hosts of one Raft group and the network between them, without faults of its own: what is lost,
 * doubled, cut off or stands still is set by whoever drives it (raft-nemesis.ts, raft-proofs.ts).
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../../src/base/ids.ts'
import type { LogIndex } from '../../src/base/log-entry.ts'
import type { SimRandom } from '../world/random.ts'
import type { RaftChecker } from './raft-checker.ts'
import { createRaftChecker } from './raft-checker.ts'
import type { Checkpoint, HostOptions, Packet } from './raft-host.ts'
import { RaftHost } from './raft-host.ts'

/** Packets on the way; beyond it the network loses one at random. */
const PACKETS_MAX = 300
const WAITING_TICKS_MAX = 2000
const QUIET_ROUNDS_MAX = 10_000

export type NetworkConditions = {
  readonly lossChance: number
  readonly doubleChance: number
  readonly reorders: boolean
  /** Packets and writes that are done with at one go: how fast network and disks are beside the clocks. */
  readonly burst: number
}

export class RaftWorld {
  readonly random: SimRandom
  readonly checker: RaftChecker = createRaftChecker()
  readonly hosts: RaftHost[] = []
  readonly #conditions: NetworkConditions
  packets: Packet[] = []
  /** Pairs (a, b): b was started again after its disk was damaged, and a has not met that process yet. */
  readonly #unmet = new Set<string>()
  /** Sent by a process that has died since. */
  readonly #posthumous = new WeakSet<Packet>()
  /** Replicas in different sides don't hear each other; null: nobody is cut off. */
  side: ReadonlyMap<ReplicaId, number> | null = null
  /** A process that stands still: what is sent to it waits, and its clock does not move. */
  paused: ReplicaId | null = null
  /** Sends, but hears nothing. */
  deaf: ReplicaId | null = null
  /** The network loses and doubles nothing any more. */
  isReliable = false
  grants = 0
  snapshots = 0
  crashes = 0
  repairs = 0
  trace = 0
  #nextContext = 0
  #nextPayload = 0

  constructor(random: SimRandom, conditions: NetworkConditions) {
    this.random = random
    this.#conditions = conditions
  }

  addHost(id: ReplicaId, founding: Checkpoint, options: HostOptions): void {
    const host = new RaftHost(id, founding, options, this.checker, {
      send: (packet) => this.#send(packet),
      granted: () => {
        this.grants++
      },
      applied: (_, entry) => {
        this.trace = (Math.imul(this.trace, 31) + entry.index * 7 + entry.term) | 0
      },
    })
    this.hosts.push(host)
    host.start()
  }

  get awake(): RaftHost[] {
    return this.hosts.filter((host) => host.isRunning && host.id !== this.paused)
  }

  /** Of those that lead, or believe that they do, the one in the latest term. */
  get leader(): RaftHost {
    const leaders = this.hosts.filter((host) => host.isRunning && host.raft.role === 'leader')
    const [latest] = leaders.sort((left, right) => right.raft.term - left.raft.term)
    assert(latest !== undefined, 'nobody leads')
    return latest
  }

  /** Half of the time one that leads, or believes that it does, if there is one. */
  leaderOr(host: RaftHost): RaftHost {
    const leaders = this.awake.filter((each) => each.raft.role === 'leader')
    return leaders.length > 0 && this.random.chance(0.5) ? this.random.pick(leaders) : host
  }

  persist(host: RaftHost): void {
    const wasDamaged = host.isDamaged
    host.persistOne()
    if (wasDamaged && !host.isDamaged) this.repairs++
  }

  persistSome(host: RaftHost): void {
    const count = Math.min(host.pendingWrites, this.random.between(1, this.#conditions.burst))
    for (let left = count; left > 0; left--) this.persist(host)
  }

  askRead(host: RaftHost): void {
    host.askRead(this.#nextContext++)
  }

  propose(host: RaftHost): void {
    const bytes = this.random.pick([0, 1, 10, 60])
    const payload = Buffer.alloc(bytes + 4)
    payload.writeUInt32LE(this.#nextPayload++)
    host.call((raft) => raft.propose(payload))
  }

  proposeAtLeaders(): void {
    for (const host of this.awake) if (host.raft.role === 'leader') this.propose(host)
  }

  setSides(side: ReadonlyMap<ReplicaId, number> | null): void {
    this.side = side
  }

  isolate(alone: RaftHost): void {
    this.setSides(new Map(this.hosts.map((host) => [host.id, Number(host === alone)])))
  }

  deliverSome(): void {
    const count = Math.min(this.packets.length, this.random.between(1, this.#conditions.burst))
    for (let left = count; left > 0 && this.packets.length > 0; left--) {
      const first = this.#conditions.reorders ? this.random.below(this.packets.length) : 0
      const at = this.packets.findIndex(
        (packet, place) => place >= first && receiverOf(packet) !== this.paused,
      )
      if (at !== -1) this.#deliverOne(at)
    }
  }

  /** All that is on the way to it arrives, before it does anything of what follows. */
  deliverAllTo(host: RaftHost): void {
    for (let left = this.packets.length; left > 0; left--) {
      const at = this.packets.findIndex((packet) => receiverOf(packet) === host.id)
      if (at === -1) return
      this.#deliverOne(at)
    }
  }

  persistAll(host: RaftHost): void {
    while (host.pendingWrites > 0) this.persist(host)
  }

  /**
   * Connections end with the process. Nothing sent to it reaches the next one; what it sent may still arrive
   * wherever the next one has not been met (`#meet`), and nowhere else.
   */
  endConnections(host: RaftHost): void {
    this.#removePackets((packet) => receiverOf(packet) === host.id)
    for (const packet of this.packets) if (senderOf(packet) === host.id) this.#posthumous.add(packet)
    for (const other of this.hosts) if (other !== host) this.#unmet.add(pairOf(other.id, host.id))
    if (this.random.chance(0.3)) for (const other of this.hosts) this.#meet(other, host.id)
  }

  /** `host` may notice which of the others are not the processes that they were. */
  meetSome(host: RaftHost): void {
    if (this.#unmet.size > 0 && this.random.chance(0.3)) this.#meetAll(host)
  }

  #meetAll(host: RaftHost): void {
    for (const { id, isRunning } of this.hosts) if (isRunning) this.#meet(host, id)
  }

  /** `host` connects to the process that `peer` is now: before it says or hears anything on that connection. */
  #meet(host: RaftHost, peer: ReplicaId): void {
    if (!this.#unmet.delete(pairOf(host.id, peer))) return
    this.#removePackets(
      (packet) => receiverOf(packet) === host.id && senderOf(packet) === peer && this.#posthumous.has(packet),
    )
    if (host.isRunning) host.call((raft) => raft.peerRestarted(peer))
  }

  #isUnmet(packet: Packet): boolean {
    const [from, to] = [senderOf(packet), receiverOf(packet)]
    return (
      this.#unmet.has(pairOf(from, to)) ||
      (this.#unmet.has(pairOf(to, from)) && !this.#posthumous.has(packet))
    )
  }

  #removePackets(isHit: (packet: Packet) => boolean): void {
    const hit = this.packets.filter(isHit)
    this.packets = this.packets.filter((packet) => !isHit(packet))
    for (const packet of hit) this.#lose(packet)
  }

  /** Time goes on, and clients go on asking, until it is so; fails when that takes too long. */
  runUntil(what: string, isDone: () => boolean): void {
    for (let ticks = 0; ticks < WAITING_TICKS_MAX; ticks++) {
      this.runUntilQuiet()
      if (isDone()) return
      for (const host of this.awake) host.call((raft) => raft.tick())
      if (ticks % 10 === 0) this.proposeAtLeaders()
    }
    const states = this.awake.map((host) => JSON.stringify(host.raft.status()))
    assert.fail(`no progress after ${what}:\n${states.join('\n')}`)
  }

  runFor(ticks: number): void {
    for (let left = ticks; left > 0; left--) {
      for (const host of this.awake) host.call((raft) => raft.tick())
      this.runUntilQuiet()
    }
  }

  runUntilQuiet(): void {
    for (let rounds = 0; rounds < QUIET_ROUNDS_MAX; rounds++) if (!this.runRound()) return
    assert.fail('the replicas never fall silent')
  }

  /** One packet arrives, and everybody does what there is to do. False when there was nothing. */
  runRound(): boolean {
    let isBusy = this.packets.length > 0
    this.#deliverOne(0)
    for (const host of this.awake) {
      while (host.takeReady()) isBusy = true
      while (host.pendingWrites > 0) {
        this.persist(host)
        isBusy = true
      }
    }
    return isBusy
  }

  #send(packet: Packet): void {
    const { lossChance, doubleChance } = this.#conditions
    if (packet.kind === 'snapshot') this.snapshots++
    if (this.isReliable) for (const host of this.hosts) this.#meetAll(host)
    if (this.#isUnmet(packet)) return this.#lose(packet)
    if (!this.isReliable && this.random.chance(lossChance)) return this.#lose(packet)
    this.packets.push(packet)
    if (!this.isReliable && this.random.chance(doubleChance)) this.packets.push(packet)
    if (this.packets.length > PACKETS_MAX && !this.isReliable) {
      const [lost] = this.packets.splice(this.random.below(this.packets.length), 1)
      this.#lose(lost as Packet)
    }
  }

  /** A host always learns that its snapshot did not arrive. */
  #lose(packet: Packet): void {
    if (packet.kind === 'snapshot') this.#report(packet.from, packet.to, null)
  }

  #report(from: ReplicaId, to: ReplicaId, index: LogIndex | null): void {
    const sender = this.hosts.find((host) => host.id === from)
    if (sender?.isRunning === true) sender.raft.reportSnapshot(to, index)
  }

  #deliverOne(at: number): void {
    const [packet] = this.packets.splice(at, 1)
    if (packet === undefined) return
    const from = senderOf(packet)
    const to = receiverOf(packet)
    const receiver = this.hosts.find((host) => host.id === to)
    const isCut =
      to === this.deaf ||
      this.#isUnmet(packet) ||
      (this.side !== null && this.side.get(from) !== this.side.get(to))
    if (receiver === undefined || !receiver.isRunning || isCut) return this.#lose(packet)
    receiver.deliver(packet)
    if (packet.kind === 'snapshot') this.#report(from, to, packet.checkpoint.position.index)
  }
}

function pairOf(left: ReplicaId, right: ReplicaId): string {
  return `${left} ${right}`
}

function senderOf(packet: Packet): ReplicaId {
  return packet.kind === 'message' ? packet.message.from : packet.from
}

function receiverOf(packet: Packet): ReplicaId {
  return packet.kind === 'message' ? packet.message.to : packet.to
}
