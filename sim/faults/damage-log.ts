/**
 * Bit rot, unreadable and stale sectors, lost and shortened files in a log at rest. Says what it did.
 *
 * Sectors turn back to zeros, and files end too early, only where a whole frame of a later segment proves
 * it; and no file is lost that is the last one and in use. At the very end of the log the store can't tell
 * that from a write that was torn and never acknowledged, or never begun (docs/formats/recovery.md).
 */
import { crc32 } from '../../src/base/checksum.ts'
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_HEADER_BYTES,
  frameEnd,
  listedGroups,
  SECTOR_BYTES,
} from '../../src/storage/log/log-format.ts'
import { LOG_DIRECTORY } from '../../src/storage/log/open-shared-log.ts'
import type { SimDisk } from '../disk/disk.ts'
import type { SimRandom } from '../world/random.ts'

/** Not what was put aside as evidence. */
const SEGMENT = new RegExp(`^${LOG_DIRECTORY}/\\d+\\.segment$`)
const DAMAGES = ['flip', 'flip', 'flip', 'break', 'lose', 'stale', 'cut', 'unname'] as const

export function damageLog(disk: SimDisk, random: SimRandom): string {
  const segments = disk
    .paths()
    .filter((path) => SEGMENT.test(path))
    .sort()
  if (segments.length === 0) return 'none: there is no log'
  const kind = random.pick(DAMAGES)
  const paths = hurtable(kind, disk, segments)
  if (paths.length === 0) return 'none: all there is is the end'
  const path = random.pick(paths)
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

/** Those in which the store promises to notice this kind of damage. */
function hurtable(
  kind: (typeof DAMAGES)[number],
  disk: SimDisk,
  segments: readonly string[],
): readonly string[] {
  if (kind === 'stale' || kind === 'cut') {
    const proof = segments.findLastIndex((path) => beginsWithWholeFrame(disk.bytes(path)))
    return segments.slice(0, Math.max(proof, 0)).filter((path) => isUsed(disk, path))
  }
  const last = segments.at(-1) as string
  if (kind === 'lose' || kind === 'unname') return isUsed(disk, last) ? segments.slice(0, -1) : segments
  // One that was cut before may be empty.
  return segments.filter((path) => disk.bytes(path).length > 0)
}

function isUsed(disk: SimDisk, path: string): boolean {
  return usedBytes(disk, path) > SECTOR_BYTES
}

/** It names the segment before it and where that ends. One that is only there in parts proves nothing. */
function beginsWithWholeFrame(bytes: Buffer): boolean {
  const opening = decodeSegmentHeader(bytes.subarray(0, SECTOR_BYTES))
  if (opening === null) return false
  const frame = bytes.subarray(SECTOR_BYTES)
  const header = decodeFrameHeader(frame, opening.identity)
  if (header === null || header.number !== 1 || header.previousCrc !== opening.crc) return false
  const end = frameEnd(header.recordBytes, listedGroups(header.groupCount))
  return crc32(frame.subarray(FRAME_HEADER_BYTES, end), opening.crc) === header.frameCrc
}

/** Damage behind it would hit zeros that nobody reads. */
function usedBytes(disk: SimDisk, path: string): number {
  const bytes = disk.bytes(path)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  return Math.max(end, 1)
}
