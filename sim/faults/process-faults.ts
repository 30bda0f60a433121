/** Processes that die, stop, hang, and come back. */
import type { SimNode } from '../cluster/sim-node.ts'
import type { Harm, Performers } from './harm.ts'

const RESTARTS_MAX = 6
const START_POLL_MS = 1
const LOOP_DOWN_MS_MAX = 300

export const PROCESS_FAULTS: Performers = {
  kill: (harm) => crashOne(harm, false),
  powerLoss: (harm) => crashOne(harm, true),
  powerLossOfAll: (harm) => {
    for (const node of harm.cluster.nodes) if (node.isUp) harm.crash(node, true, harm.downMs())
    return true
  },
  gracefulStop: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (node.running === null || harm.factsOf(node).stoppingSinceMs !== null) return false
    harm.stop(node)
    return true
  },
  freeze: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!node.isUp || harm.factsOf(node).isFrozen) return false
    harm.freeze(node, harm.durationMs())
    return true
  },
  crashPoint: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!node.isUp) return false
    armCrashPoint(harm, node)
    return true
  },
  restartLoop: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!node.isUp) return false
    harm.note(node, 'restarts in a loop')
    crashAgain(harm, node, harm.random.between(2, RESTARTS_MAX))
    return true
  },
}

function crashOne(harm: Harm, losesPower: boolean): boolean {
  const node = harm.random.pick(harm.cluster.nodes)
  if (!node.isUp) return false
  harm.crash(node, losesPower, harm.downMs())
  return true
}

/** The process dies before or after one of its next calls, and sometimes again at the next start. */
function armCrashPoint(harm: Harm, node: SimNode): void {
  const { random } = harm
  node.crashAt({
    family: random.pick(['disk', 'disk', 'engine', 'network'] as const),
    calls: random.between(1, random.pick([10, 100])),
    when: random.pick(['before', 'after'] as const),
    die: (call) => {
      if (harm.isHealing) return
      const isRepeated = random.chance(0.4)
      harm.note(node, `dies ${call}`)
      harm.crash(node, random.chance(0.5), harm.downMs())
      if (isRepeated) armAtNextStart(harm, node)
    },
  })
}

function armAtNextStart(harm: Harm, node: SimNode): void {
  harm.after(START_POLL_MS, () => {
    if (harm.isHealing) return
    if (node.isUp) armCrashPoint(harm, node)
    else armAtNextStart(harm, node)
  })
}

/** As a service manager does with a process that somebody kills at every start. */
function crashAgain(harm: Harm, node: SimNode, timesLeft: number): void {
  if (harm.isHealing || timesLeft === 0) return
  if (node.isUp) harm.crash(node, harm.random.chance(0.2), harm.random.next() * 100)
  harm.after(100 + harm.random.next() * LOOP_DOWN_MS_MAX, () => crashAgain(harm, node, timesLeft - 1))
}
