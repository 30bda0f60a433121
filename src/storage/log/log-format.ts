/**
 * The bytes of a log segment: names, header, frame header, tags (docs/formats/log.md).
 *
 * Failure model: everything read is checked before it is believed. A decoder answers null for
 * bytes that are not what they should be; what that means (torn, rotten) is decided by
 * `segment-scan.ts`, which knows the surroundings.
 */
import assert from 'node:assert/strict'
import type { Buffer } from 'node:buffer'
import { crc32 } from '../../base/checksum.ts'

/** A disk that gives other bytes than were expected is asked again, that often in all. */
export const READS_MAX = 3
export const SECTOR_BYTES = 512
export const FRAME_HEADER_BYTES = 40
export const LOG_VERSION = 1
/** A frame's group list is left out beyond this many. */
export const LISTED_GROUPS_MAX = 1024
export const GROUPS_UNLISTED = 0xffff
/** More in one batch than this is a bug of the caller, who limits what it queues. */
export const FRAME_BYTES_MAX = 1024 * 1024 * 1024

/** First bytes of a segment: eight letters. */
const MAGIC = 0x4846_4c4f_4753_4547n
const FIRST_TAG = 0xc0
const OTHER_TAG = 0x80

export const RecordTag = {
  start: 1,
  seal: 2,
  floor: 3,
  entries: 4,
  hardState: 5,
  base: 6,
  dropGroup: 7,
  damage: 8,
  repaired: 9,
} as const

export type SegmentIdentity = { readonly number: number; readonly low: number; readonly high: number }

export type FrameHeader = {
  readonly groupCount: number
  readonly number: number
  readonly previousCrc: number
  readonly frameCrc: number
  readonly groupsCrc: number
  readonly recordBytes: number
}

export function segmentName(number: number): string {
  assert(Number.isSafeInteger(number) && number >= 1 && number <= 0xffff_ffff)
  return `${String(number).padStart(10, '0')}.segment`
}

export function preparingName(number: number): string {
  return segmentName(number).replace('.segment', '.preparing')
}

/** The number in a segment's name; null for other files. */
export function segmentNumber(name: string): number | null {
  const match = /^(\d{10})\.segment$/.exec(name)
  if (match === null) return null
  const number = Number(match[1])
  return number >= 1 && number <= 0xffff_ffff ? number : null
}

/** Fills `sector`; returns the crc with which the segment's chain begins. */
export function encodeSegmentHeader(sector: Buffer, identity: SegmentIdentity): number {
  assert(sector.length === SECTOR_BYTES)
  sector.fill(0)
  sector.writeBigUInt64BE(MAGIC, 0)
  sector.writeUInt32LE(LOG_VERSION, 8)
  sector.writeUInt32LE(identity.number, 12)
  sector.writeUInt32LE(identity.low, 16)
  sector.writeUInt32LE(identity.high, 20)
  const crc = crc32(sector.subarray(0, 24))
  sector.writeUInt32LE(crc, 24)
  return crc
}

export function decodeSegmentHeader(sector: Buffer): { identity: SegmentIdentity; crc: number } | null {
  if (sector.length < SECTOR_BYTES || sector.readBigUInt64BE(0) !== MAGIC) return null
  const crc = crc32(sector.subarray(0, 24))
  if (sector.readUInt32LE(24) !== crc || sector.readUInt32LE(8) !== LOG_VERSION) return null
  const identity = {
    number: sector.readUInt32LE(12),
    low: sector.readUInt32LE(16),
    high: sector.readUInt32LE(20),
  }
  return { identity, crc }
}

/** It was written as the header of this segment, and is not as it was. */
export function resemblesHeader(sector: Buffer, number: number): boolean {
  return sector.readBigUInt64BE(0) === MAGIC || sector.readUInt32LE(12) === number
}

export function firstTag(frameNumber: number): number {
  return FIRST_TAG | (frameNumber & 0x3f)
}

export function otherTag(frameNumber: number): number {
  return OTHER_TAG | (frameNumber & 0x3f)
}

export function sectorsFor(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES)
}

/** Where the group list ends and the displaced bytes begin. */
export function displacedStart(recordBytes: number, listedGroups: number): number {
  return FRAME_HEADER_BYTES + recordBytes + 4 * listedGroups
}

/** Bytes of a frame without its padding. */
export function frameEnd(recordBytes: number, listedGroups: number): number {
  const start = displacedStart(recordBytes, listedGroups)
  let left = Math.floor((start - 1) / SECTOR_BYTES)
  let at = start
  while (left > 0) {
    if (at % SECTOR_BYTES === 0) at++
    const run = Math.min(left, SECTOR_BYTES - (at % SECTOR_BYTES))
    at += run
    left -= run
  }
  return at
}

export function listedGroups(groupCount: number): number {
  return groupCount === GROUPS_UNLISTED ? 0 : groupCount
}

/** Moves the bytes at sector starts behind the frame's content and puts the tags there. Returns the frame's end. */
export function putTags(frame: Buffer, start: number, frameNumber: number): number {
  const tag = otherTag(frameNumber)
  let at = start
  for (let sector = SECTOR_BYTES; sector < start; sector += SECTOR_BYTES) {
    if (at % SECTOR_BYTES === 0) frame[at++] = tag
    frame[at++] = frame[sector] as number
    frame[sector] = tag
  }
  // The list may end exactly where a sector begins: then nothing of the frame is in that sector.
  return at
}

/** Undoes `putTags` in a copy of the frame whose checksum was found right, or is known to be wrong. */
export function takeTags(frame: Buffer, start: number): void {
  let at = start
  for (let sector = SECTOR_BYTES; sector < start; sector += SECTOR_BYTES) {
    if (at % SECTOR_BYTES === 0) at++
    frame[sector] = frame[at++] as number
  }
}

/** Fills the frame's first 40 bytes. */
export function encodeFrameHeader(frame: Buffer, segment: SegmentIdentity, header: FrameHeader): void {
  assert(header.groupCount >= 0 && header.groupCount <= GROUPS_UNLISTED)
  assert(header.recordBytes <= FRAME_BYTES_MAX)
  frame[0] = firstTag(header.number)
  frame[1] = 0
  frame.writeUInt16LE(header.groupCount, 2)
  frame.writeUInt32LE(segment.number, 8)
  frame.writeUInt32LE(segment.low, 12)
  frame.writeUInt32LE(segment.high, 16)
  frame.writeUInt32LE(header.number, 20)
  frame.writeUInt32LE(header.previousCrc, 24)
  frame.writeUInt32LE(header.frameCrc, 28)
  frame.writeUInt32LE(header.groupsCrc, 32)
  frame.writeUInt32LE(header.recordBytes, 36)
  frame.writeUInt32LE(headerCrc(frame), 4)
}

/** Null unless the sector begins with the header of a frame of this very segment. */
export function decodeFrameHeader(sector: Buffer, segment: SegmentIdentity): FrameHeader | null {
  if (sector.length < FRAME_HEADER_BYTES || sector[1] !== 0) return null
  if (sector.readUInt32LE(4) !== headerCrc(sector)) return null
  if (sector.readUInt32LE(8) !== segment.number) return null
  if (sector.readUInt32LE(12) !== segment.low || sector.readUInt32LE(16) !== segment.high) return null
  const header = {
    groupCount: sector.readUInt16LE(2),
    number: sector.readUInt32LE(20),
    previousCrc: sector.readUInt32LE(24),
    frameCrc: sector.readUInt32LE(28),
    groupsCrc: sector.readUInt32LE(32),
    recordBytes: sector.readUInt32LE(36),
  }
  if (sector[0] !== firstTag(header.number) || header.recordBytes > FRAME_BYTES_MAX) return null
  return header
}

function headerCrc(frame: Buffer): number {
  return crc32(frame.subarray(0, 4), crc32(frame.subarray(8, FRAME_HEADER_BYTES)))
}
