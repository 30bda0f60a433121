/**
 * Reads a segment front to back and says of each place what it is: a good frame, a rotten one, or
 * the end, with or without a torn frame behind it (the rule: docs/formats/log.md, "Torn or rotten").
 *
 * Sectors that can't be read (EIO) count as wrong bytes. Any other failure to read is thrown: it
 * says nothing about the bytes.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { crc32 } from '../../base/checksum.ts'
import { storageError } from '../../base/errors.ts'
import type { DiskFile } from '../../env/disk.ts'
import { DiskFault } from '../../env/disk.ts'
import type { FrameHeader, SegmentIdentity } from './log-format.ts'
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  displacedStart,
  FRAME_HEADER_BYTES,
  frameEnd,
  GROUPS_UNLISTED,
  listedGroups,
  otherTag,
  READS_MAX,
  resemblesHeader,
  SECTOR_BYTES,
  sectorsFor,
  takeTags,
} from './log-format.ts'

const WINDOW_BYTES = 1024 * 1024
const ZERO_WINDOW = Buffer.alloc(WINDOW_BYTES)
/** Stands for a sector that can't be read: never zero, never the tag of a frame's later sector. */
const UNREADABLE = 0xff

export type SegmentPiece =
  | {
      readonly kind: 'frame'
      readonly offset: number
      readonly endOffset: number
      readonly number: number
      readonly previousCrc: number
      readonly frameCrc: number
      /** Null: more than the frame lists. */
      readonly groups: readonly number[] | null
      /** A copy, without tags. */
      readonly records: Buffer
    }
  /** `groups`: those hit, null when that can't be told. */
  | {
      readonly kind: 'rotten'
      readonly offset: number
      readonly groups: readonly number[] | null
      readonly detail: string
    }
  | { readonly kind: 'end'; readonly offset: number; readonly crc: number; readonly isTorn: boolean }

export type FramePiece = Extract<SegmentPiece, { kind: 'frame' }>
export type RottenPiece = Extract<SegmentPiece, { kind: 'rotten' }>

/** What a sector that can't be read is: a verdict, or a failure of the whole reading. */
export type ReadErrors = 'rotten' | 'throw'

/**
 * A segment's bytes by sectors, read in windows; beyond the end of the file there are zeros.
 *
 * A disk that answers a read with bytes from elsewhere is noticed where a window begins: each begins with
 * a sector that is known, the first with the segment's header, every other one with the last sector of the
 * window before. Otherwise zeros from elsewhere would pass for the end of the log.
 */
export class SegmentBytes {
  readonly #file: DiskFile
  readonly #readErrors: ReadErrors
  readonly size: number
  /** The header as it was read first; null: not yet. */
  #header: Buffer | null
  #window: Buffer = Buffer.alloc(0)
  #windowAt = 0

  constructor(file: DiskFile, sizeBytes: number, readErrors: ReadErrors, header: Buffer | null = null) {
    this.#file = file
    this.#readErrors = readErrors
    this.#header = header
    // A size that is no whole number of sectors is the work of a crash: what is missing is zeros.
    this.size = sectorsFor(sizeBytes) * SECTOR_BYTES
  }

  /** As it was read last. */
  get header(): Buffer | null {
    return this.#header
  }

  /** Valid until the next read. */
  async read(offset: number, length: number): Promise<Buffer> {
    assert(offset % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0)
    assert(offset + length <= this.size)
    if (this.#window.length === 0 && offset > 0) await this.#loadFirst()
    const from = offset - this.#windowAt
    if (from < 0 || from + length > this.#window.length) {
      const bytes = Math.min(Math.max(length, WINDOW_BYTES), this.size - offset)
      if (offset === 0) {
        this.#window = await this.#loadKnown(0, bytes, this.#header)
        this.#windowAt = 0
      } else await this.#loadBehind(offset, bytes)
      return this.read(offset, length)
    }
    return this.#window.subarray(from, from + length)
  }

  /** The header again and all behind it, from the disk. Null: its segment is shorter than that. */
  async readHeader(): Promise<Buffer | null> {
    if (this.size < SECTOR_BYTES) return null
    this.#header = null
    await this.#loadFirst()
    this.#header = Buffer.from(this.#window.subarray(0, SECTOR_BYTES))
    return this.#header
  }

  async #loadFirst(): Promise<void> {
    this.#window = await this.#loadKnown(0, Math.min(WINDOW_BYTES, this.size), this.#header)
    this.#windowAt = 0
  }

  /** A window that begins with the sector before `offset`, if that is at hand. */
  async #loadBehind(offset: number, length: number): Promise<void> {
    const before = offset - SECTOR_BYTES - this.#windowAt
    const isKnown = before >= 0 && before + SECTOR_BYTES <= this.#window.length
    const known = isKnown ? Buffer.from(this.#window.subarray(before, before + SECTOR_BYTES)) : null
    const start = isKnown ? offset - SECTOR_BYTES : offset
    this.#window = await this.#loadKnown(start, length + offset - start, known)
    this.#windowAt = start
  }

  /** Read until it begins with `known`; never, and nothing that it gives is believed. */
  async #loadKnown(offset: number, length: number, known: Buffer | null): Promise<Buffer> {
    for (let attempt = 0; attempt < READS_MAX; attempt++) {
      const bytes = await this.#load(offset, length)
      if (known === null || bytes.subarray(0, SECTOR_BYTES).equals(known)) return bytes
    }
    if (this.#readErrors === 'throw') {
      const { path } = this.#file
      throw storageError('checksumMismatch', {
        message: `the disk reads ${path} at ${offset} otherwise than before`,
        context: { path, offset },
      })
    }
    return Buffer.alloc(length, UNREADABLE)
  }

  async #load(offset: number, length: number): Promise<Buffer> {
    try {
      return padded(await this.#file.read(offset, length), length)
    } catch (error) {
      if (!this.#isVerdict(error)) throw error
    }
    const bytes = Buffer.alloc(length, UNREADABLE)
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      try {
        padded(await this.#file.read(offset + at, SECTOR_BYTES), SECTOR_BYTES).copy(bytes, at)
      } catch (error) {
        if (!this.#isVerdict(error)) throw error
      }
    }
    return bytes
  }

  #isVerdict(error: unknown): boolean {
    return this.#readErrors === 'rotten' && error instanceof DiskFault && error.errno === 'EIO'
  }
}

function padded(bytes: Buffer, length: number): Buffer {
  return bytes.length === length ? bytes : Buffer.concat([bytes, Buffer.alloc(length - bytes.length)])
}

export type SegmentOpening = {
  readonly identity: SegmentIdentity
  /** Seeds the first frame. */
  readonly crc: number
  /** The segment's header is unreadable; its first frame told what was in it. */
  readonly headerIsRotten: boolean
}

/** Null when neither the header nor the first frame can be read. */
export async function readOpening(bytes: SegmentBytes, number: number): Promise<SegmentOpening | null> {
  if (bytes.size < SECTOR_BYTES) return null
  // What can't be a header may come from elsewhere on the disk.
  for (let attempt = 0; attempt < READS_MAX; attempt++) {
    const header = decodeSegmentHeader((await bytes.readHeader()) as Buffer)
    if (header !== null && header.identity.number === number) return { ...header, headerIsRotten: false }
  }
  if (bytes.size < 2 * SECTOR_BYTES) return null
  const sector = await bytes.read(SECTOR_BYTES, SECTOR_BYTES)
  const identity = { number, low: sector.readUInt32LE(12), high: sector.readUInt32LE(16) }
  const first = decodeFrameHeader(sector, identity)
  if (first === null || first.number !== 1) return null
  return { identity, crc: first.previousCrc, headerIsRotten: true }
}

/**
 * The header is damaged, and nothing is behind it: this segment was never used. The sector of a frame in
 * the header's place is no damaged header: the disk reads from elsewhere.
 */
export async function isUnusedForSure(bytes: SegmentBytes, number: number): Promise<boolean> {
  if (bytes.size <= SECTOR_BYTES || !(await isZero(bytes, SECTOR_BYTES))) return false
  const sector = await bytes.read(0, SECTOR_BYTES)
  return resemblesHeader(sector, number) || sector.every((byte) => byte === UNREADABLE)
}

async function isZero(bytes: SegmentBytes, from: number): Promise<boolean> {
  for (let at = from; at < bytes.size; at += WINDOW_BYTES) {
    const window = await bytes.read(at, Math.min(WINDOW_BYTES, bytes.size - at))
    if (!window.equals(ZERO_WINDOW.subarray(0, window.length))) return false
  }
  return true
}

/**
 * All pieces in order; the last is `end`. `limit` is where the successor says that the segment
 * ends: everything before it had been synced. Null: no successor, the torn rule applies.
 */
export async function* scanSegment(
  bytes: SegmentBytes,
  opening: SegmentOpening,
  limit: number | null,
): AsyncGenerator<SegmentPiece, void, undefined> {
  const bound = Math.min(limit ?? bytes.size, bytes.size)
  let at = SECTOR_BYTES
  let number = 1
  let crc = opening.crc
  while (at < bound) {
    const attempt = await readFrame(bytes, opening.identity, at, bound, number, crc)
    if (attempt.piece !== null) {
      yield attempt.piece
      crc = attempt.piece.frameCrc
      at = attempt.piece.endOffset
      number++
      continue
    }
    if (limit === null) {
      const tail = await classifyTail(bytes, at, number, attempt.header)
      if (tail.kind !== 'rotten') {
        yield { kind: 'end', offset: at, crc, isTorn: tail.kind === 'torn' }
        return
      }
      yield { kind: 'rotten', offset: at, groups: attempt.groups, detail: tail.detail }
    } else {
      yield { kind: 'rotten', offset: at, groups: attempt.groups, detail: attempt.detail }
    }
    const next = await findNext(bytes, opening.identity, at, bound, number, attempt.header)
    if (next === null) break
    at = next.offset
    number = next.number
    crc = next.crc
  }
  if (limit !== null && limit > bytes.size) {
    yield { kind: 'rotten', offset: bytes.size, groups: null, detail: 'the file is shorter than it was' }
  }
  yield { kind: 'end', offset: limit ?? at, crc, isTorn: false }
}

type Attempt = {
  readonly piece: FramePiece | null
  /** Of a bad frame, when at least its header is the expected one. */
  readonly header: FrameHeader | null
  readonly groups: readonly number[] | null
  readonly detail: string
}

async function readFrame(
  bytes: SegmentBytes,
  identity: SegmentIdentity,
  at: number,
  bound: number,
  number: number,
  crc: number,
): Promise<Attempt> {
  const bad = { piece: null, header: null, groups: null }
  const header = decodeFrameHeader(await bytes.read(at, SECTOR_BYTES), identity)
  if (header === null) return { ...bad, detail: 'no frame header where one was written' }
  if (header.number !== number || header.previousCrc !== crc) {
    return { ...bad, detail: `frame ${header.number} where frame ${number} of the chain should be` }
  }
  const listed = listedGroups(header.groupCount)
  const end = frameEnd(header.recordBytes, listed)
  const endOffset = at + sectorsFor(end) * SECTOR_BYTES
  if (endOffset > bound) return { ...bad, detail: 'a frame reaches beyond the end of the segment' }
  const frame = Buffer.from(await bytes.read(at, endOffset - at))
  const isRight = crc32(frame.subarray(FRAME_HEADER_BYTES, end), crc) === header.frameCrc
  const start = displacedStart(header.recordBytes, listed)
  takeTags(frame, start)
  const list = frame.subarray(start - 4 * listed, start)
  const listIsRight =
    header.groupCount !== GROUPS_UNLISTED && (listed === 0 || crc32(list) === header.groupsCrc)
  const groups = listIsRight
    ? Array.from({ length: listed }, (_, place) => list.readUInt32LE(place * 4))
    : null
  if (!isRight) return { piece: null, header, groups, detail: `wrong checksum of frame ${number}` }
  const records = frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.recordBytes)
  const piece = {
    kind: 'frame' as const,
    offset: at,
    endOffset,
    number,
    previousCrc: crc,
    frameCrc: header.frameCrc,
    groups,
    records,
  }
  return { piece, header, groups, detail: '' }
}

type Tail =
  | { readonly kind: 'clean' }
  | { readonly kind: 'torn' }
  | { readonly kind: 'rotten'; readonly detail: string }

/** A bad frame at `at` with nothing known behind it: torn only if nothing contradicts that. */
async function classifyTail(
  bytes: SegmentBytes,
  at: number,
  number: number,
  header: FrameHeader | null,
): Promise<Tail> {
  const extent = header === null ? null : frameEnd(header.recordBytes, listedGroups(header.groupCount))
  const endOffset = extent === null ? bytes.size : at + sectorsFor(extent) * SECTOR_BYTES
  let written = 0
  let missing = 0
  for (let window = at; window < bytes.size; window += WINDOW_BYTES) {
    const part = await bytes.read(window, Math.min(WINDOW_BYTES, bytes.size - window))
    const isEmpty = part.equals(ZERO_WINDOW.subarray(0, part.length))
    for (let place = 0; place < part.length; place += SECTOR_BYTES) {
      const offset = window + place
      if (
        isEmpty ||
        part.subarray(place, place + SECTOR_BYTES).equals(ZERO_WINDOW.subarray(0, SECTOR_BYTES))
      ) {
        if (offset < endOffset) missing++
        continue
      }
      written++
      if (offset === at) {
        if (header === null) return { kind: 'rotten', detail: `frame ${number} begins with wrong bytes` }
      } else if (offset >= endOffset) {
        return { kind: 'rotten', detail: `bytes behind the last frame, at ${offset}` }
      } else if (part[place] !== otherTag(number)) {
        return { kind: 'rotten', detail: `a sector that is none of frame ${number}, at ${offset}` }
      }
    }
  }
  if (written === 0) return { kind: 'clean' }
  if (missing === 0) return { kind: 'rotten', detail: `wrong checksum of frame ${number}, all of it written` }
  return { kind: 'torn' }
}

/** Where reading can go on after a rotten frame. */
async function findNext(
  bytes: SegmentBytes,
  identity: SegmentIdentity,
  at: number,
  bound: number,
  number: number,
  header: FrameHeader | null,
): Promise<{ readonly offset: number; readonly number: number; readonly crc: number } | null> {
  if (header !== null) {
    const end = frameEnd(header.recordBytes, listedGroups(header.groupCount))
    return { offset: at + sectorsFor(end) * SECTOR_BYTES, number: number + 1, crc: header.frameCrc }
  }
  for (let offset = at + SECTOR_BYTES; offset < bound; offset += SECTOR_BYTES) {
    const found = decodeFrameHeader(await bytes.read(offset, SECTOR_BYTES), identity)
    if (found !== null && found.number > number) {
      return { offset, number: found.number, crc: found.previousCrc }
    }
  }
  return null
}
