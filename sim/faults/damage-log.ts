/**
 * Bit rot, unreadable and stale sectors, lost and shortened files in a log at rest. Says what it did.
 *
 * Sectors turn back to zeros, and files end too early, only where later frames prove it: at the very
 * end of the log the store can't tell that from a write that was torn and never acknowledged
 * (docs/formats/recovery.md).
 */
import { LOG_DIRECTORY } from '../../src/storage/log/open-shared-log.ts'
import type { SimDisk } from '../disk.ts'
import type { SimRandom } from '../random.ts'

/** Not what was put aside as evidence. */
const SEGMENT = new RegExp(`^${LOG_DIRECTORY}/\\d+\\.segment$`)
const SECTOR_BYTES = 512
const DAMAGES = ['flip', 'flip', 'flip', 'break', 'lose', 'stale', 'cut', 'unname'] as const

export function damageLog(disk: SimDisk, random: SimRandom): string {
  const segments = disk
    .paths()
    .filter((path) => SEGMENT.test(path))
    .sort()
  if (segments.length === 0) return 'none: there is no log'
  const older = segments.filter((path) => usedBytes(disk, path) > SECTOR_BYTES).slice(0, -1)
  const kind = random.pick(DAMAGES)
  const needsProof = kind === 'stale' || kind === 'cut'
  if (needsProof && older.length === 0) return 'none: all there is is the end'
  const path = random.pick(needsProof ? older : segments)
  const used = usedBytes(disk, path)
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
    case 'stale': {
      const sector = random.below(Math.ceil(used / SECTOR_BYTES))
      disk.zeroSector(path, sector)
      return `sector ${sector} of ${path} is as it was before it was written`
    }
    case 'cut': {
      const sectors = random.below(Math.ceil(used / SECTOR_BYTES))
      disk.cutFile(path, sectors * SECTOR_BYTES)
      return `${path} ends after ${sectors} sectors`
    }
    case 'unname': {
      const before = path.replace(/segment$/, 'preparing')
      disk.undoRename(before, path)
      return `${path} has the name ${before} again`
    }
  }
}

/** Damage behind it would hit zeros that nobody reads. */
function usedBytes(disk: SimDisk, path: string): number {
  const bytes = disk.bytes(path)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  return Math.max(end, 1)
}
