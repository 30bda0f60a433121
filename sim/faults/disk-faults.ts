/** Disks and engines that are slow, hang, are full, or say that they failed. Nothing synced is lost. */
import type { SimNode } from '../cluster/sim-node.ts'
import type { SimDiskCall, SimDiskFault } from '../disk/disk.ts'
import type { FaultKind } from './fault-plan.ts'
import type { Harm, Performer, Performers } from './harm.ts'

/** What a full disk has left. */
const ROOM_BYTES_MAX = 64 * 1024
const ERRNOS = ['EIO', 'ENOSPC', 'EDQUOT'] as const

type FaultOf = (call: SimDiskCall) => SimDiskFault | null

export const DISK_FAULTS: Performers = {
  slowDisk: onDisk('slowDisk', (harm) => {
    const random = harm.random.fork(`slow-${harm.cluster.scheduler.nowMs}`)
    const slownessMs = random.pick([5, 50, 400])
    return () => ({ kind: 'delay', delayMs: random.next() * slownessMs })
  }),
  stalledDisk: onDisk('stalledDisk', () => (call) => (isWriting(call) ? { kind: 'stall' } : null)),
  /** Compactions, say: the log goes on, and what is applied falls behind. */
  slowEngine: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    harm.note(node, 'slowEngine')
    node.engineDelayMsMax = harm.random.pick([5, 50, 400])
    harm.whileItLasts(harm.durationMs(), () => {
      node.engineDelayMsMax = 0
    })
    return true
  },
  diskError: onDisk('diskError', (harm) => {
    const random = harm.random.fork(`errors-${harm.cluster.scheduler.nowMs}`)
    let errorsLeft = random.pick([1, 1, 3, 1_000])
    return (call) => {
      if (!isWriting(call) || errorsLeft === 0 || !random.chance(0.5)) return null
      errorsLeft -= 1
      return { kind: 'error', errno: random.pick(ERRNOS) }
    }
  }),
  diskFull: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    harm.factsOf(node).isExcused = true
    harm.note(node, 'diskFull')
    node.disk.setCapacity(usedBytes(node) + harm.random.below(ROOM_BYTES_MAX))
    getWell(harm, node)
    return true
  },
  engineError: (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    const facts = harm.factsOf(node)
    if (node.running === null) return false
    facts.isExcused = true
    harm.note(node, 'engine fails')
    node.failEngine(harm.random.pick(ERRNOS))
    harm.after(harm.durationMs(), () => {
      const isDue = node.isUp && facts.isExcused && !facts.isFrozen && !harm.isHealing
      if (isDue) harm.crash(node, false, harm.downMs())
    })
    return true
  },
}

function onDisk(kind: FaultKind, make: (harm: Harm) => FaultOf): Performer {
  return (harm) => {
    const node = harm.random.pick(harm.cluster.nodes)
    harm.factsOf(node).isExcused ||= kind !== 'slowDisk'
    harm.note(node, kind)
    node.disk.setFaults(make(harm))
    getWell(harm, node)
    return true
  }
}

function getWell(harm: Harm, node: SimNode): void {
  const { disk } = node
  harm.whileItLasts(harm.durationMs(), () => {
    harm.note(node, 'disk is well again')
    disk.setFaults(null)
    disk.setCapacity(Number.POSITIVE_INFINITY)
    disk.releaseStalls()
  })
}

function isWriting(call: SimDiskCall): boolean {
  return call.operation === 'write' || call.operation === 'datasync'
}

function usedBytes(node: SimNode): number {
  return node.disk.paths().reduce((sum, path) => sum + node.disk.bytes(path).length, 0)
}
