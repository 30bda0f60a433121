/**
 * Which faults a seed has, how often and how bad: drawn per seed, so that most seeds have a few
 * kinds of faults and some have all (swarm testing).
 */
import type { SimRandom } from '../random.ts'

export const FAULT_KINDS = [
  'kill',
  'powerLoss',
  'powerLossOfAll',
  'gracefulStop',
  'freeze',
  'partition',
  'oneWayPartition',
  'isolateLeader',
  'reset',
  'halfOpen',
  'slowLink',
  'corruptLink',
  'slowDisk',
  'stalledDisk',
  'diskError',
  'diskFull',
  'engineError',
  'clockJump',
  'damageLog',
  'loseEngine',
  'wipe',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export type FaultPlan = {
  /** Weights of the kinds that happen; the others don't. */
  readonly weights: ReadonlyMap<FaultKind, number>
  readonly pauseMsMax: number
  readonly durationMsMax: number
  readonly downMsMax: number
  readonly clockJumpMsMax: number
  /** Faults begin at once, not only after the cluster has formed. */
  readonly disturbsFormation: boolean
}

/** These lose what was durable: they hit one machine of a run only, and none that stands alone. */
const NEEDS_OTHERS: ReadonlySet<FaultKind> = new Set(['damageLog', 'loseEngine', 'wipe'])
const NETWORK_KINDS: ReadonlySet<FaultKind> = new Set([
  'partition',
  'oneWayPartition',
  'isolateLeader',
  'halfOpen',
  'corruptLink',
])
const KIND_SHARE = 0.4

export function drawFaultPlan(random: SimRandom, nodes: number): FaultPlan {
  const weights = new Map<FaultKind, number>()
  for (const kind of FAULT_KINDS) {
    const isPossible = nodes > 1 || !(NEEDS_OTHERS.has(kind) || NETWORK_KINDS.has(kind))
    if (random.chance(KIND_SHARE) && isPossible) weights.set(kind, random.between(1, 10))
  }
  if (weights.size === 0) weights.set('kill', 1)
  return {
    weights,
    pauseMsMax: random.pick([300, 1_000, 3_000]),
    durationMsMax: random.pick([200, 1_000, 4_000]),
    downMsMax: random.pick([50, 1_000, 4_000]),
    clockJumpMsMax: weights.has('clockJump') ? random.pick([50, 600, 5_000]) : 0,
    disturbsFormation: random.chance(0.2),
  }
}

export function drawKind(plan: FaultPlan, random: SimRandom): FaultKind {
  let sum = 0
  for (const weight of plan.weights.values()) sum += weight
  let drawn = random.below(sum)
  for (const [kind, weight] of plan.weights) {
    drawn -= weight
    if (drawn < 0) return kind
  }
  throw new Error('weights do not add up')
}
