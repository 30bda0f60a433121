/**
 * What one run of a random Raft cluster is like: drawn per run, so that no two mix the same faults
 * (swarm testing). Tight limits on purpose: with roomy ones flow control never has anything to do.
 */

import type { SimRandom } from '../world/random.ts'
import type { HostOptions } from './raft-host.ts'

export type Weights = Readonly<Record<Action, number>>
export type Action =
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
  | 'pause'
  | 'resume'
  | 'betray'
  | 'usurp'
  | 'flap'
  | 'rivals'
  | 'disown'

export function drawOptions(random: SimRandom): HostOptions {
  return {
    electionTicks: random.between(4, 12),
    heartbeatTicks: random.between(1, 3),
    maxMessageBytes: random.pick([1, 40, 200, 10_000]),
    maxInflightMessages: random.pick([1, 2, 4, 64]),
    maxInflightBytes: random.pick([1, 80, 400, 100_000]),
    maxUncommittedBytes: random.pick([1, 200, 2000, 1_000_000]),
    maxApplyBytes: random.pick([1, 50, 1_000_000]),
    maxCampaignLagBytes: random.pick([1, 50, 1_000_000]),
    random: () => 0,
  }
}

export function drawWeights(random: SimRandom, mayChangeMembership: boolean, mayDamage: boolean): Weights {
  const sometimes = (weight: number): number => (random.chance(0.5) ? weight * random.next() : 0)
  const crash = sometimes(4)
  const partition = sometimes(5)
  const pause = sometimes(3)
  return {
    deliver: 60 + random.below(150),
    tick: 30 + random.below(120),
    work: 60,
    persist: 10 + random.below(100),
    propose: 1 + random.below(12),
    read: 2 + sometimes(20),
    crash,
    restart: crash * (1 + random.next() * 3),
    partition,
    // Some last long enough for an election on the other side, and for another after it.
    heal: partition * (0.05 + random.next() * 0.8),
    membership: mayChangeMembership ? random.next() * 3 : 0,
    transfer: sometimes(0.5),
    peerClosed: sometimes(3),
    campaign: sometimes(2),
    resign: sometimes(0.3),
    checkpoint: sometimes(8),
    unreachable: sometimes(1),
    pause,
    resume: pause * (0.05 + random.next() * 0.5),
    betray: mayDamage ? 2 * random.next() : 0,
    usurp: sometimes(3),
    flap: random.chance(0.3) ? 15 * random.next() : 0,
    rivals: sometimes(1),
    disown: mayDamage ? sometimes(1) : 0,
  }
}
