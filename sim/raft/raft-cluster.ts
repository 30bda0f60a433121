/**
 * One Raft group under a random network, disks and operators: the consensus core alone, without
 * logs, engines or transports. A run is its seed.
 *
 * Which faults a run has, and how often, is drawn per run (swarm testing): runs with everything at
 * once hide as much as runs without faults. After the faults come the proofs of life.
 */
import type { ReplicaId } from '../../src/base/ids.ts'
import { makeReplicaId } from '../../src/base/ids.ts'
import { EMPTY_MEMBERSHIP } from '../../src/raft/membership.ts'
import { createSimRandom } from '../world/random.ts'
import { founding } from './raft-host.ts'
import { RaftNemesis } from './raft-nemesis.ts'
import { proveDeafLeader, proveHealing, proveMajority, proveStability, proveTransfer } from './raft-proofs.ts'
import { drawOptions, drawWeights } from './raft-swarm.ts'
import { RaftWorld } from './raft-world.ts'

const REPLICAS_MAX = 5

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
  const run = new RaftRun(seed)
  try {
    return run.run(steps)
  } catch (error) {
    throw new Error(`raft cluster, seed ${seed}: ${(error as Error).message}`, { cause: error })
  }
}

class RaftRun {
  readonly #seed: number
  readonly #world: RaftWorld
  readonly #nemesis: RaftNemesis
  readonly #voters: readonly ReplicaId[]
  readonly #mayChangeMembership: boolean
  /** A host takes its Readys at once, rather than when it is its turn. */
  readonly #isEager: boolean
  readonly #electionTicks: number

  constructor(seed: number) {
    this.#seed = seed
    const random = createSimRandom(seed)
    const mayChangeMembership = random.chance(0.4)
    this.#mayChangeMembership = mayChangeMembership
    const lossChance = random.chance(0.5) ? random.next() * 0.3 : 0
    const doubleChance = random.chance(0.5) ? random.next() * 0.3 : 0
    const reorders = random.chance(0.6)
    this.#isEager = random.chance(0.7)
    const burst = random.pick([2, 10, 30, 100])
    this.#world = new RaftWorld(random, { lossChance, doubleChance, reorders, burst })
    const ids = Array.from({ length: REPLICAS_MAX }, (_, at) => makeReplicaId(at + 1))
    const voters = ids.slice(0, random.pick([1, 2, 3, 3, 3, 5]))
    // With fewer voters a damaged one is needed for every quorum, and may rightly block for ever.
    const mayDamage = !mayChangeMembership && voters.length >= 3 && random.chance(0.7)
    this.#voters = voters
    const flapping = random.pick(voters)
    const weights = drawWeights(random, mayChangeMembership, mayDamage)
    const options = drawOptions(random)
    const { electionTicks } = options
    this.#electionTicks = electionTicks
    const isDrifting = random.chance(0.5)
    const clockSpeeds = new Map<ReplicaId, number>()
    const membership = { voters, votersOutgoing: [], learners: [], learnersNext: [] }
    for (const id of mayChangeMembership ? ids : voters) {
      const state = founding(voters.includes(id) ? membership : EMPTY_MEMBERSHIP)
      const own = random.fork(`replica ${id}`)
      if (isDrifting) clockSpeeds.set(id, own.pick([1, 1, 0.5, 0.1]))
      this.#world.addHost(id, state, { ...options, random: () => own.next() })
    }
    const plan = { weights, mayDamage, flapping, electionTicks, clockSpeeds }
    this.#nemesis = new RaftNemesis(this.#world, plan)
  }

  run(steps: number): RunSummary {
    const world = this.#world
    for (let at = 0; at < steps; at++) {
      this.#nemesis.act()
      if (this.#isEager) for (const host of world.awake) host.takeAllReadys()
    }
    world.isReliable = true
    world.side = null
    world.paused = null
    if (!this.#mayChangeMembership) proveMajority(world, this.#voters)
    proveHealing(world)
    proveStability(world, this.#electionTicks)
    proveTransfer(world, this.#electionTicks)
    proveDeafLeader(world)
    return this.#summary()
  }

  #summary(): RunSummary {
    const { checker, grants, snapshots, crashes, repairs, trace } = this.#world
    const { membershipChanges } = this.#nemesis
    const { commit: commits, elections } = checker
    return {
      seed: this.#seed,
      commits,
      elections,
      grants,
      snapshots,
      membershipChanges,
      crashes,
      repairs,
      trace,
    }
  }
}
