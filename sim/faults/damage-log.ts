/** Bit rot, unreadable sectors and lost files in a log at rest. Says what it did. */
import { LOG_DIRECTORY } from '../../src/storage/log/open-shared-log.ts'
import type { SimDisk } from '../disk.ts'
import type { SimRandom } from '../random.ts'

const SECTOR_BYTES = 512

export function damageLog(disk: SimDisk, random: SimRandom): string {
  const files = disk
    .paths()
    .filter((path) => path.startsWith(`${LOG_DIRECTORY}/`) && path.endsWith('.segment'))
  if (files.length === 0) return 'none: there is no log'
  const path = random.pick(files)
  const used = usedBytes(disk, path)
  const kind = random.pick(['flip', 'flip', 'flip', 'break', 'lose'] as const)
  switch (kind) {
    case 'flip': {
      const flips = Array.from({ length: random.between(1, 3) }, () => random.below(used))
      for (const offset of flips) disk.flipBit(path, offset, random.below(8))
      return `bits of ${path} flipped at ${flips.join()}`
    }
    case 'break': {
      const sector = random.below(Math.ceil(used / SECTOR_BYTES))
      disk.breakSector(path, sector)
      return `sector ${sector} of ${path} can't be read`
    }
    case 'lose':
      disk.loseFile(path)
      return `${path} lost`
  }
}

/** Damage behind it would hit zeros that nobody reads. */
function usedBytes(disk: SimDisk, path: string): number {
  const bytes = disk.bytes(path)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  return Math.max(end, 1)
}
