/**
 * Cuts the power of a node that was killed: takes from its directory what it had not synced.
 *
 * How much is lost is up to the disk. `everything`: all of it. A random choice keeps some: of the data,
 * sector by sector (a sector has all of its unsynced writes or none); of the names, per
 * directory the first few changes, in order. Both are outcomes that POSIX allows and that ext4 has.
 *
 * The process must be dead. Afterwards what is there counts as durable, and the journal begins anew.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Change, type NameChange, readUnsynced } from './journal.ts'

export type PowerCut = {
  /** Absolute, without links in it: as the shim was told. */
  readonly directory: string
  readonly journal: string
  /** Of removed files, on the file system of the directory; beside the journal if not given. */
  readonly stash?: string
  /** The chance of an unsynced sector to be kept; null: nothing is. */
  readonly keep: { readonly chance: number; readonly random: () => number } | null
}

export type CutReport = {
  readonly records: number
  readonly syncs: number
  readonly changesUndone: number
  readonly bytesUndone: number
  readonly namesUndone: number
}

const SECTOR_BYTES = 512

/** What the process must be started with. */
export function shimEnvironment(
  shim: string,
  cut: Pick<PowerCut, 'directory' | 'journal' | 'stash'>,
  options: { readonly syncsNothing: boolean } = { syncsNothing: false },
): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: shim,
    HOLDFAST_SHIM_DIRECTORY: cut.directory,
    HOLDFAST_SHIM_JOURNAL: cut.journal,
    ...(cut.stash === undefined ? {} : { HOLDFAST_SHIM_STASH: cut.stash }),
    ...(options.syncsNothing ? { HOLDFAST_SHIM_NO_SYNC: '1' } : {}),
  }
}

export function cutPower(cut: PowerCut): CutReport {
  const { directory, journal, keep } = cut
  const { changes, names, records, syncs } = readUnsynced(readFileSync(journal))
  assert(records > 0, 'the shim wrote nothing down: it is not loaded, or not asked')
  const stash = cut.stash ?? `${journal}.stash`
  const bytesUndone = undoChanges(changes, findInodes([directory, stash]), keep)
  const lost = keep === null ? names : chooseLost(names, keep.random)
  for (const change of lost.toReversed()) undoName(change)
  truncateSync(journal, 0)
  rmSync(stash, { recursive: true, force: true })
  return { records, syncs, changesUndone: changes.length, bytesUndone, namesUndone: lost.length }
}

/** Files by inode: their names may have changed since they were written. */
function findInodes(directories: readonly string[]): ReadonlyMap<bigint, string> {
  const found = new Map<bigint, string>()
  for (const directory of directories.filter((each) => existsSync(each))) {
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      found.set(lstatSync(path, { bigint: true }).ino, path)
    }
  }
  return found
}

function undoChanges(
  changes: readonly Change[],
  paths: ReadonlyMap<bigint, string>,
  keep: PowerCut['keep'],
): number {
  const byInode = Map.groupBy(changes, ({ inode }) => inode)
  let bytes = 0
  for (const [inode, ofFile] of byInode) {
    const path = paths.get(inode)
    // Gone for good, from a directory that was synced.
    if (path === undefined) continue
    const descriptor = openSync(path, 'r+')
    bytes += undoFile(descriptor, ofFile, keep)
    closeSync(descriptor)
  }
  return bytes
}

function undoFile(descriptor: number, changes: readonly Change[], keep: PowerCut['keep']): number {
  const sizeNow = fstatSync(descriptor).size
  const kept = new Map<number, boolean>()
  // A cut to a smaller size happens or does not, and with it all that came after.
  const isAllOrNothing = changes.some((change) => change.kind === 'resize' && change.size < change.oldSize)
  const isKept = (sector: number): boolean => {
    if (keep === null) return false
    const place = isAllOrNothing ? 0 : sector
    const known = kept.get(place)
    if (known !== undefined) return known
    const drawn = keep.random() < keep.chance
    kept.set(place, drawn)
    return drawn
  }
  if (isAllOrNothing && isKept(0)) return 0
  let bytes = 0
  let size = sizeNow
  let keptEnd = 0
  for (const change of changes.toReversed()) {
    const from = change.kind === 'write' ? change.offset : change.size
    bytes += restore(descriptor, from, change.oldBytes, isKept)
    size = change.oldSize
    const end = change.kind === 'write' ? Math.min(change.offset + change.length, sizeNow) : 0
    const lastSector = Math.ceil(end / SECTOR_BYTES) - 1
    if (end > change.oldSize && isKept(lastSector)) keptEnd = Math.max(keptEnd, end)
    if (end > change.oldSize) bytes += clear(descriptor, Math.max(change.oldSize, from), end, isKept)
  }
  // A file is as long as what is left of it needs.
  ftruncateSync(descriptor, Math.max(size, keptEnd))
  return bytes
}

function restore(
  descriptor: number,
  offset: number,
  bytes: Buffer,
  isKept: (sector: number) => boolean,
): number {
  let written = 0
  forEachSector(offset, offset + bytes.length, (from, to) => {
    if (isKept(Math.floor(from / SECTOR_BYTES))) return
    written += writeSync(descriptor, bytes, from - offset, to - from, from)
  })
  return written
}

/** Sectors that were never written, in a file that is long enough for them: zeros. */
function clear(descriptor: number, from: number, to: number, isKept: (sector: number) => boolean): number {
  let cleared = 0
  forEachSector(from, to, (start, end) => {
    if (isKept(Math.floor(start / SECTOR_BYTES))) return
    cleared += writeSync(descriptor, Buffer.alloc(end - start), 0, end - start, start)
  })
  return cleared
}

function forEachSector(from: number, to: number, run: (from: number, to: number) => void): void {
  for (let at = from; at < to; ) {
    const end = Math.min(to, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES)
    run(at, end)
    at = end
  }
}

/** Per directory, all changes from some point on. */
function chooseLost(names: readonly NameChange[], random: () => number): readonly NameChange[] {
  const kept = new Set<NameChange>()
  for (const ofDirectory of Map.groupBy(names, ({ directory }) => directory).values()) {
    const count = Math.floor(random() * (ofDirectory.length + 1))
    for (const change of ofDirectory.slice(0, count)) kept.add(change)
  }
  return names.filter((change) => !kept.has(change))
}

/** A change may already be gone with the directory it was in. */
function undoName(change: NameChange): void {
  switch (change.kind) {
    case 'create':
    case 'makeDirectory':
      rmSync(change.path, { recursive: true, force: true })
      return
    case 'rename':
      if (!existsSync(change.to)) return
      renameSync(change.to, change.from)
      if (change.kept !== '') linkSync(change.kept, change.to)
      return
    case 'remove':
      if (change.kept !== '' && !existsSync(change.path)) linkSync(change.kept, change.path)
      return
  }
}
