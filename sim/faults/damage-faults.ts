/** What was durable is lost: only where the atlas permits it, and it is told of all of it. */
import type { SimNode } from '../cluster/sim-node.ts'
import type { SimDiskCall, SimDiskFault } from '../disk/disk.ts'
import type { SimRandom } from '../world/random.ts'
import { damageLog } from './damage-log.ts'
import type { Harm, Performer, Performers } from './harm.ts'

const IDENTITY = 'identity'
const SECTOR_BYTES = 512
/** How far from its place a write or a read may go. */
const MISDIRECTED_SECTORS_MAX = 64

export const DAMAGE_FAULTS: Performers = {
  damageLog: atRest((harm, node) => {
    harm.atlas.hurt(node, true)
    harm.note(node, 'has damage in its log', { damage: damageLog(node.disk, harm.random) })
  }),
  damageIdentity: atRest((harm, node) => {
    if (!node.disk.paths().includes(IDENTITY)) return
    harm.atlas.hurt(node, true)
    if (harm.random.chance(0.5)) {
      const offset = harm.random.below(node.disk.bytes(IDENTITY).length)
      harm.note(node, 'has damage in its identity', { offset })
      node.disk.flipBit(IDENTITY, offset, harm.random.below(8))
    } else {
      harm.note(node, 'loses the name of its identity')
      node.disk.undoRename(`${IDENTITY}.tmp`, IDENTITY)
    }
  }),
  loseEngine: atRest((harm, node) => {
    harm.atlas.hurt(node, false)
    harm.note(node, 'loses its engines')
    node.loseEngines()
  }),
  rotEngine: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!harm.atlas.permits(node) || node.running === null) return false
    harm.atlas.hurt(node, true)
    harm.factsOf(node).isExcused = true
    harm.note(node, 'has rotten records in its engines')
    node.rotEngines(harm.random.pick([0.05, 0.5, 1]))
    harm.whileItLasts(harm.durationMs(), () => {
      if (node.isUp && node.hasRottenEngines) harm.crash(node, false, harm.downMs())
    })
    return true
  },
  wipe: atRest((harm, node) => {
    harm.atlas.hurt(node, false)
    harm.rejoin(node)
  }),
  lostWrite: misdirected('loses writes', (random, call) => {
    if (call.operation !== 'write' || !random.chance(0.1)) return null
    return { kind: 'lose', elsewhere: random.chance(0.5) ? elsewhere(random, call) : null }
  }),
  misread: misdirected('reads from elsewhere', (random, call) => {
    if (call.operation !== 'read' || call.length === 0 || !random.chance(0.2)) return null
    return { kind: 'misread', elsewhere: elsewhere(random, call) }
  }),
}

/** More than the store can promise to survive. A machine whose disk is replaced is not meant: it forgets openly. */
export function ruinMachine(harm: Harm, node: SimNode): void {
  const { random, atlas } = harm
  if (node.isUp) harm.crash(node, random.chance(0.5), harm.downMs())
  atlas.hurt(node, true)
  switch (random.pick(['log', 'log', 'whole log', 'engines', 'identity'] as const)) {
    case 'log':
      harm.note(node, 'is ruined', { damage: damageLog(node.disk, random) })
      return
    case 'whole log':
      harm.note(node, 'is ruined: its log is gone')
      // Names that are not synced could come back with a power cut.
      node.disk.crash()
      for (const path of node.disk.paths()) if (path.startsWith('log/')) node.disk.loseFile(path)
      return
    case 'engines':
      harm.note(node, 'is ruined: its engines are gone')
      node.loseEngines()
      return
    case 'identity':
      harm.note(node, 'is ruined: its identity is gone')
      if (node.disk.paths().includes(IDENTITY)) node.disk.loseFile(IDENTITY)
  }
}

/** Damage at rest: the process is dead when it happens. */
function atRest(damage: (harm: Harm, node: SimNode) => void): Performer {
  return (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!harm.atlas.permits(node)) return false
    if (node.isUp) harm.crash(node, harm.random.chance(0.5), harm.downMs())
    damage(harm, node)
    return true
  }
}

/** The disk errs without a word, for a while. Reads of the log happen at starts: it may die meanwhile. */
function misdirected(
  what: string,
  faultOf: (random: SimRandom, call: SimDiskCall) => SimDiskFault | null,
): Performer {
  return (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    if (!harm.atlas.permits(node)) return false
    const forMs = harm.durationMs()
    harm.atlas.hurt(node, true, forMs)
    harm.note(node, `disk ${what}`)
    const { disk } = node
    const random = harm.random.fork(`${what}-${harm.cluster.scheduler.nowMs}`)
    disk.setFaults((call) => (call.path.endsWith('.segment') ? faultOf(random, call) : null))
    harm.whileItLasts(forMs, () => {
      harm.note(node, 'disk is well again', { silentLosses: disk.silentLosses })
      disk.setFaults(null)
    })
    if (node.isUp && harm.random.chance(0.5)) harm.crash(node, harm.random.chance(0.5), harm.downMs())
    return true
  }
}

function elsewhere(random: SimRandom, call: SimDiskCall): number {
  const sectors = random.between(1, MISDIRECTED_SECTORS_MAX) * (random.chance(0.5) ? 1 : -1)
  return Math.max(0, call.offset + sectors * SECTOR_BYTES)
}
