/**
 * Encodes one frame: the records of one batch of group commit, in one growing buffer.
 *
 * Hot path: no object per record or entry, one copy of each payload, one CRC pass. The bytes
 * `finish` returns are the writer's own and valid until `reset`.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { crc32 } from '../../base/checksum.ts'
import type { GroupId } from '../../base/ids.ts'
import type { Entry, HardState, LogPosition } from '../../base/log-entry.ts'
import type { SegmentIdentity } from './log-format.ts'
import {
  displacedStart,
  encodeFrameHeader,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  frameEnd,
  GROUPS_UNLISTED,
  LISTED_GROUPS_MAX,
  listedGroups,
  putTags,
  RecordTag,
  SECTOR_BYTES,
  sectorsFor,
} from './log-format.ts'
import type { LogDamage } from './shared-log.ts'

const INITIAL_BYTES = 16 * 1024
/** A buffer that grew beyond this for one large batch is given back. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024
const VARINT_BYTES_MAX = 8
/** Upper bound of the numbers of any record, its byte strings apart. */
const RECORD_NUMBERS_BYTES_MAX = 1 + 6 * VARINT_BYTES_MAX

export type SegmentStart = {
  readonly predecessor: number
  readonly low: number
  readonly high: number
  readonly end: number
  readonly crc: number
  readonly floor: number
}

export class FrameWriter {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #at = FRAME_HEADER_BYTES
  #records = 0
  readonly #groups = new Set<number>()
  #lastGroup = -1
  #frameCrc = 0

  get recordCount(): number {
    return this.#records
  }

  get recordBytes(): number {
    return this.#at - FRAME_HEADER_BYTES
  }

  /** Size on disk, padding included. */
  get paddedBytes(): number {
    return sectorsFor(frameEnd(this.recordBytes, listedGroups(this.#groupCount()))) * SECTOR_BYTES
  }

  /** Of the finished frame: seeds the next one's. */
  get frameCrc(): number {
    return this.#frameCrc
  }

  reset(): void {
    this.#at = FRAME_HEADER_BYTES
    this.#records = 0
    this.#groups.clear()
    this.#lastGroup = -1
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  }

  start(start: SegmentStart): void {
    this.#begin(RecordTag.start)
    this.#varint(start.predecessor)
    this.#u32(start.low)
    this.#u32(start.high)
    this.#varint(start.end)
    this.#u32(start.crc)
    this.#varint(start.floor)
  }

  seal(next: number): void {
    this.#begin(RecordTag.seal)
    this.#varint(next)
  }

  floor(floor: number): void {
    this.#begin(RecordTag.floor)
    this.#varint(floor)
  }

  /** `previousTerm` is the term of the entry before `entries[0]`; terms never fall. */
  entries(group: GroupId, previousTerm: number, entries: readonly Entry[]): void {
    const first = entries[0]
    assert(first !== undefined, 'an entries record has entries')
    this.#beginOf(RecordTag.entries, group)
    this.#varint(first.index)
    this.#varint(previousTerm)
    this.#varint(entries.length)
    let term = previousTerm
    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at] as Entry
      const payload = entry.payload
      this.#reserve(payload.length + 2 * VARINT_BYTES_MAX)
      this.#varint((entry.term - term) * 4 + entry.kind)
      this.#varint(payload.length)
      this.#buffer.set(payload, this.#at)
      this.#at += payload.length
      term = entry.term
    }
  }

  hardState(group: GroupId, hardState: HardState): void {
    this.#beginOf(RecordTag.hardState, group)
    this.#varint(hardState.term)
    this.#varint(hardState.vote === null ? 0 : hardState.vote + 1)
    this.#varint(hardState.commit)
  }

  base(group: GroupId, position: LogPosition, membership: Uint8Array, discardsTail: boolean): void {
    this.#beginOf(RecordTag.base, group)
    this.#varint(position.index)
    this.#varint(position.term)
    this.#buffer[this.#at++] = discardsTail ? 1 : 0
    this.#bytes(membership)
  }

  dropGroup(group: GroupId): void {
    this.#beginOf(RecordTag.dropGroup, group)
  }

  damage(group: GroupId, lastKept: number, damage: LogDamage): void {
    this.#beginOf(RecordTag.damage, group)
    this.#varint(lastKept)
    this.#varint(damage.lastSyncedIndex === null ? 0 : damage.lastSyncedIndex + 1)
    this.#varint(damage.isVoteLost ? 1 : 0)
    this.#varint(damage.offset)
    this.#bytes(Buffer.from(damage.path))
    this.#bytes(Buffer.from(damage.detail))
  }

  repaired(group: GroupId, index: number, term: number): void {
    this.#beginOf(RecordTag.repaired, group)
    this.#varint(index)
    this.#varint(term)
  }

  /** A record of `group` in its encoded form, as read from another frame. */
  copy(group: number, record: Uint8Array): void {
    this.#list(group)
    this.#records++
    this.#reserve(record.length)
    this.#buffer.set(record, this.#at)
    this.#at += record.length
  }

  /** The whole frame, tagged, checksummed and padded. Nothing may be added to it any more. */
  finish(segment: SegmentIdentity, frameNumber: number, previousCrc: number): Buffer {
    assert(frameNumber >= 1 && frameNumber <= 0xffff_ffff)
    const recordBytes = this.recordBytes
    const groupCount = this.#groupCount()
    const padded = this.paddedBytes
    assert(padded <= FRAME_BYTES_MAX, 'a frame is too large')
    this.#reserve(padded - this.#at)
    const groupsCrc = this.#putGroups(groupCount)
    const start = displacedStart(recordBytes, listedGroups(groupCount))
    assert(this.#at === start)
    const end = putTags(this.#buffer, start, frameNumber)
    const frame = this.#buffer.subarray(0, padded)
    frame.fill(0, end)
    const frameCrc = crc32(frame.subarray(FRAME_HEADER_BYTES, end), previousCrc)
    const header = { groupCount, number: frameNumber, previousCrc, frameCrc, groupsCrc, recordBytes }
    encodeFrameHeader(frame, segment, header)
    this.#frameCrc = frameCrc
    // The group list is not a record: sizes stay what they were.
    this.#at = FRAME_HEADER_BYTES + recordBytes
    return frame
  }

  #groupCount(): number {
    return this.#groups.size > LISTED_GROUPS_MAX ? GROUPS_UNLISTED : this.#groups.size
  }

  #putGroups(groupCount: number): number {
    if (groupCount === GROUPS_UNLISTED || groupCount === 0) return 0
    const from = this.#at
    for (const group of this.#groups) this.#u32(group)
    return crc32(this.#buffer.subarray(from, this.#at))
  }

  #beginOf(tag: number, group: number): void {
    this.#begin(tag)
    this.#list(group)
    this.#varint(group)
  }

  #begin(tag: number): void {
    this.#reserve(RECORD_NUMBERS_BYTES_MAX)
    this.#records++
    this.#buffer[this.#at++] = tag
  }

  #list(group: number): void {
    if (group === this.#lastGroup) return
    this.#groups.add(group)
    this.#lastGroup = group
  }

  #bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length + 2 * VARINT_BYTES_MAX)
    this.#varint(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #u32(value: number): void {
    this.#buffer.writeUInt32LE(value, this.#at)
    this.#at += 4
  }

  #varint(value: number): void {
    assert(value >= 0 && Number.isSafeInteger(value), 'not an unsigned safe integer')
    let rest = value
    while (rest > 0x7fff_ffff) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#at++] = rest
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#at)
    this.#buffer = grown
  }
}
