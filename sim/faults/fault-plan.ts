/**
 * Which faults a seed has, how often and how bad: drawn per seed, so that most seeds have a few
 * kinds of faults and some have all (swarm testing). Storms of faults and quiet times follow each
 * other, so that there is something to lose when the next storm comes.
 */
import type { SimRandom } from '../world/random.ts'

export const FAULT_KINDS = [
  'kill',
  'powerLoss',
  'powerLossOfAll',
  'gracefulStop',
  'freeze',
  'restartLoop',
  'crashPoint',
  'partition',
  'oneWayPartition',
  'partialPartition',
  'ringPartition',
  'bridgePartition',
  'isolateLeader',
  'halfDeafLeader',
  'leaderRelay',
  'leftBehind',
  'flapping',
  'clog',
  'reset',
  'halfOpen',
  'refuseConnections',
  'slowLink',
  'thinLink',
  'corruptLink',
  'looseFrames',
  'replayConnection',
  'foreignPeer',
  'slowDisk',
  'stalledDisk',
  'slowEngine',
  'diskError',
  'diskFull',
  'engineError',
  'clockJump',
  'clockStrobe',
  'clockStandsStill',
  'damageLog',
  'damageIdentity',
  'rotEngine',
  'lostWrite',
  'misread',
  'loseEngine',
  'wipe',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export type FaultPlan = {
  /** Weights of the kinds that happen; the others don't. None: a seed without faults. */
  readonly weights: ReadonlyMap<FaultKind, number>
  /** Between two strikes of one storm. */
  readonly pauseMsMax: number
  readonly stormMsMax: number
  readonly quietMsMax: number
  readonly durationMsMax: number
  readonly downMsMax: number
  readonly clockJumpMsMax: number
  /** Faults begin at once, not only after the cluster has formed. */
  readonly disturbsFormation: boolean
  /** In the end a majority loses what it had: only honesty is expected then. */
  readonly ruins: boolean
  /** The nemesis stops after so many: to find the shortest run that fails. */
  readonly strikesMax: number
}

const CLOCK_KINDS: readonly FaultKind[] = ['clockJump', 'clockStrobe', 'clockStandsStill']
const RUIN_SHARE = 0.05
const FAULTLESS_SHARE = 0.03

export function drawFaultPlan(random: SimRandom): FaultPlan {
  const share = random.pick([0.1, 0.3, 0.6])
  const weights = new Map<FaultKind, number>()
  for (const kind of FAULT_KINDS) if (random.chance(share)) weights.set(kind, random.between(1, 10))
  if (weights.size === 0) weights.set('kill', 1)
  if (random.chance(FAULTLESS_SHARE)) weights.clear()
  const hasClockFaults = CLOCK_KINDS.some((kind) => weights.has(kind))
  return {
    weights,
    pauseMsMax: random.pick([500, 2_000, 6_000]),
    stormMsMax: random.pick([5_000, 20_000]),
    quietMsMax: random.pick([3_000, 10_000]),
    // The longest outlast the patience of gateways and clients.
    durationMsMax: random.pick([200, 1_000, 1_000, 4_000, 15_000]),
    downMsMax: random.pick([50, 1_000, 4_000]),
    clockJumpMsMax: hasClockFaults ? random.pick([50, 600, 5_000]) : 0,
    disturbsFormation: random.chance(0.2),
    ruins: random.chance(RUIN_SHARE),
    strikesMax: Number.POSITIVE_INFINITY,
  }
}

/** Null: this seed has no faults. */
export function drawKind(plan: FaultPlan, random: SimRandom): FaultKind | null {
  let sum = 0
  for (const weight of plan.weights.values()) sum += weight
  if (sum === 0) return null
  let drawn = random.below(sum)
  for (const [kind, weight] of plan.weights) {
    drawn -= weight
    if (drawn < 0) return kind
  }
  throw new Error('weights do not add up')
}
