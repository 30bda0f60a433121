/** Disks that refuse, are full, or are slow, of one node at a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SimRandom } from '../../../sim/world/random.ts'
import type { DiskTrouble } from '../disk/node-disk-faults.ts'
import { type Fault, onOne } from './fault.ts'

function trouble(name: string, draw: (random: SimRandom) => DiskTrouble): Fault {
  return {
    name,
    family: 'disk',
    needsInside: false,
    run: async (world, random, durationMs) => {
      const drawn = draw(random)
      let calls = 0
      const whom = await onOne(world, random, async (node) => {
        const disk = world.disk(node)
        const before = disk.troubled
        disk.fail(drawn)
        await sleep(durationMs)
        disk.fail({})
        calls = disk.troubled - before
      })
      return `${whom}: ${calls} calls`
    },
  }
}

const full: Fault = {
  name: 'full',
  family: 'disk',
  needsInside: true,
  run: (world, random, durationMs) =>
    onOne(world, random, async (node) => {
      const disk = world.disk(node)
      await disk.fill()
      await sleep(durationMs)
      disk.free()
    }),
}

const share = (random: SimRandom): number => (random.chance(0.5) ? 1 : random.between(5, 80) / 100)

export const DISK_FAULTS: readonly Fault[] = [
  full,
  trouble('no-space', (random) => ({ write: 'ENOSPC', name: 'ENOSPC', share: share(random) })),
  trouble('bad-write', (random) => ({ write: 'EIO', share: share(random) })),
  trouble('bad-sync', (random) => ({ sync: 'EIO', share: share(random) })),
  // The log abandons its file, and can't have another.
  trouble('no-files', () => ({ write: 'EIO', name: 'EMFILE' })),
  trouble('slow-disk', (random) => ({
    syncDelayMs: random.between(20, 300),
    writeDelayMs: random.between(0, 5),
  })),
  trouble('stuck-disk', (random) => ({ syncDelayMs: random.between(1_000, 3_000) })),
]
