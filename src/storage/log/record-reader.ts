/**
 * Decodes the records of a frame whose checksum was right. Bytes that still make no sense
 * (another version's, a bug's) throw `MalformedBytes`; the caller reports the frame as damaged.
 *
 * Payloads are views of `bytes`: copy what outlives it.
 */
import { ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Entry, EntryKind, HardState, LogIndex, LogPosition, Term } from '../../base/log-entry.ts'
import type { SegmentStart } from './frame-writer.ts'
import { RecordTag } from './log-format.ts'
import type { LogDamage } from './shared-log.ts'

/** What is about the files, not about a group. */
export type FileRecord =
  | { readonly kind: 'start'; readonly start: SegmentStart }
  | { readonly kind: 'seal'; readonly next: number }
  | { readonly kind: 'floor'; readonly floor: number }

export type GroupRecord =
  | {
      readonly kind: 'entries'
      readonly group: GroupId
      readonly previous: LogPosition
      readonly entries: readonly Entry[]
    }
  | { readonly kind: 'hardState'; readonly group: GroupId; readonly hardState: HardState }
  | {
      readonly kind: 'base'
      readonly group: GroupId
      readonly position: LogPosition
      readonly membership: Uint8Array
      readonly discardsTail: boolean
    }
  | { readonly kind: 'dropGroup'; readonly group: GroupId }
  | {
      readonly kind: 'damage'
      readonly group: GroupId
      readonly lastKept: number
      readonly damage: LogDamage
    }
  | { readonly kind: 'repaired'; readonly group: GroupId; readonly position: LogPosition }

export type StoredRecord = {
  readonly record: FileRecord | GroupRecord
  /** Where its bytes are in the frame's records. */
  readonly from: number
  readonly to: number
}

export function isGroupRecord(record: FileRecord | GroupRecord): record is GroupRecord {
  return 'group' in record
}

export function readRecords(bytes: Uint8Array): StoredRecord[] {
  const reader = new ByteReader(bytes)
  const records: StoredRecord[] = []
  while (reader.remaining > 0) {
    const from = reader.position
    const record = readRecord(reader)
    records.push({ record, from, to: reader.position })
  }
  return records
}

function readRecord(reader: ByteReader): FileRecord | GroupRecord {
  const tag = reader.u8()
  switch (tag) {
    case RecordTag.start:
      return { kind: 'start', start: readStart(reader) }
    case RecordTag.seal:
      return { kind: 'seal', next: reader.varint() }
    case RecordTag.floor:
      return { kind: 'floor', floor: reader.varint() }
    default:
      return readGroupRecord(tag, reader)
  }
}

function readStart(reader: ByteReader): SegmentStart {
  return {
    predecessor: reader.varint(),
    low: reader.u32(),
    high: reader.u32(),
    end: reader.varint(),
    crc: reader.u32(),
    floor: reader.varint(),
  }
}

function readGroupRecord(tag: number, reader: ByteReader): GroupRecord {
  const group = reader.varint() as GroupId
  switch (tag) {
    case RecordTag.entries:
      return readEntries(group, reader)
    case RecordTag.hardState:
      return { kind: 'hardState', group, hardState: readHardState(reader) }
    case RecordTag.base: {
      const position = { index: reader.varint() as LogIndex, term: reader.varint() as Term }
      const discardsTail = reader.u8() === 1
      return { kind: 'base', group, position, discardsTail, membership: reader.bytes() }
    }
    case RecordTag.dropGroup:
      return { kind: 'dropGroup', group }
    case RecordTag.damage:
      return readDamage(group, reader)
    case RecordTag.repaired:
      return {
        kind: 'repaired',
        group,
        position: { index: reader.varint() as LogIndex, term: reader.varint() as Term },
      }
    default:
      throw new MalformedBytes(`record of unknown kind ${tag} at ${reader.position}`)
  }
}

function readEntries(group: GroupId, reader: ByteReader): GroupRecord {
  const first = reader.varint()
  let term = reader.varint()
  const count = reader.varint()
  if (first === 0 || count === 0) throw new MalformedBytes(`entries record of ${count} from ${first}`)
  const previous = { index: (first - 1) as LogIndex, term: term as Term }
  const entries: Entry[] = []
  for (let at = 0; at < count; at++) {
    const packed = reader.varint()
    term += Math.floor(packed / 4)
    const payload = reader.bytes()
    entries.push({
      index: (first + at) as LogIndex,
      term: term as Term,
      kind: (packed % 4) as EntryKind,
      payload,
    })
  }
  return { kind: 'entries', group, previous, entries }
}

function readHardState(reader: ByteReader): HardState {
  const term = reader.varint() as Term
  const vote = reader.varint()
  return {
    term,
    vote: vote === 0 ? null : ((vote - 1) as ReplicaId),
    commit: reader.varint() as LogIndex,
  }
}

function readDamage(group: GroupId, reader: ByteReader): GroupRecord {
  const lastKept = reader.varint()
  const synced = reader.varint()
  const lastSyncedIndex = synced === 0 ? null : ((synced - 1) as LogIndex)
  const isVoteLost = reader.varint() !== 0
  const offset = reader.varint()
  const path = reader.bytes().toString()
  const detail = reader.bytes().toString()
  return { kind: 'damage', group, lastKept, damage: { path, offset, lastSyncedIndex, isVoteLost, detail } }
}
