/** What was durable is lost: only where the atlas permits it, and it is told of all of it. */
import type { SimNode } from '../cluster/sim-node.ts'
import { damageLog } from './damage-log.ts'
import type { Harm, Performer, Performers } from './harm.ts'

export const DAMAGE_FAULTS: Performers = {
  damageLog: onVictim((harm, node) => {
    harm.atlas.hurt(node, true)
    harm.note(node, 'has damage in its log', { damage: damageLog(node.disk, harm.random) })
  }),
  loseEngine: onVictim((harm, node) => {
    harm.atlas.hurt(node, false)
    harm.note(node, 'loses its engines')
    node.loseEngines()
  }),
  wipe: onVictim((harm, node) => {
    harm.atlas.hurt(node, false)
    harm.rejoin(node)
  }),
}

/** Damage at rest: the process is dead when it happens. */
function onVictim(damage: (harm: Harm, node: SimNode) => void): Performer {
  return (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!harm.atlas.permits(node)) return false
    if (node.isUp) harm.crash(node, harm.random.chance(0.5), harm.downMs())
    damage(harm, node)
    return true
  }
}
