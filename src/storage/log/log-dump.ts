/**
 * Walks a log folder and says in words what is in it, damage included. Reads only, believes
 * nothing, repairs nothing: for `holdfast log-dump`, on a node that is stopped or on a copy.
 */
import { Buffer } from 'node:buffer'
import { MalformedBytes } from '../../base/byte-reader.ts'
import type { Entry } from '../../base/log-entry.ts'
import { EntryKind } from '../../base/log-entry.ts'
import type { Disk } from '../../env/disk.ts'
import { segmentNumber } from './log-format.ts'
import type { FileRecord, GroupRecord } from './record-reader.ts'
import { readRecords } from './record-reader.ts'
import { readOpening, SegmentBytes, scanSegment } from './segment-scan.ts'

const KIND_NAMES = new Map<number, string>(Object.entries(EntryKind).map(([name, kind]) => [kind, name]))

/** One line per segment, frame and record; `withEntries`: one more per entry. */
export async function* dumpLog(
  disk: Disk,
  directory: string,
  options: { readonly withEntries?: boolean } = {},
): AsyncGenerator<string, void, undefined> {
  const names = await disk.list(directory)
  if (names.length === 0) yield `${directory}: no log here`
  for (const name of names) {
    const number = segmentNumber(name)
    if (number === null) yield `${name}: not a segment`
    else yield* dumpSegment(disk, `${directory}/${name}`, number, options.withEntries ?? false)
  }
}

async function* dumpSegment(
  disk: Disk,
  path: string,
  number: number,
  withEntries: boolean,
): AsyncGenerator<string, void, undefined> {
  const file = await disk.open(path, 'read')
  try {
    const bytes = new SegmentBytes(file, await file.size(), 'rotten')
    const opening = await readOpening(bytes, number)
    if (opening === null) {
      yield `segment ${number}: ${bytes.size} bytes, NO READABLE HEADER`
      return
    }
    const { low, high } = opening.identity
    const header = opening.headerIsRotten ? ', HEADER DAMAGED' : ''
    yield `segment ${number}: ${bytes.size} bytes, identity ${hex(low)} ${hex(high)}${header}`
    for await (const piece of scanSegment(bytes, opening, null)) {
      if (piece.kind === 'rotten') {
        const groups = piece.groups === null ? 'unknown' : piece.groups.join(', ')
        yield `  ${piece.offset}: DAMAGED: ${piece.detail}; groups ${groups}`
      } else if (piece.kind === 'end') {
        yield `  ${piece.offset}: end${piece.isTorn ? ', with a torn frame behind it' : ''}`
      } else {
        const size = piece.endOffset - piece.offset
        yield `  ${piece.offset}: frame ${piece.number}, ${size} bytes, crc ${hex(piece.frameCrc)}`
        yield* dumpRecords(piece.records, withEntries)
      }
    }
  } finally {
    await file.close()
  }
}

function* dumpRecords(bytes: Buffer, withEntries: boolean): Generator<string, void, undefined> {
  try {
    for (const { record } of readRecords(bytes)) {
      yield `    ${describe(record)}`
      if (withEntries && record.kind === 'entries') {
        for (const entry of record.entries) yield `      ${describeEntry(entry)}`
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    yield `    UNREADABLE RECORD: ${error.message}`
  }
}

function describe(record: FileRecord | GroupRecord): string {
  switch (record.kind) {
    case 'start': {
      const { predecessor, end, floor } = record.start
      const before = predecessor === 0 ? 'nothing before it' : `continues segment ${predecessor} at ${end}`
      return `start: ${before}, floor ${floor}`
    }
    case 'seal':
      return `seal: segment ${record.next} follows`
    case 'floor':
      return `floor: segments below ${record.floor} are garbage`
    case 'entries': {
      const first = record.entries[0] as Entry
      const last = record.entries.at(-1) as Entry
      let bytes = 0
      for (const entry of record.entries) bytes += entry.payload.length
      const range = first === last ? `entry ${first.index}` : `entries ${first.index}–${last.index}`
      return `group ${record.group}: ${range}, term ${last.term} after term ${record.previous.term}, ${bytes} bytes`
    }
    case 'hardState': {
      const { term, vote, commit } = record.hardState
      return `group ${record.group}: term ${term}, vote ${vote ?? 'none'}, commit ${commit}`
    }
    case 'base': {
      const tail = record.discardsTail ? ', discards the tail' : ''
      const { index, term } = record.position
      return `group ${record.group}: base ${index} in term ${term}, membership of ${record.membership.length} bytes${tail}`
    }
    case 'dropGroup':
      return `group ${record.group}: dropped`
    case 'damage': {
      const { path, offset, lastSyncedIndex, isVoteLost, detail } = record.damage
      const synced = lastSyncedIndex === null ? '' : `, synced up to ${lastSyncedIndex}`
      return `group ${record.group}: damaged after entry ${record.lastKept}${synced}${isVoteLost ? ', votes lost' : ''} (${path} at ${offset}: ${detail})`
    }
    case 'repaired':
      return `group ${record.group}: repaired at entry ${record.position.index} of term ${record.position.term}`
  }
}

function describeEntry(entry: Entry): string {
  const kind = KIND_NAMES.get(entry.kind) ?? `kind ${entry.kind}`
  const preview = Buffer.from(entry.payload.subarray(0, 16)).toString('hex')
  return `${entry.index} (term ${entry.term}) ${kind}, ${entry.payload.length} bytes ${preview}`
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
