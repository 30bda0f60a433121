/**
 * What the log knows of its groups while it is written to: encodes records into frames, and refuses
 * those that don't follow from the group's earlier ones (a gap, a term that falls, a vote that changes).
 *
 * Failure model: a record that does not follow is a mistake of the caller. It throws, and the process
 * must end: part of the append may already be in the frame.
 */
import assert from 'node:assert/strict'
import type { GroupId } from '../../base/ids.ts'
import type { Entry } from '../../base/log-entry.ts'
import { unreachable } from '../../base/unreachable.ts'
import type { FrameWriter } from './frame-writer.ts'
import { GroupIndex } from './group-index.ts'
import { FRAME_BYTES_MAX } from './log-format.ts'
import type { LogRecord } from './shared-log.ts'

/** Upper bound of a record's bytes besides payloads, its share of tags and group list included. */
export const RECORD_OVERHEAD_BYTES = 96
const ENTRY_OVERHEAD_BYTES = 20

export class GroupBook {
  readonly groups: Map<number, GroupIndex>
  /** No segment goes before they are repaired. */
  readonly damagedGroups: Set<number>

  constructor(groups: Map<number, GroupIndex>, damagedGroups: Set<number>) {
    this.groups = groups
    this.damagedGroups = damagedGroups
  }

  /** `segment`: the one that `writer`'s frame goes into. */
  put(writer: FrameWriter, segment: number, record: LogRecord): void {
    switch (record.kind) {
      case 'entries':
        if (record.entries.length > 0) this.#putEntries(writer, segment, record.group, record.entries)
        return
      case 'hardState': {
        const index = this.#indexOf(record.group)
        const before = index.hardState
        const { term, vote } = record.hardState
        assert(before === null || term >= before.term, `group ${record.group}: term falls to ${term}`)
        const votesAgain =
          before !== null && term === before.term && before.vote !== null && vote !== before.vote
        assert(!votesAgain, `group ${record.group}: vote changes in term ${term}`)
        index.setHardState(record.hardState, segment)
        return writer.hardState(record.group, record.hardState)
      }
      case 'base': {
        const { group, position, membership, discardsTail } = record
        const index = this.#indexOf(group)
        const isNew = index.baseSegment === 0 && index.last === 0
        assert(position.index >= index.base.index, `group ${group}: base falls to ${position.index}`)
        const isKnown = index.termAt(position.index) === position.term
        assert(
          isNew || discardsTail || isKnown,
          `group ${group}: no entry ${position.index} in term ${position.term}`,
        )
        index.setBase(position, membership, segment, !discardsTail)
        return writer.base(group, position, membership, discardsTail)
      }
      case 'dropGroup':
        this.groups.delete(record.group)
        this.damagedGroups.delete(record.group)
        return writer.dropGroup(record.group)
      case 'damaged':
        this.damagedGroups.add(record.group)
        return writer.damage(record.group, this.#indexOf(record.group).last, record.damage)
      case 'repaired': {
        const index = this.#indexOf(record.group)
        this.damagedGroups.delete(record.group)
        writer.repaired(record.group, index.last, index.lastTerm)
        if (index.hardState !== null)
          this.put(writer, segment, { kind: 'hardState', group: record.group, hardState: index.hardState })
        return
      }
      default:
        unreachable(record)
    }
  }

  #putEntries(writer: FrameWriter, segment: number, group: GroupId, entries: readonly Entry[]): void {
    const index = this.#indexOf(group)
    const first = (entries[0] as Entry).index
    const previousTerm = index.termAt(first - 1)
    assert(
      previousTerm !== null,
      `group ${group}: entry ${first} does not follow ${index.base.index}–${index.last}`,
    )
    const before = writer.recordBytes
    index.beginEntries(first, segment, 0)
    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at] as Entry
      assert(entry.index === first + at, 'entries of one record follow each other')
      index.extend(entry.term)
    }
    writer.entries(group, previousTerm, entries)
    const bytes = writer.recordBytes - before
    index.addEntryBytes(bytes)
  }

  #indexOf(group: GroupId): GroupIndex {
    let index = this.groups.get(group)
    if (index === undefined) {
      index = new GroupIndex(group)
      this.groups.set(group, index)
    }
    return index
  }
}

/** No fewer bytes than the records will take in a frame. */
export function boundOf(records: readonly LogRecord[]): number {
  let bytes = 0
  for (let at = 0; at < records.length; at++) {
    const record = records[at] as LogRecord
    bytes += RECORD_OVERHEAD_BYTES
    if (record.kind === 'entries') {
      const entries = record.entries
      for (let place = 0; place < entries.length; place++) {
        bytes += (entries[place] as Entry).payload.length + ENTRY_OVERHEAD_BYTES
      }
    } else if (record.kind === 'base') bytes += record.membership.length
    else if (record.kind === 'damaged') bytes += 4 * (record.damage.path.length + record.damage.detail.length)
  }
  // One tag per sector, and the tags of the list of what they displaced.
  bytes += Math.ceil(bytes / 256)
  assert(bytes <= FRAME_BYTES_MAX / 2, `an append of ${bytes} bytes`)
  return bytes
}
