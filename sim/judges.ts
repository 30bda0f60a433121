/**
 * The random simulations, cheapest first: each takes a seed and throws when a general rule breaks.
 * What concerns consensus alone shows soonest where there is nothing else: thousands of small groups
 * cost as much as a few whole clusters, whose transports and nodes also hide some of it.
 */
import { runLogDamage } from './log/log-damage.ts'
import { runLogSeed } from './log/log-schedule.ts'
import { runRaftCluster } from './raft/raft-cluster.ts'
import { runSeed } from './seeds/run-seed.ts'

export const JUDGE_NAMES = ['raft', 'log', 'rot', 'cluster'] as const
export type JudgeName = (typeof JUDGE_NAMES)[number]

const RAFT_STEPS = 4_000

/** Throws, saying what broke. */
export async function judge(name: JudgeName, seed: number): Promise<void> {
  switch (name) {
    case 'raft':
      runRaftCluster(seed, RAFT_STEPS)
      return
    case 'log':
      return runLogSeed(seed)
    case 'rot':
      return runLogDamage(seed)
    case 'cluster':
      await runSeed(seed)
  }
}
