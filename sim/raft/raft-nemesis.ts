/** What happens to a random Raft group, one action after the other, as often as the run's weights say. */
import type { ReplicaId } from '../../src/base/ids.ts'
import type { LogIndex } from '../../src/base/log-entry.ts'
import type { SimRandom } from '../world/random.ts'
import type { RaftHost } from './raft-host.ts'
import type { Action, Weights } from './raft-swarm.ts'
import type { RaftWorld } from './raft-world.ts'

export type NemesisPlan = {
  readonly weights: Weights
  readonly mayDamage: boolean
  /** One that restarts all the time, if any does. */
  readonly flapping: ReplicaId
  readonly electionTicks: number
  /** Clocks run at their own speeds: nothing may depend on how long a tick is elsewhere. */
  readonly clockSpeeds: ReadonlyMap<ReplicaId, number>
}

export class RaftNemesis {
  readonly #world: RaftWorld
  readonly #random: SimRandom
  readonly #plan: NemesisPlan
  membershipChanges = 0

  constructor(world: RaftWorld, plan: NemesisPlan) {
    this.#world = world
    this.#random = world.random
    this.#plan = plan
  }

  act(): void {
    const world = this.#world
    const action = this.#draw()
    if (action === 'deliver') return world.deliverSome()
    if (action === 'heal') return world.setSides(null)
    if (action === 'partition') return this.#partition()
    if (action === 'restart') return this.#restart()
    if (action === 'resume') return this.#resume()
    const { awake } = world
    if (awake.length === 0) return
    this.#actOn(action, this.#random.pick(awake), this.#random.pick(world.hosts).id)
  }

  #actOn(
    action: Exclude<Action, 'deliver' | 'heal' | 'partition' | 'restart' | 'resume'>,
    host: RaftHost,
    peer: ReplicaId,
  ): void {
    const world = this.#world
    switch (action) {
      case 'tick':
        world.meetSome(host)
        if (this.#random.chance(this.#plan.clockSpeeds.get(host.id) ?? 1)) host.call((raft) => raft.tick())
        return
      case 'work':
        return void host.takeReady()
      case 'persist':
        return world.persistSome(host)
      case 'propose':
        return world.propose(world.leaderOr(host))
      case 'read':
        return world.askRead(world.leaderOr(host))
      case 'crash':
        return this.#crash(world.leaderOr(host))
      case 'membership':
        return this.#changeMembership(world.leaderOr(host))
      case 'transfer':
        return void host.call((raft) => raft.transferLeadership(peer))
      case 'peerClosed':
        return host.call((raft) => raft.peerClosed(peer))
      case 'campaign':
        return host.call((raft) => raft.campaign())
      case 'resign':
        return host.call((raft) => raft.resign())
      case 'checkpoint':
        return host.checkpoint(this.#random.pick([0, 0, 50, 500]))
      case 'pause':
        world.paused ??= world.leaderOr(host).id
        return
      case 'betray':
        return this.#betray()
      case 'usurp':
        return this.#usurp()
      case 'flap':
        return this.#flap()
      case 'rivals':
        return this.#rivals()
      case 'disown':
        return this.#disown()
      case 'unreachable':
        return host.call((raft) => raft.reportUnreachable(peer))
    }
  }

  #draw(): Action {
    const weights = Object.entries(this.#plan.weights) as [Action, number][]
    let drawn = this.#random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [action, weight] of weights) {
      drawn -= weight
      if (drawn < 0) return action
    }
    return 'tick'
  }

  /** A process that stood still knows nothing of it: it serves its clients first, then hears the news. */
  #resume(): void {
    const world = this.#world
    const host = world.hosts.find((each) => each.id === world.paused)
    world.paused = null
    if (host === undefined || !host.isRunning || this.#random.chance(0.3)) return
    world.askRead(host)
    world.propose(host)
    host.takeAllReadys()
    for (let ticks = this.#random.below(4); ticks > 0; ticks--) host.call((raft) => raft.tick())
  }

  #crash(host: RaftHost): void {
    this.#world.crashes++
    const { pendingWrites } = host
    host.crash(this.#random.below(pendingWrites + 1), this.#random.below(3))
    if (this.#plan.mayDamage && this.#random.chance(0.5)) this.#damage(host)
    if (this.#random.chance(0.3)) host.start()
  }

  #damage(host: RaftHost): void {
    const { first, last } = host.durableRange
    if (last < first || this.#world.hosts.some((other) => other.isDamaged)) return
    this.#world.endConnections(host)
    if (!this.#random.chance(0.5) || !host.damageReplacement()) {
      const index = this.#random.between(first, last)
      host.damage(index as LogIndex, this.#random.between(index - 1, last) as LogIndex)
    }
    if (this.#random.chance(0.5)) host.forgetVotes(this.#random.between(0, 3))
  }

  /** One that reads and restarts all the time: answers to its earlier incarnations are always on the way. */
  #flap(): void {
    const world = this.#world
    const host = world.awake.find(({ id }) => id === this.#plan.flapping)
    if (host === undefined) return
    if (this.#random.chance(0.7)) return world.askRead(host)
    world.crashes++
    host.crash(host.pendingWrites, 0)
    host.start()
    world.proposeAtLeaders()
  }

  /** The leader goes silent just as one that acknowledged its entries forgets them: the others may lack them. */
  #betray(): void {
    const world = this.#world
    const leader = world.awake.find((host) => host.raft.role === 'leader')
    const follower = world.awake.find((host) => host.raft.leader === leader?.id && host !== leader)
    if (leader === undefined || follower === undefined) return
    if (this.#random.chance(0.5)) this.#leaveOut(leader, follower)
    world.crashes++
    follower.crash(follower.pendingWrites, 0)
    this.#damage(follower)
    follower.start()
    world.isolate(leader)
  }

  /** No more than it takes to commit hear the leader's latest entries. */
  #leaveOut(leader: RaftHost, follower: RaftHost): void {
    const world = this.#world
    const others = this.#random.shuffle(world.awake.filter((host) => host !== leader && host !== follower))
    const needed = Math.floor(world.hosts.length / 2) - 1
    const heard = [leader, follower, ...others.slice(0, needed)]
    world.setSides(new Map(world.hosts.map((host) => [host.id, Number(heard.includes(host))])))
    for (let left = this.#random.between(1, 3); left > 0; left--) {
      world.propose(leader)
      this.#talk(heard, 4)
    }
  }

  #restart(): void {
    const down = this.#world.hosts.filter((host) => !host.isRunning)
    if (down.length > 0) this.#random.pick(down).start()
  }

  #changeMembership(host: RaftHost): void {
    const members = this.#random.shuffle(this.#world.hosts.map((other) => other.id))
    const voters = members.slice(0, this.#random.between(1, members.length))
    const learners = members.slice(voters.length).filter(() => this.#random.chance(0.5))
    const result = host.call((raft) => raft.proposeMembership({ voters, learners }))
    if (result.kind === 'accepted') this.membershipChanges++
  }

  /** Splits at random, or isolates one: preferably a leader. */
  #partition(): void {
    const { hosts } = this.#world
    const alone = this.#world.leaderOr(this.#random.pick(hosts))
    if (!this.#random.chance(0.5)) {
      this.#world.setSides(new Map(hosts.map((host) => [host.id, this.#random.below(2)])))
      return
    }
    this.#world.isolate(alone)
    if (this.#random.chance(0.7)) this.#burden(alone)
  }

  /** Time goes on for the others until they may have chosen another leader; then the old one may be back. */
  #usurp(): void {
    const world = this.#world
    const leader = world.awake.find((host) => host.raft.role === 'leader')
    if (leader === undefined) return
    world.isolate(leader)
    this.#burden(leader)
    for (let ticks = this.#random.below(3 * this.#plan.electionTicks); ticks > 0; ticks--) {
      for (const host of world.awake) if (host !== leader) host.call((raft) => raft.tick())
      for (let left = this.#random.below(30); left > 0; left--) {
        world.deliverSome()
        for (const host of world.awake) host.takeAllReadys()
        world.persistSome(this.#random.pick(world.awake))
      }
    }
    world.propose(world.leaderOr(leader))
    if (this.#random.chance(0.5)) world.setSides(null)
  }

  /**
   * A leader and one voter are cut off from the others, who choose another leader, and that voter then hears
   * both at once.
   */
  #rivals(): void {
    const world = this.#world
    const leader = world.awake.find((host) => host.raft.role === 'leader')
    const followers = world.awake.filter((host) => host.raft.leader === leader?.id && host !== leader)
    if (leader === undefined || followers.length === 0) return
    const between = this.#random.pick(followers)
    world.setSides(new Map(world.hosts.map((host) => [host.id, Number(host === leader || host === between)])))
    const others = world.awake.filter((host) => host !== leader && host !== between)
    const hasRival = (): boolean => others.some((host) => host.raft.role === 'leader')
    for (let ticks = 4 * this.#plan.electionTicks; ticks > 0 && !hasRival(); ticks--) {
      for (const host of others) host.call((raft) => raft.tick())
      this.#talk(others, this.#random.below(10))
    }
    const rivals = [leader, ...others.filter((host) => host.raft.role === 'leader')]
    this.#talk([...rivals, between], this.#random.below(4))
    world.setSides(null)
    for (const rival of rivals) this.#burden(rival)
    if (this.#random.chance(0.8)) world.deliverAllTo(between)
  }

  /**
   * A voter loses the vote that it has just given to another candidate, who stands still before it hears of
   * it; the leader before goes on meanwhile.
   */
  #disown(): void {
    const world = this.#world
    const leader = world.awake.find((host) => host.raft.role === 'leader')
    const others = this.#random.shuffle(
      world.awake.filter((host) => host.raft.leader === leader?.id && host !== leader),
    )
    const [candidate, voter] = others
    if (leader === undefined || candidate === undefined || voter === undefined || world.paused !== null)
      return
    if (!leader.call((raft) => raft.transferLeadership(candidate.id))) return
    this.#carryOut(leader)
    world.deliverAllTo(candidate)
    this.#carryOut(candidate)
    world.paused = candidate.id
    world.deliverAllTo(voter)
    this.#carryOut(voter)
    world.isolate(candidate)
    if (candidate.raft.role !== 'candidate' || voter.raft.term !== candidate.raft.term) return
    world.crashes++
    voter.crash(voter.pendingWrites, 0)
    this.#damage(voter)
    voter.start()
    for (let ticks = this.#random.below(3 * this.#plan.electionTicks); ticks > 0; ticks--) {
      world.propose(leader)
      for (const host of world.awake) {
        world.meetSome(host)
        host.call((raft) => raft.tick())
      }
      this.#talk(world.awake, this.#random.below(4))
    }
    world.setSides(null)
    world.paused = null
    if (this.#random.chance(0.8)) world.deliverAllTo(candidate)
  }

  #carryOut(host: RaftHost): void {
    host.takeAllReadys()
    this.#world.persistAll(host)
    host.takeAllReadys()
  }

  #talk(hosts: readonly RaftHost[], rounds: number): void {
    for (let left = rounds; left > 0; left--) {
      this.#world.deliverSome()
      for (const host of hosts) this.#carryOut(host)
    }
  }

  /** A leader that is cut off goes on logging what will be replaced. */
  #burden(host: RaftHost): void {
    if (!this.#world.awake.includes(host)) return
    for (let left = this.#random.between(1, 5); left > 0; left--) this.#world.propose(host)
    host.takeAllReadys()
    this.#world.persistSome(host)
  }
}
