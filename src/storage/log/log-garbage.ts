/**
 * Removes the log's oldest segments, one by one, once no group needs anything in them.
 *
 * Order, so that a crash at any point loses nothing: copies of what is still needed are durable →
 * the floor is durable → the file goes → the folder is synced → the next one.
 */
import assert from 'node:assert/strict'
import type { Entry } from '../../base/log-entry.ts'
import type { Disk } from '../../env/disk.ts'
import type { Logger } from '../../env/logger.ts'
import type { GroupIndex } from './group-index.ts'
import type { SegmentInfo } from './log-recovery.ts'
import { readRecords } from './record-reader.ts'
import type { SegmentFiles } from './segment-files.ts'
import { readOpening, SegmentBytes, scanSegment } from './segment-scan.ts'
import type { LogRecord } from './shared-log.ts'

/** A segment this close to the active one is not copied out of: its groups will soon have cut their logs themselves. */
const YOUNG_SEGMENTS = 2

export type GarbageContext = {
  readonly disk: Disk
  readonly files: SegmentFiles
  readonly logger: Logger
  /** What may be copied to free one segment. */
  readonly rewriteBytesMax: number
  /** Ascending; the last is the active one. */
  readonly segments: () => SegmentInfo[]
  readonly groups: () => ReadonlyMap<number, GroupIndex>
  readonly mayCollect: () => boolean
  readonly append: (records: readonly LogRecord[]) => Promise<void>
  readonly raiseFloor: (floor: number) => Promise<void>
}

export async function collectSegments(context: GarbageContext): Promise<void> {
  while (context.mayCollect()) {
    const segments = context.segments()
    const oldest = segments[0]
    const active = segments.at(-1)
    assert(oldest !== undefined && active !== undefined)
    if (oldest === active) return
    if (pinnedBy(context, oldest).length > 0) {
      if (oldest.number + YOUNG_SEGMENTS > active.number) return
      if (!(await copyForward(context, oldest))) return
      if (!context.mayCollect() || pinnedBy(context, oldest).length > 0) return
    }
    const free = segments.filter((segment) => segment !== active && pinnedBy(context, segment).length === 0)
    assert(free[0] === oldest)
    await context.raiseFloor((free.at(-1) as SegmentInfo).number + 1)
    for (const segment of free) {
      if (!context.mayCollect()) return
      await removeOldest(context, segment)
    }
  }
}

async function removeOldest(context: GarbageContext, oldest: SegmentInfo): Promise<void> {
  assert(pinnedBy(context, oldest).length === 0, `segment ${oldest.number} is needed again`)
  // A removal whose folder sync failed is found done.
  if (await context.disk.exists(context.files.path(oldest.number))) {
    if (oldest.isDamaged) await context.files.keepAsEvidence(oldest.number)
    else await context.files.remove(oldest.number)
  } else {
    await context.disk.syncDirectory(context.files.directory)
  }
  assert(context.segments()[0] === oldest)
  context.segments().shift()
  context.logger.debug('log segment removed', { number: oldest.number, isEvidence: oldest.isDamaged })
}

function pinnedBy(context: GarbageContext, segment: SegmentInfo): GroupIndex[] {
  return [...context.groups().values()].filter((index) => index.oldestSegment() <= segment.number)
}

/** False when the groups hold too much in the segment, or changed meanwhile. */
async function copyForward(context: GarbageContext, segment: SegmentInfo): Promise<boolean> {
  const pinned = pinnedBy(context, segment)
  const byEntries = pinned.filter((index) => index.oldestEntrySegment() <= segment.number)
  let bytes = 0
  for (const index of byEntries) bytes += index.entryBytes
  if (bytes > context.rewriteBytesMax) return false
  const versions = new Map(byEntries.map((index) => [index, index.version]))
  const entries =
    byEntries.length === 0 ? new Map<number, Map<number, Entry>>() : await readLive(context, byEntries)
  if (!context.mayCollect()) return false
  const records: LogRecord[] = []
  for (const index of pinned) {
    const { group, base, membership, hardState } = index
    // Changed while its entries were read, or dropped: the next collection sees it as it then is.
    if (context.groups().get(group) !== index) continue
    if (!versions.has(index)) {
      if (index.baseSegment !== 0 && index.baseSegment <= segment.number) {
        records.push({ kind: 'base', group, position: base, membership, discardsTail: false })
      }
    } else {
      if (versions.get(index) !== index.version) continue
      const live = [...(entries.get(group)?.values() ?? [])].sort((left, right) => left.index - right.index)
      if (live.length !== index.last - base.index) {
        context.logger.error('live log entries can not be read back', {
          group,
          found: live.length,
          base,
          last: index.last,
        })
        return false
      }
      records.push({ kind: 'base', group, position: base, membership, discardsTail: true })
      if (live.length > 0) records.push({ kind: 'entries', group, entries: live })
    }
    if (hardState !== null) records.push({ kind: 'hardState', group, hardState })
  }
  if (records.length > 0) await context.append(records)
  return true
}

/** The live entries of `groups`, by group and index. An index and a term make an entry unique. */
async function readLive(
  context: GarbageContext,
  groups: readonly GroupIndex[],
): Promise<Map<number, Map<number, Entry>>> {
  const wanted = new Map(groups.map((index) => [index.group as number, index]))
  const numbers = new Set(groups.flatMap((index) => index.entrySegments()))
  const found = new Map<number, Map<number, Entry>>(groups.map((index) => [index.group, new Map()]))
  for (const segment of [...context.segments()]) {
    if (!numbers.has(segment.number)) continue
    const path = context.files.path(segment.number)
    const file = await context.disk.open(path, 'read')
    try {
      // What can't be read in a segment known to be damaged is no news, and nothing that is needed.
      // Behind the end nothing counts, nor whether it can be read.
      const sizeBytes = Math.min(segment.sizeBytes, segment.end)
      const bytes = new SegmentBytes(file, sizeBytes, segment.isDamaged ? 'rotten' : 'throw')
      const opening = await readOpening(bytes, segment.number)
      if (opening === null && segment.isDamaged) continue
      if (opening === null) throw new Error(`${path}: no readable header`)
      for await (const piece of scanSegment(bytes, opening, segment.end)) {
        // What is missing shows in the count of what was found.
        if (piece.kind === 'rotten') segment.isDamaged = true
        if (piece.kind === 'frame') collectEntries(piece.records, wanted, found)
      }
    } finally {
      await file.close()
    }
  }
  return found
}

function collectEntries(
  bytes: Uint8Array,
  wanted: ReadonlyMap<number, GroupIndex>,
  found: ReadonlyMap<number, Map<number, Entry>>,
): void {
  for (const { record } of readRecords(bytes)) {
    if (record.kind !== 'entries') continue
    const index = wanted.get(record.group)
    if (index === undefined) continue
    for (const entry of record.entries) {
      if (entry.index > index.base.index && index.termAt(entry.index) === entry.term) {
        found.get(record.group)?.set(entry.index, entry)
      }
    }
  }
}
