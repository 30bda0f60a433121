/**
 * One Raft group under a random network, disks and operators: the consensus core alone, without
 * logs, engines or transports. A run is its seed.
 *
 * Which faults a run has, and how often, is drawn per run (swarm testing): runs with everything at
 * once hide as much as runs without faults. After the faults comes the proof of life: everything
 * heals, and the group must agree on a new entry and on one state within a bounded time.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../src/base/ids.ts'
import { makeReplicaId } from '../src/base/ids.ts'
import type { LogIndex } from '../src/base/log-entry.ts'
import { allMembers, EMPTY_MEMBERSHIP, isJoint } from '../src/raft/membership.ts'
import type { RaftChecker } from './raft-checker.ts'
import { createRaftChecker } from './raft-checker.ts'
import type { HostOptions, Packet } from './raft-host.ts'
import { founding, RaftHost } from './raft-host.ts'
import type { SimRandom } from './random.ts'
import { createSimRandom } from './random.ts'

const REPLICAS_MAX = 5
/** Packets on the way; beyond it the network loses one at random. */
const PACKETS_MAX = 300
const HEALING_TICKS_MAX = 2000
const QUIET_ROUNDS_MAX = 10_000

export type RunSummary = {
  readonly seed: number
  readonly commits: number
  readonly elections: number
  readonly grants: number
  readonly snapshots: number
  readonly membershipChanges: number
  readonly crashes: number
  readonly repairs: number
  /** Of everything that was applied, in order: equal seeds, equal traces. */
  readonly trace: number
}

type Weights = Readonly<Record<Action, number>>
type Action =
  | 'deliver'
  | 'tick'
  | 'work'
  | 'persist'
  | 'propose'
  | 'read'
  | 'crash'
  | 'restart'
  | 'partition'
  | 'heal'
  | 'membership'
  | 'transfer'
  | 'peerClosed'
  | 'campaign'
  | 'resign'
  | 'checkpoint'
  | 'unreachable'

/** Throws, naming the seed, when a promise of consensus breaks. */
export function runRaftCluster(seed: number, steps: number): RunSummary {
  const cluster = new RaftCluster(seed)
  try {
    for (let at = 0; at < steps; at++) cluster.step()
    cluster.heal()
    return cluster.summary()
  } catch (error) {
    throw new Error(`raft cluster, seed ${seed}: ${(error as Error).message}`, { cause: error })
  }
}

class RaftCluster {
  readonly #seed: number
  readonly #random: SimRandom
  readonly #checker: RaftChecker = createRaftChecker()
  readonly #hosts: RaftHost[] = []
  readonly #weights: Weights
  readonly #lossChance: number
  readonly #doubleChance: number
  readonly #reorders: boolean
  readonly #mayDamage: boolean
  /** A host takes its Readys at once, rather than when it is its turn. */
  readonly #isEager: boolean
  /** Packets and writes that are done with at one go: how fast network and disks are beside the clocks. */
  readonly #burst: number
  readonly #clockSpeeds = new Map<ReplicaId, number>()
  #packets: Packet[] = []
  /** Replicas in different sides don't hear each other; null: nobody is cut off. */
  #side: ReadonlyMap<ReplicaId, number> | null = null
  #isHealing = false
  #nextContext = 0
  #nextPayload = 0
  #grants = 0
  #snapshots = 0
  #membershipChanges = 0
  #crashes = 0
  #repairs = 0
  #trace = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = createSimRandom(seed)
    const random = this.#random
    const mayChangeMembership = random.chance(0.5)
    this.#weights = drawWeights(random, mayChangeMembership)
    this.#lossChance = random.chance(0.5) ? random.next() * 0.3 : 0
    this.#doubleChance = random.chance(0.5) ? random.next() * 0.3 : 0
    this.#reorders = random.chance(0.6)
    this.#isEager = random.chance(0.7)
    this.#burst = random.pick([1, 3, 10, 30])
    const ids = Array.from({ length: REPLICAS_MAX }, (_, at) => makeReplicaId(at + 1))
    const voters = ids.slice(0, random.pick([1, 2, 3, 3, 3, 5]))
    // With fewer voters a damaged one is needed for every quorum, and may rightly block for ever.
    this.#mayDamage = !mayChangeMembership && voters.length >= 3 && random.chance(0.5)
    const membership = { voters, votersOutgoing: [], learners: [], learnersNext: [] }
    const options = drawOptions(random)
    const isDrifting = random.chance(0.5)
    for (const id of mayChangeMembership ? ids : voters) {
      const state = founding(voters.includes(id) ? membership : EMPTY_MEMBERSHIP)
      const own = random.fork(`replica ${id}`)
      if (isDrifting) this.#clockSpeeds.set(id, own.pick([1, 1, 0.5, 0.1]))
      const host = new RaftHost(id, state, { ...options, random: () => own.next() }, this.#checker, {
        send: (packet) => this.#send(packet),
        granted: () => {
          this.#grants++
        },
        applied: (_, entry) => {
          this.#trace = (Math.imul(this.#trace, 31) + entry.index * 7 + entry.term) | 0
        },
      })
      this.#hosts.push(host)
      host.start()
    }
  }

  step(): void {
    this.#act(this.#drawAction())
    if (!this.#isEager) return
    for (const host of this.#hosts) {
      if (host.isRunning) host.takeAllReadys()
    }
  }

  /** No more faults: one leader, a new entry, one state, within bounds. */
  heal(): void {
    this.#isHealing = true
    this.#side = null
    for (const host of this.#hosts) if (!host.isRunning) host.start()
    const before = this.#checker.commit
    for (let ticks = 0; ticks < HEALING_TICKS_MAX; ticks++) {
      this.#runUntilQuiet()
      if (this.#isConverged(before)) return
      for (const host of this.#hosts) host.call((raft) => raft.tick())
      if (ticks % 10 === 0) this.#proposeAtLeader()
    }
    const states = this.#hosts.map((host) => JSON.stringify(host.raft.status()))
    assert.fail(`no convergence after everything healed:\n${states.join('\n')}`)
  }

  summary(): RunSummary {
    return {
      seed: this.#seed,
      commits: this.#checker.commit,
      elections: this.#checker.elections,
      grants: this.#grants,
      snapshots: this.#snapshots,
      membershipChanges: this.#membershipChanges,
      crashes: this.#crashes,
      repairs: this.#repairs,
      trace: this.#trace,
    }
  }

  #drawAction(): Action {
    const weights = Object.entries(this.#weights) as [Action, number][]
    let drawn = this.#random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [action, weight] of weights) {
      drawn -= weight
      if (drawn < 0) return action
    }
    return 'tick'
  }

  #act(action: Action): void {
    const random = this.#random
    if (action === 'deliver') return this.#deliverSome()
    if (action === 'heal') return this.#setSides(null)
    if (action === 'partition') return this.#partition()
    if (action === 'restart') return this.#restart()
    const running = this.#hosts.filter((host) => host.isRunning)
    if (running.length === 0) return
    const host = random.pick(running)
    const peer = random.pick(this.#hosts).id
    switch (action) {
      case 'tick':
        return this.#tick(host)
      case 'work':
        return void host.takeReady()
      case 'persist':
        return this.#persistSome(host)
      case 'propose':
        return this.#propose(this.#leaderOr(host))
      case 'read':
        return void this.#leaderOr(host).askRead(this.#nextContext++)
      case 'crash':
        return this.#crash(this.#leaderOr(host))
      case 'membership':
        return this.#changeMembership(this.#leaderOr(host))
      case 'transfer':
        return void host.call((raft) => raft.transferLeadership(peer))
      case 'peerClosed':
        return host.call((raft) => raft.peerClosed(peer))
      case 'campaign':
        return host.call((raft) => raft.campaign())
      case 'resign':
        return host.call((raft) => raft.resign())
      case 'checkpoint':
        return host.checkpoint(random.pick([0, 0, 50, 500]))
      case 'unreachable':
        return host.call((raft) => raft.reportUnreachable(peer))
    }
  }

  /** Clocks run at their own speeds: nothing may depend on how long a tick is elsewhere. */
  #tick(host: RaftHost): void {
    if (this.#random.chance(this.#clockSpeeds.get(host.id) ?? 1)) host.call((raft) => raft.tick())
  }

  #persist(host: RaftHost): void {
    const wasDamaged = host.isDamaged
    host.persistOne()
    if (wasDamaged && !host.isDamaged) this.#repairs++
  }

  #persistSome(host: RaftHost): void {
    const count = Math.min(host.pendingWrites, this.#random.between(1, this.#burst))
    for (let left = count; left > 0; left--) this.#persist(host)
  }

  #deliverSome(): void {
    const count = Math.min(this.#packets.length, this.#random.between(1, this.#burst))
    for (let left = count; left > 0 && this.#packets.length > 0; left--) {
      this.#deliverOne(this.#reorders ? this.#random.below(this.#packets.length) : 0)
    }
  }

  #propose(host: RaftHost): void {
    const bytes = this.#random.pick([0, 1, 10, 60])
    const payload = Buffer.alloc(bytes + 4)
    payload.writeUInt32LE(this.#nextPayload++)
    host.call((raft) => raft.propose(payload))
  }

  #proposeAtLeader(): void {
    for (const host of this.#hosts) if (host.raft.role === 'leader') this.#propose(host)
  }

  #crash(host: RaftHost): void {
    this.#crashes++
    const { pendingWrites } = host
    host.crash(this.#random.below(pendingWrites + 1), this.#random.below(3))
    const { first, last } = host.durableRange
    const isAnyDamaged = this.#hosts.some((other) => other.isDamaged)
    if (!this.#mayDamage || isAnyDamaged || last < first || !this.#random.chance(0.5)) return
    if (this.#random.chance(0.5) && host.damageReplacement()) return
    host.damage(this.#random.between(first, last) as LogIndex)
  }

  #restart(): void {
    const down = this.#hosts.filter((host) => !host.isRunning)
    if (down.length > 0) this.#random.pick(down).start()
  }

  #changeMembership(host: RaftHost): void {
    const members = this.#random.shuffle(this.#hosts.map((other) => other.id))
    const voters = members.slice(0, this.#random.between(1, members.length))
    const learners = members.slice(voters.length).filter(() => this.#random.chance(0.5))
    const result = host.call((raft) => raft.proposeMembership({ voters, learners }))
    if (result.kind === 'accepted') this.#membershipChanges++
  }

  /** Half of the time one that leads, or believes that it does, if there is one. */
  #leaderOr(host: RaftHost): RaftHost {
    const leaders = this.#hosts.filter((each) => each.isRunning && each.raft.role === 'leader')
    return leaders.length > 0 && this.#random.chance(0.5) ? this.#random.pick(leaders) : host
  }

  /** Splits at random, or isolates one: preferably a leader. */
  #partition(): void {
    const alone = this.#leaderOr(this.#random.pick(this.#hosts))
    const isolates = this.#random.chance(0.5)
    const sideOf = (host: RaftHost): number => (isolates ? Number(host === alone) : this.#random.below(2))
    this.#setSides(new Map(this.#hosts.map((host) => [host.id, sideOf(host)])))
  }

  #setSides(side: ReadonlyMap<ReplicaId, number> | null): void {
    this.#side = side
  }

  #send(packet: Packet): void {
    if (packet.kind === 'snapshot') this.#snapshots++
    if (!this.#isHealing && this.#random.chance(this.#lossChance)) return this.#lose(packet)
    this.#packets.push(packet)
    if (!this.#isHealing && this.#random.chance(this.#doubleChance)) this.#packets.push(packet)
    if (this.#packets.length > PACKETS_MAX && !this.#isHealing) {
      const [lost] = this.#packets.splice(this.#random.below(this.#packets.length), 1)
      this.#lose(lost as Packet)
    }
  }

  /** A host always learns that its snapshot did not arrive. */
  #lose(packet: Packet): void {
    if (packet.kind === 'snapshot') this.#report(packet.from, packet.to, null)
  }

  #report(from: ReplicaId, to: ReplicaId, index: LogIndex | null): void {
    const sender = this.#hosts.find((host) => host.id === from)
    if (sender?.isRunning === true) sender.raft.reportSnapshot(to, index)
  }

  #deliverOne(at: number): void {
    const [packet] = this.#packets.splice(at, 1)
    if (packet === undefined) return
    const { from, to } = packet.kind === 'message' ? packet.message : packet
    const receiver = this.#hosts.find((host) => host.id === to)
    const isCut = this.#side !== null && this.#side.get(from) !== this.#side.get(to)
    if (receiver === undefined || !receiver.isRunning || isCut) return this.#lose(packet)
    receiver.deliver(packet)
    if (packet.kind === 'snapshot') this.#report(from, to, packet.checkpoint.position.index)
  }

  #runUntilQuiet(): void {
    for (let rounds = 0; rounds < QUIET_ROUNDS_MAX; rounds++) {
      let isBusy = this.#packets.length > 0
      this.#deliverOne(0)
      for (const host of this.#hosts) {
        while (host.takeReady()) isBusy = true
        while (host.pendingWrites > 0) {
          this.#persist(host)
          isBusy = true
        }
      }
      if (!isBusy) return
    }
    assert.fail('the replicas never fall silent')
  }

  #isConverged(commitBefore: number): boolean {
    const leaders = this.#hosts.filter((host) => host.raft.role === 'leader')
    // A leader that was cut off may not have noticed yet: the latest term counts.
    const leader = leaders.sort((left, right) => right.raft.term - left.raft.term)[0]
    if (leader === undefined || leader.raft.commit <= commitBefore) return false
    const { membership } = leader.raft.status()
    if (isJoint(membership)) return false
    const members = allMembers(membership)
    return this.#hosts
      .filter((host) => members.includes(host.id))
      .every((host) => {
        const { applied } = host.raft.status()
        return applied === leader.raft.commit && host.state.digest === leader.state.digest && !host.isDamaged
      })
  }
}

function drawOptions(random: SimRandom): HostOptions {
  return {
    electionTicks: random.between(4, 12),
    heartbeatTicks: random.between(1, 3),
    maxMessageBytes: random.pick([1, 40, 200, 10_000]),
    maxInflightMessages: random.pick([1, 2, 4, 64]),
    maxInflightBytes: random.pick([1, 80, 400, 100_000]),
    maxUncommittedBytes: random.pick([1, 200, 2000, 1_000_000]),
    maxApplyBytes: random.pick([1, 50, 1_000_000]),
    random: () => 0,
  }
}

function drawWeights(random: SimRandom, mayChangeMembership: boolean): Weights {
  const sometimes = (weight: number): number => (random.chance(0.5) ? weight * random.next() : 0)
  const crash = sometimes(4)
  const partition = sometimes(5)
  return {
    deliver: 60 + random.below(150),
    tick: 30 + random.below(120),
    work: 60,
    persist: 10 + random.below(100),
    propose: 1 + random.below(12),
    read: sometimes(20),
    crash,
    restart: crash * (1 + random.next() * 3),
    partition,
    heal: partition * (0.2 + random.next() * 2),
    membership: mayChangeMembership ? random.next() * 3 : 0,
    transfer: sometimes(0.5),
    peerClosed: sometimes(3),
    campaign: sometimes(2),
    resign: sometimes(0.3),
    checkpoint: sometimes(8),
    unreachable: sometimes(1),
  }
}
