/**
 * One Raft group under a random network, disks and operators: the consensus core alone, without
 * logs, engines or transports. A run is its seed.
 *
 * Which faults a run has, and how often, is drawn per run (swarm testing): runs with everything at
 * once hide as much as runs without faults. After the faults come the proofs of life, each within a
 * bounded time: a majority goes on alone; once all is healed all reach one state; a leader that does
 * well is left alone; a leader that hears nobody is replaced.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../src/base/ids.ts'
import { makeReplicaId } from '../src/base/ids.ts'
import type { LogIndex } from '../src/base/log-entry.ts'
import { makeLogIndex, makeTerm } from '../src/base/log-entry.ts'
import { allMembers, EMPTY_MEMBERSHIP, isJoint } from '../src/raft/membership.ts'
import type { RaftChecker } from './raft-checker.ts'
import { createRaftChecker } from './raft-checker.ts'
import type { Packet } from './raft-host.ts'
import { founding, RaftHost } from './raft-host.ts'
import type { Action, Weights } from './raft-swarm.ts'
import { drawOptions, drawWeights } from './raft-swarm.ts'
import type { SimRandom } from './random.ts'
import { createSimRandom } from './random.ts'

const REPLICAS_MAX = 5
/** Was removed long ago, does not know it, and knows nothing of pre-votes. */
const STRANGER = makeReplicaId(99)
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
  /** Pairs (a, b): b was started again after its disk was damaged, and a has not met that process yet. */
  readonly #unmet = new Set<string>()
  /** Sent by a process that has died since. */
  readonly #posthumous = new WeakSet<Packet>()
  /** Replicas in different sides don't hear each other; null: nobody is cut off. */
  #side: ReadonlyMap<ReplicaId, number> | null = null
  /** A process that stands still: what is sent to it waits, and its clock does not move. */
  #paused: ReplicaId | null = null
  /** Sends, but hears nothing. */
  #deaf: ReplicaId | null = null
  readonly #flapping: ReplicaId
  readonly #electionTicks: number
  readonly #voters: readonly ReplicaId[]
  readonly #mayChangeMembership: boolean
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
    const mayChangeMembership = random.chance(0.4)
    this.#mayChangeMembership = mayChangeMembership
    this.#lossChance = random.chance(0.5) ? random.next() * 0.3 : 0
    this.#doubleChance = random.chance(0.5) ? random.next() * 0.3 : 0
    this.#reorders = random.chance(0.6)
    this.#isEager = random.chance(0.7)
    this.#burst = random.pick([2, 10, 30, 100])
    const ids = Array.from({ length: REPLICAS_MAX }, (_, at) => makeReplicaId(at + 1))
    const voters = ids.slice(0, random.pick([1, 2, 3, 3, 3, 5]))
    // With fewer voters a damaged one is needed for every quorum, and may rightly block for ever.
    this.#mayDamage = !mayChangeMembership && voters.length >= 3 && random.chance(0.7)
    this.#voters = voters
    this.#flapping = random.pick(voters)
    this.#weights = drawWeights(random, mayChangeMembership, this.#mayDamage)
    const membership = { voters, votersOutgoing: [], learners: [], learnersNext: [] }
    const options = drawOptions(random)
    this.#electionTicks = options.electionTicks
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
    for (const host of this.#awake) host.takeAllReadys()
  }

  /** No more faults, but for those that each proof brings with it. */
  heal(): void {
    this.#isHealing = true
    this.#side = null
    this.#paused = null
    this.#proveMajority()
    for (const host of this.#hosts) if (!host.isRunning) host.start()
    const before = this.#checker.commit
    this.#runUntil('everything healed', () => this.#isConverged(before))
    this.#proveStability()
    this.#proveDeafLeader()
  }

  /** A majority with whole logs needs nobody else, whichever it is. */
  #proveMajority(): void {
    if (this.#mayChangeMembership) return
    const damaged = this.#hosts.filter((host) => host.isDamaged)
    const others = this.#random.shuffle(this.#hosts.filter((host) => !host.isDamaged))
    const minority = Math.floor((this.#voters.length - 1) / 2)
    if (damaged.length > minority) return
    const down = [...damaged, ...others].slice(0, minority)
    for (const host of this.#hosts) {
      const isDown = down.includes(host)
      if (isDown && host.isRunning) host.crash(host.pendingWrites, 0)
      if (!isDown && !host.isRunning) host.start()
    }
    const before = this.#checker.commit
    this.#runUntil('a majority was left alone', () => this.#checker.commit > before)
  }

  /** Neither who comes back from being cut off nor a stranger with a high term disturbs a leader. */
  #proveStability(): void {
    const leader = this.#leader
    const { term } = leader.raft
    const { voters } = leader.raft.status().membership
    const alone = this.#random.pick(this.#hosts.filter((host) => host !== leader || this.#hosts.length === 1))
    if (voters.length >= 3 && alone !== leader) {
      this.#setSides(new Map(this.#hosts.map((host) => [host.id, Number(host === alone)])))
      this.#runFor(3 * this.#electionTicks)
      this.#setSides(null)
    }
    this.#runFor(this.#electionTicks)
    for (const to of voters) {
      const host = this.#hosts.find((each) => each.id === to)
      const lastLog = { term: makeTerm(term + 4), index: makeLogIndex(10_000) }
      const message = { from: STRANGER, to, term: makeTerm(term + 5), lastLog }
      host?.call((raft) => raft.step({ kind: 'vote', ...message, isTransfer: false }))
      host?.call((raft) => raft.step({ kind: 'preVote', ...message }))
    }
    this.#runFor(this.#electionTicks)
    const isUndisturbed = leader.raft.role === 'leader' && leader.raft.term === term
    assert(isUndisturbed, `leader ${leader.id} of term ${term} was deposed without need`)
  }

  /** A leader whose followers hear it, but that does not hear them, must give way. */
  #proveDeafLeader(): void {
    const leader = this.#leader
    const { voters } = leader.raft.status().membership
    if (voters.length < 3) return
    this.#deaf = leader.id
    const before = this.#checker.commit
    this.#runUntil('the leader went deaf', () => this.#checker.commit > before && this.#leader !== leader)
    this.#deaf = null
  }

  /** Of those that lead, or believe that they do, the one in the latest term. */
  get #leader(): RaftHost {
    const leaders = this.#hosts.filter((host) => host.isRunning && host.raft.role === 'leader')
    const [latest] = leaders.sort((left, right) => right.raft.term - left.raft.term)
    assert(latest !== undefined, 'nobody leads')
    return latest
  }

  #runUntil(what: string, isDone: () => boolean): void {
    for (let ticks = 0; ticks < HEALING_TICKS_MAX; ticks++) {
      this.#runUntilQuiet()
      if (isDone()) return
      for (const host of this.#awake) host.call((raft) => raft.tick())
      if (ticks % 10 === 0) this.#proposeAtLeader()
    }
    const states = this.#awake.map((host) => JSON.stringify(host.raft.status()))
    assert.fail(`no progress after ${what}:\n${states.join('\n')}`)
  }

  #runFor(ticks: number): void {
    for (let left = ticks; left > 0; left--) {
      for (const host of this.#awake) host.call((raft) => raft.tick())
      this.#runUntilQuiet()
    }
  }

  get #awake(): RaftHost[] {
    return this.#hosts.filter((host) => host.isRunning && host.id !== this.#paused)
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
    if (action === 'resume') return this.#resume()
    const awake = this.#awake
    if (awake.length === 0) return
    const host = random.pick(awake)
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
      case 'pause':
        this.#paused ??= this.#leaderOr(host).id
        return
      case 'betray':
        return this.#betray()
      case 'usurp':
        return this.#usurp()
      case 'flap':
        return this.#flap()
      case 'unreachable':
        return host.call((raft) => raft.reportUnreachable(peer))
    }
  }

  /** Clocks run at their own speeds: nothing may depend on how long a tick is elsewhere. */
  #tick(host: RaftHost): void {
    if (this.#unmet.size > 0 && this.#random.chance(0.3)) this.#meetAll(host)
    if (this.#random.chance(this.#clockSpeeds.get(host.id) ?? 1)) host.call((raft) => raft.tick())
  }

  #meetAll(host: RaftHost): void {
    for (const { id, isRunning } of this.#hosts) if (isRunning) this.#meet(host, id)
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
      const first = this.#reorders ? this.#random.below(this.#packets.length) : 0
      const at = this.#packets.findIndex(
        (packet, place) => place >= first && receiverOf(packet) !== this.#paused,
      )
      if (at !== -1) this.#deliverOne(at)
    }
  }

  /** A process that stood still knows nothing of it: it serves its clients first, then hears the news. */
  #resume(): void {
    const host = this.#hosts.find((each) => each.id === this.#paused)
    this.#paused = null
    if (host === undefined || !host.isRunning || this.#random.chance(0.3)) return
    host.askRead(this.#nextContext++)
    this.#propose(host)
    host.takeAllReadys()
    for (let ticks = this.#random.below(4); ticks > 0; ticks--) host.call((raft) => raft.tick())
  }

  #propose(host: RaftHost): void {
    const bytes = this.#random.pick([0, 1, 10, 60])
    const payload = Buffer.alloc(bytes + 4)
    payload.writeUInt32LE(this.#nextPayload++)
    host.call((raft) => raft.propose(payload))
  }

  #proposeAtLeader(): void {
    for (const host of this.#awake) if (host.raft.role === 'leader') this.#propose(host)
  }

  #crash(host: RaftHost): void {
    this.#crashes++
    const { pendingWrites } = host
    host.crash(this.#random.below(pendingWrites + 1), this.#random.below(3))
    if (this.#mayDamage && this.#random.chance(0.5)) this.#damage(host)
    if (this.#random.chance(0.3)) host.start()
  }

  #damage(host: RaftHost): void {
    const { first, last } = host.durableRange
    if (last < first || this.#hosts.some((other) => other.isDamaged)) return
    this.#endConnections(host)
    if (!this.#random.chance(0.5) || !host.damageReplacement()) {
      const index = this.#random.between(first, last)
      host.damage(index as LogIndex, this.#random.between(index - 1, last) as LogIndex)
    }
    if (this.#random.chance(0.5)) host.forgetVotes(this.#random.between(0, 3))
  }

  /**
   * Connections end with the process. Nothing sent to it reaches the next one; what it sent may still arrive
   * wherever the next one has not been met (`#meet`), and nowhere else.
   */
  #endConnections(host: RaftHost): void {
    this.#removePackets((packet) => receiverOf(packet) === host.id)
    for (const packet of this.#packets) if (senderOf(packet) === host.id) this.#posthumous.add(packet)
    for (const other of this.#hosts) if (other !== host) this.#unmet.add(pairOf(other.id, host.id))
    if (this.#random.chance(0.3)) for (const other of this.#hosts) this.#meet(other, host.id)
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
    const hit = this.#packets.filter(isHit)
    this.#packets = this.#packets.filter((packet) => !isHit(packet))
    for (const packet of hit) this.#lose(packet)
  }

  /** One that reads and restarts all the time: answers to its earlier incarnations are always on the way. */
  #flap(): void {
    const host = this.#awake.find(({ id }) => id === this.#flapping)
    if (host === undefined) return
    if (this.#random.chance(0.7)) {
      host.askRead(this.#nextContext++)
      return
    }
    this.#crashes++
    host.crash(host.pendingWrites, 0)
    host.start()
    for (const each of this.#awake) if (each.raft.role === 'leader') this.#propose(each)
  }

  /** The leader goes silent just as one that acknowledged its entries forgets them: the others may lack them. */
  #betray(): void {
    const leader = this.#awake.find((host) => host.raft.role === 'leader')
    const follower = this.#awake.find((host) => host.raft.leader === leader?.id && host !== leader)
    if (leader === undefined || follower === undefined) return
    this.#crashes++
    follower.crash(follower.pendingWrites, 0)
    this.#damage(follower)
    follower.start()
    this.#setSides(new Map(this.#hosts.map((host) => [host.id, Number(host === leader)])))
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
    const leaders = this.#awake.filter((each) => each.raft.role === 'leader')
    return leaders.length > 0 && this.#random.chance(0.5) ? this.#random.pick(leaders) : host
  }

  /** Splits at random, or isolates one: preferably a leader. */
  #partition(): void {
    const alone = this.#leaderOr(this.#random.pick(this.#hosts))
    const isolates = this.#random.chance(0.5)
    const sideOf = (host: RaftHost): number => (isolates ? Number(host === alone) : this.#random.below(2))
    this.#setSides(new Map(this.#hosts.map((host) => [host.id, sideOf(host)])))
    if (isolates && this.#random.chance(0.7)) this.#burden(alone)
  }

  /** Time goes on for the others until they may have chosen another leader; then the old one may be back. */
  #usurp(): void {
    const leader = this.#awake.find((host) => host.raft.role === 'leader')
    if (leader === undefined) return
    this.#setSides(new Map(this.#hosts.map((host) => [host.id, Number(host === leader)])))
    this.#burden(leader)
    for (let ticks = this.#random.below(3 * this.#electionTicks); ticks > 0; ticks--) {
      for (const host of this.#awake) if (host !== leader) host.call((raft) => raft.tick())
      for (let left = this.#random.below(30); left > 0; left--) {
        this.#deliverSome()
        for (const host of this.#awake) host.takeAllReadys()
        this.#persistSome(this.#random.pick(this.#awake))
      }
    }
    this.#propose(this.#leaderOr(leader))
    if (this.#random.chance(0.5)) this.#setSides(null)
  }

  /** A leader that is cut off goes on logging what will be replaced. */
  #burden(host: RaftHost): void {
    if (!this.#awake.includes(host)) return
    for (let left = this.#random.between(1, 5); left > 0; left--) this.#propose(host)
    host.takeAllReadys()
    this.#persistSome(host)
  }

  #setSides(side: ReadonlyMap<ReplicaId, number> | null): void {
    this.#side = side
  }

  #send(packet: Packet): void {
    if (packet.kind === 'snapshot') this.#snapshots++
    if (this.#isHealing) for (const host of this.#hosts) this.#meetAll(host)
    if (this.#isUnmet(packet)) return this.#lose(packet)
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
    const from = senderOf(packet)
    const to = receiverOf(packet)
    const receiver = this.#hosts.find((host) => host.id === to)
    const isCut =
      to === this.#deaf ||
      this.#isUnmet(packet) ||
      (this.#side !== null && this.#side.get(from) !== this.#side.get(to))
    if (receiver === undefined || !receiver.isRunning || isCut) return this.#lose(packet)
    receiver.deliver(packet)
    if (packet.kind === 'snapshot') this.#report(from, to, packet.checkpoint.position.index)
  }

  #runUntilQuiet(): void {
    for (let rounds = 0; rounds < QUIET_ROUNDS_MAX; rounds++) {
      let isBusy = this.#packets.length > 0
      this.#deliverOne(0)
      for (const host of this.#awake) {
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

function pairOf(left: ReplicaId, right: ReplicaId): string {
  return `${left} ${right}`
}

function senderOf(packet: Packet): ReplicaId {
  return packet.kind === 'message' ? packet.message.from : packet.from
}

function receiverOf(packet: Packet): ReplicaId {
  return packet.kind === 'message' ? packet.message.to : packet.to
}
