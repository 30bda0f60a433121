/**
 * Reads the log folder at start: which segments count, in what order, and what each group's state
 * was (docs/formats/recovery.md, "Log"). Reads only; what follows from it is written by the new
 * segment that `open-shared-log.ts` starts.
 *
 * Failure model: whatever can't be read or doesn't join becomes damage of the groups concerned, or
 * of all. A failure that says nothing about the bytes (no file handles, say) is thrown.
 */
import assert from 'node:assert/strict'
import type { Buffer } from 'node:buffer'
import { MalformedBytes } from '../../base/byte-reader.ts'
import type { GroupId } from '../../base/ids.ts'
import type { Disk } from '../../env/disk.ts'
import type { Logger } from '../../env/logger.ts'
import type { SegmentStart } from './frame-writer.ts'
import type { Cause, Place } from './group-replay.ts'
import { GroupReplay } from './group-replay.ts'
import { SECTOR_BYTES, segmentName, segmentNumber } from './log-format.ts'
import type { GroupRecord, StoredRecord } from './record-reader.ts'
import { isGroupRecord, readRecords } from './record-reader.ts'
import type { FramePiece, ReadErrors, RottenPiece, SegmentOpening, SegmentPiece } from './segment-scan.ts'
import { isUnusedForSure, readOpening, SegmentBytes, scanSegment } from './segment-scan.ts'

/** Where a segment ended: what its successor's `start` says about it. */
export type SegmentLink = Omit<SegmentStart, 'floor'>

export const NO_PREDECESSOR: SegmentLink = { predecessor: 0, low: 0, high: 0, end: 0, crc: 0 }

export type SegmentInfo = {
  readonly number: number
  sizeBytes: number
  /** Nothing beyond it counts. */
  end: number
  /** Damage was found in it: kept as evidence. */
  isDamaged: boolean
}

export type CarriedRecord = { readonly group: number; readonly bytes: Buffer }

export type LogContents = {
  readonly groups: Map<number, GroupReplay>
  /** Ascending; each joins the one before. */
  readonly segments: SegmentInfo[]
  /** Segments that hold nothing; to be removed once the next segment's start is durable. */
  readonly obsolete: readonly number[]
  /** What the next segment continues. */
  readonly link: SegmentLink
  /**
   * Records of the last frame, already applied as part of segment `nextNumber`: nothing proves that
   * the frame is on the disk and not only in its cache, so they go into the next segment's first
   * frame, and `link` ends before the frame.
   */
  readonly carried: readonly CarriedRecord[]
  /** A complete segment of zeros that can be used next. */
  readonly reusable: number | null
  readonly nextNumber: number
  readonly floor: number
  /** Losses whose groups can't be told. */
  readonly losses: readonly Cause[]
  /** What may be cut off once the next segment's start is durable. */
  readonly unusedRest: UnusedRest | null
}

/** The segment that was found last, and where its last whole frame ends. */
export type UnusedRest = { readonly segment: SegmentInfo; readonly usedBytes: number }

type Inspected = {
  readonly number: number
  readonly path: string
  readonly sizeBytes: number
  readonly opening: SegmentOpening | null
  /** What every later read of it must begin with. */
  readonly header: Buffer | null
  readonly readErrors: ReadErrors
  readonly start: SegmentStart | null
  /** `void`: nothing in it was ever acknowledged. */
  readonly state: 'unused' | 'void' | 'used'
}

/** The last synced position of a log whose process lives on after a failure: nothing behind it counts. */
export type SyncedTail = {
  readonly number: number
  readonly end: number
  readonly crc: number
  /** What is known of those that count, by number: the end of each, and whether damage was found in it. */
  readonly segments: ReadonlyMap<number, SegmentInfo>
}

/** `tail` is null after a start of the process. */
export async function readLog(
  disk: Disk,
  directory: string,
  logger: Logger,
  tail: SyncedTail | null,
): Promise<LogContents> {
  const inspected: Inspected[] = []
  for (const name of await disk.list(directory)) {
    const number = segmentNumber(name)
    if (number === null) continue
    // A process that lives on tries again later: an unreadable sector is a verdict only at a start, where
    // damage was found before, and in files that count no more. Behind the end nothing is read: it counts nowhere.
    const known = tail?.segments.get(number)
    const isWhole = known !== undefined && !known.isDamaged
    const readErrors = isWhole ? 'throw' : 'rotten'
    const end = isWhole ? known.end : null
    inspected.push(await inspect(disk, `${directory}/${name}`, number, logger, readErrors, end))
  }
  inspected.sort((left, right) => left.number - right.number)
  const head =
    tail === null
      ? inspected.findLast((segment) => segment.state === 'used')
      : inspected.find((segment) => segment.number === tail.number)
  assert(tail === null || head !== undefined, `segment ${tail?.number} is gone`)
  const highest = inspected.at(-1)
  // After a failure no file is used again that may have been written to.
  const isReusable = tail === null && highest !== undefined && highest.state === 'unused'
  const nextNumber = highest === undefined ? 1 : isReusable ? highest.number : highest.number + 1
  const replay = new LogReplay(disk, nextNumber, tail)
  if (head !== undefined) await replay.run(inspected, head)
  else replay.noticeLostBeginning(inspected[0])
  const kept = new Set(replay.segments.map((segment) => segment.number))
  const reusable = isReusable ? highest.number : null
  const others = inspected.filter((segment) => !kept.has(segment.number) && segment.number !== reusable)
  return {
    groups: replay.groups,
    segments: replay.segments,
    obsolete: others.map((segment) => segment.number),
    link: replay.link,
    carried: replay.carried,
    reusable,
    nextNumber,
    floor: replay.floor,
    losses: replay.losses,
    unusedRest: replay.unusedRest,
  }
}

async function inspect(
  disk: Disk,
  path: string,
  number: number,
  logger: Logger,
  readErrors: ReadErrors,
  end: number | null,
): Promise<Inspected> {
  const file = await disk.open(path, 'read')
  try {
    const sizeBytes = await file.size()
    const bytes = new SegmentBytes(file, Math.min(sizeBytes, end ?? sizeBytes), readErrors)
    const opening = await readOpening(bytes, number)
    const header = bytes.header
    const found = { number, path, sizeBytes, opening, header, readErrors }
    if (opening === null) {
      // The header was synced before the file got its name. A header that is only damaged, with
      // nothing behind it, opened a segment that was never used; a file of zeros was emptied.
      const isUnused = await isUnusedForSure(bytes, number)
      logger.warning('log segment has no readable header', { path, isUnused })
      return { ...found, start: null, state: isUnused ? 'void' : 'used' }
    }
    if (opening.headerIsRotten)
      logger.warning('log segment header is damaged, its first frame is not', { path })
    for await (const piece of scanSegment(bytes, opening, null)) {
      if (piece.kind === 'end') return { ...found, start: null, state: piece.isTorn ? 'void' : 'unused' }
      const first = piece.kind === 'frame' ? decode(piece)?.[0]?.record : undefined
      return { ...found, start: first?.kind === 'start' ? first.start : null, state: 'used' }
    }
    throw new Error(`${path}: a scan without an end`)
  } finally {
    await file.close()
  }
}

/** Null when checksums are right and the bytes make no sense all the same. */
function decode(piece: FramePiece): StoredRecord[] | null {
  try {
    return readRecords(piece.records)
  } catch (error) {
    if (error instanceof MalformedBytes) return null
    throw error
  }
}

class LogReplay {
  readonly #disk: Disk
  readonly #nextNumber: number
  readonly #tail: SyncedTail | null
  readonly groups = new Map<number, GroupReplay>()
  readonly segments: SegmentInfo[] = []
  readonly losses: Cause[] = []
  carried: CarriedRecord[] = []
  link: SegmentLink = NO_PREDECESSOR
  unusedRest: UnusedRest | null = null
  floor = 1

  constructor(disk: Disk, nextNumber: number, tail: SyncedTail | null) {
    this.#disk = disk
    this.#nextNumber = nextNumber
    this.#tail = tail
  }

  async run(inspected: readonly Inspected[], head: Inspected): Promise<void> {
    const byNumber = new Map(inspected.map((segment) => [segment.number, segment]))
    await this.#readFloor(head)
    const chain = this.#chain(byNumber, head)
    for (const { segment, limit, loss } of chain) {
      if (loss !== null) this.#lose(null, loss)
      if (segment !== head) await this.#replayWhole(segment, limit)
    }
    if (this.#tail === null) await this.#replayHead(head, byNumber)
    else await this.#replayTo(head, this.#tail)
    this.#checkWitnesses(inspected, head)
  }

  /**
   * The first segment stays until the start of a later one is durable: where the oldest is not the first and
   * none was used, all that were are gone. The next segment names one that does not exist, so that every
   * later open finds the loss again.
   */
  noticeLostBeginning(oldest: Inspected | undefined): void {
    if (oldest === undefined || oldest.number === 1) return
    this.link = { ...NO_PREDECESSOR, predecessor: oldest.number - 1 }
    this.#lose(null, {
      path: oldest.path,
      offset: 0,
      detail: `every segment before ${oldest.number} is missing`,
    })
  }

  /** The latest floor is known to the head alone. */
  async #readFloor(head: Inspected): Promise<void> {
    this.floor = Math.max(this.floor, head.start?.floor ?? 1)
    await this.#scan(head, this.#tail?.end ?? null, (piece) => {
      if (piece.kind !== 'frame') return
      for (const { record } of decode(piece) ?? []) {
        if (record.kind === 'floor') this.floor = Math.max(this.floor, record.floor)
      }
    })
  }

  /** From the oldest needed segment to the head, each with where its successor says that it ends. */
  #chain(
    byNumber: ReadonlyMap<number, Inspected>,
    head: Inspected,
  ): { segment: Inspected; limit: number | null; loss: Cause | null }[] {
    const chain: { segment: Inspected; limit: number | null; loss: Cause | null }[] = []
    let segment: Inspected | undefined = head
    let limit: number | null = null
    while (segment !== undefined) {
      const start: SegmentStart | null = segment.start
      const previous = start === null ? undefined : byNumber.get(start.predecessor)
      let loss: Cause | null = null
      let next: Inspected | undefined
      let nextLimit: number | null = null
      if (start === null) {
        loss = { path: segment.path, offset: SECTOR_BYTES, detail: 'the start of the segment is damaged' }
        next = nextBelow(byNumber, segment.number)
      } else if (start.predecessor >= this.floor) {
        nextLimit = start.end
        if (previous !== undefined && joins(previous, start)) next = previous
        else {
          const detail = `segment ${start.predecessor} before ${segment.number} is missing`
          loss = { path: segment.path, offset: SECTOR_BYTES, detail }
          next = previous ?? nextBelow(byNumber, segment.number)
          if (previous === undefined) nextLimit = null
        }
      }
      if (next !== undefined && next.number < this.floor) next = undefined
      chain.unshift({ segment, limit, loss })
      segment = next
      limit = nextLimit
    }
    return chain
  }

  async #replayWhole(segment: Inspected, limit: number | null): Promise<void> {
    const info = {
      number: segment.number,
      sizeBytes: segment.sizeBytes,
      end: limit ?? segment.sizeBytes,
      isDamaged: isHeaderDamaged(segment),
    }
    this.segments.push(info)
    await this.#scan(segment, limit, (piece) => {
      if (piece.kind === 'frame') this.#applyFrame(segment, piece, info)
      else if (piece.kind === 'rotten') this.#rotten(segment, piece, info)
    })
  }

  async #replayTo(head: Inspected, tail: SyncedTail): Promise<void> {
    await this.#replayWhole(head, tail.end)
    this.#linkTo(head, tail.end, tail.crc)
  }

  async #replayHead(head: Inspected, byNumber: ReadonlyMap<number, Inspected>): Promise<void> {
    const info = {
      number: head.number,
      sizeBytes: head.sizeBytes,
      end: SECTOR_BYTES,
      isDamaged: isHeaderDamaged(head),
    }
    this.segments.push(info)
    const last: { frame: FramePiece | null; rotten: RottenPiece[] } = { frame: null, rotten: [] }
    const applyLast = (): void => {
      if (last.frame !== null) this.#applyFrame(head, last.frame, info)
      for (const rotten of last.rotten) this.#rotten(head, rotten, info)
      last.rotten = []
    }
    await this.#scan(head, null, (piece) => {
      if (piece.kind === 'rotten') last.rotten.push(piece)
      if (piece.kind !== 'frame') return
      applyLast()
      last.frame = piece
    })
    const { frame } = last
    if (frame !== null && last.rotten.length === 0 && decode(frame) !== null) {
      this.#carry(head, frame, info)
      this.#checkSeal(head, frame, byNumber)
      return
    }
    // A frame behind it, rotten as it is, proves that the last good one had been synced.
    applyLast()
    info.end = frame?.endOffset ?? SECTOR_BYTES
    info.isDamaged = true
    this.#linkTo(head, info.end, frame?.frameCrc ?? head.opening?.crc ?? 0)
  }

  #linkTo(head: Inspected, end: number, crc: number): void {
    const identity = head.opening?.identity ?? { low: 0, high: 0 }
    this.link = { predecessor: head.number, low: identity.low, high: identity.high, end, crc }
  }

  /** The last good frame moves into the next segment; the log now ends before it. */
  #carry(head: Inspected, held: FramePiece, info: SegmentInfo): void {
    this.#linkTo(head, held.offset, held.previousCrc)
    info.end = held.offset
    const records = decode(held)
    assert(records !== null)
    const [first] = records
    if (first?.record.kind === 'start') {
      // All that the head holds moves on: the next segment takes its place.
      const { floor: _, ...link } = first.record.start
      this.link = link
      this.segments.pop()
    } else if (!info.isDamaged) this.unusedRest = { segment: info, usedBytes: held.endOffset }
    const place = { path: head.path, segment: this.#nextNumber, offset: held.offset }
    for (const { record, from, to } of records) {
      if (!isGroupRecord(record)) continue
      this.#applyRecord(record, place)
      this.carried.push({ group: record.group, bytes: held.records.subarray(from, to) })
    }
  }

  #checkSeal(head: Inspected, held: FramePiece, byNumber: ReadonlyMap<number, Inspected>): void {
    const last = decode(held)?.at(-1)?.record
    if (last?.kind !== 'seal' || byNumber.has(last.next)) return
    const detail = `segment ${last.next}, which this one announces, is missing`
    this.#lose(null, { path: head.path, offset: held.offset, detail })
  }

  /**
   * A segment is prepared only once the one before it is in use, and none behind the newest that was used is
   * removed before the next one is: so each that is there is a witness of the one before it, whether its
   * header can be read or not.
   */
  #checkWitnesses(inspected: readonly Inspected[], head: Inspected): void {
    let before = head.number
    for (const { number, path } of inspected) {
      if (number <= head.number) continue
      if (number !== before + 1) {
        this.#lose(null, { path, offset: 0, detail: `segment ${number - 1}, which was in use, is missing` })
      }
      before = number
    }
  }

  #applyFrame(segment: Inspected, piece: FramePiece, info: SegmentInfo): void {
    const records = decode(piece)
    if (records === null) return this.#malformed(segment, piece, info)
    const place = { path: segment.path, segment: segment.number, offset: piece.offset }
    for (const { record } of records) if (isGroupRecord(record)) this.#applyRecord(record, place)
  }

  #malformed(segment: Inspected, piece: FramePiece, info: SegmentInfo): void {
    const { offset, groups } = piece
    this.#rotten(segment, { kind: 'rotten', offset, groups, detail: 'records that make no sense' }, info)
  }

  #rotten(segment: Inspected, piece: RottenPiece, info: SegmentInfo): void {
    info.isDamaged = true
    this.#lose(piece.groups, { path: segment.path, offset: piece.offset, detail: piece.detail })
  }

  #applyRecord(record: GroupRecord, place: Place): void {
    if (record.kind === 'dropGroup') {
      this.groups.delete(record.group)
      return
    }
    if (record.kind === 'damage') {
      const damaged = this.segments.find((segment) =>
        record.damage.path.endsWith(segmentName(segment.number)),
      )
      if (damaged !== undefined) damaged.isDamaged = true
    }
    this.#group(record.group).apply(record, place)
  }

  #lose(groups: readonly number[] | null, cause: Cause): void {
    if (groups !== null) {
      for (const group of groups) this.#group(group as GroupId).markLoss(cause)
      return
    }
    this.losses.push(cause)
    for (const replay of this.groups.values()) replay.markLoss(cause)
  }

  #group(group: GroupId): GroupReplay {
    let replay = this.groups.get(group)
    if (replay === undefined) {
      replay = new GroupReplay(group)
      this.groups.set(group, replay)
      // Earlier records of it may have been in what is lost.
      if (this.losses[0] !== undefined) replay.markLoss(this.losses[0])
    }
    return replay
  }

  async #scan(segment: Inspected, limit: number | null, visit: (piece: SegmentPiece) => void): Promise<void> {
    if (segment.opening === null) return
    const file = await this.#disk.open(segment.path, 'read')
    try {
      const sizeBytes = Math.min(segment.sizeBytes, limit ?? segment.sizeBytes)
      const bytes = new SegmentBytes(file, sizeBytes, segment.readErrors, segment.header)
      for await (const piece of scanSegment(bytes, segment.opening, limit)) visit(piece)
    } finally {
      await file.close()
    }
  }
}

/** Whether or not its frames can be read without it. */
function isHeaderDamaged({ opening }: Inspected): boolean {
  return opening === null || opening.headerIsRotten
}

function joins(previous: Inspected, start: SegmentStart): boolean {
  const identity = previous.opening?.identity
  return identity !== undefined && identity.low === start.low && identity.high === start.high
}

function nextBelow(byNumber: ReadonlyMap<number, Inspected>, number: number): Inspected | undefined {
  let found: Inspected | undefined
  for (const segment of byNumber.values()) {
    if (segment.number < number && segment.state === 'used' && segment.number > (found?.number ?? 0))
      found = segment
  }
  assert(found === undefined || found.number < number)
  return found
}
