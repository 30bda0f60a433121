/**
 * What the families of faults share: what is known of each machine, and what all of them may do to
 * it. The nemesis (nemesis.ts) implements it and answers for its rules.
 */
import type { SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import type { SimRandom } from '../world/random.ts'
import type { Atlas } from './atlas.ts'
import type { FaultKind, FaultPlan } from './fault-plan.ts'

/** About one machine, as far as its present or next process has to answer for it. */
export type MachineFacts = {
  isFrozen: boolean
  /** A stop was asked for and has not ended. */
  stoppingSinceMs: number | null
  /** The present process may fail for a reason we gave it. */
  isExcused: boolean
  /** A join that the wiped disk had asked for may be carried out until then, and displace the new one. */
  mayBeDisplacedUntilMs: number
  /** Its process is dead and comes back by itself at this time. */
  restartAtMs: number | null
}

export function freshFacts(): MachineFacts {
  return {
    isFrozen: false,
    stoppingSinceMs: null,
    isExcused: false,
    mayBeDisplacedUntilMs: 0,
    restartAtMs: null,
  }
}

export interface Harm {
  readonly cluster: SimCluster
  readonly plan: FaultPlan
  readonly random: SimRandom
  readonly atlas: Atlas
  readonly isHealing: boolean
  factsOf(node: SimNode): MachineFacts
  /** The process dies and comes back after `downMs`. */
  crash(node: SimNode, losesPower: boolean, downMs: number): void
  freeze(node: SimNode, forMs: number): void
  stop(node: SimNode): void
  /** The operator gives up this machine's disk: it joins again, empty. */
  rejoin(node: SimNode): void
  after(delayMs: number, run: () => void): void
  /** Undoes a fault of the network or a clock when its time has come, unless healing did it before. */
  whileItLasts(forMs: number, undo: () => void): void
  durationMs(): number
  downMs(): number
  note(node: SimNode, what: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Does one fault; false: it is not possible at the moment, nothing was done. */
export type Performer = (harm: Harm) => boolean
export type Performers = Readonly<Partial<Record<FaultKind, Performer>>>
