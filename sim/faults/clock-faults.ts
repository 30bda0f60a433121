/** Wall clocks that jump, flicker and stand still. Drift and skew are drawn at each start (seed-plan.ts). */

import type { SimNode } from '../cluster/sim-node.ts'
import type { SimClock } from '../world/clock.ts'
import type { Harm, Performers } from './harm.ts'

const STROBE_MS = 40
const STAND_STILL_MS = 10

export const CLOCK_FAULTS: Performers = {
  clockJump: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (node.clock === null) return false
    const byMs = drawJumpMs(harm)
    harm.note(node, 'clock jumps', { byMs })
    node.clock.jump(byMs)
    return true
  },
  clockStrobe: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (node.clock === null) return false
    const byMs = drawJumpMs(harm)
    harm.note(node, 'clock flickers', { byMs })
    let isAway = false
    repeat(harm, node, node.clock, STROBE_MS, (clock) => {
      clock.jump(isAway ? -byMs : byMs)
      isAway = !isAway
    })
    return true
  },
  clockStandsStill: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (node.clock === null) return false
    harm.note(node, 'clock stands still')
    repeat(harm, node, node.clock, STAND_STILL_MS, (clock) => clock.jump(-STAND_STILL_MS))
    return true
  },
}

function drawJumpMs(harm: Harm): number {
  return harm.random.between(-harm.plan.clockJumpMsMax, harm.plan.clockJumpMsMax)
}

/** For a while, as long as the process lives. */
function repeat(
  harm: Harm,
  node: SimNode,
  clock: SimClock,
  everyMs: number,
  run: (clock: SimClock) => void,
): void {
  const endMs = harm.cluster.scheduler.nowMs + harm.durationMs()
  const again = (): void => {
    if (node.clock !== clock || harm.isHealing || harm.cluster.scheduler.nowMs > endMs) return
    run(clock)
    harm.after(everyMs, again)
  }
  again()
}
