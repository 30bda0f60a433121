import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32 } from '../../base/checksum.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Entry, EntryKind, LogIndex, Term } from '../../base/log-entry.ts'
import { FrameWriter } from './frame-writer.ts'
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  displacedStart,
  encodeSegmentHeader,
  FRAME_HEADER_BYTES,
  firstTag,
  frameEnd,
  GROUPS_UNLISTED,
  otherTag,
  preparingName,
  putTags,
  SECTOR_BYTES,
  sectorsFor,
  segmentName,
  segmentNumber,
  takeTags,
} from './log-format.ts'
import { readRecords } from './record-reader.ts'
import type { LogDamage } from './shared-log.ts'

const IDENTITY = { number: 7, low: 0x11223344, high: 0x55667788 }
const GROUP = 3 as GroupId

function finished(fill: (writer: FrameWriter) => void, number: number = 1): Buffer {
  const writer = new FrameWriter()
  fill(writer)
  const padded = writer.paddedBytes
  const frame = writer.finish(IDENTITY, number, 99)
  assert.equal(frame.length, padded, 'the size was known before')
  assert.equal(writer.paddedBytes, padded)
  return Buffer.from(frame)
}

function recordsOf(frame: Buffer): ReturnType<typeof readRecords> {
  const header = decodeFrameHeader(frame, IDENTITY)
  assert(header !== null)
  const listed = header.groupCount === GROUPS_UNLISTED ? 0 : header.groupCount
  const end = frameEnd(header.recordBytes, listed)
  assert.equal(header.frameCrc, crc32(frame.subarray(FRAME_HEADER_BYTES, end), 99))
  const copy = Buffer.from(frame)
  takeTags(copy, displacedStart(header.recordBytes, listed))
  return readRecords(copy.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.recordBytes))
}

test('names sort as numbers, and only segments have one', () => {
  assert.equal(segmentName(7), '0000000007.segment')
  assert.equal(segmentNumber(segmentName(4_294_967_295)), 4_294_967_295)
  for (const name of [
    preparingName(7),
    'evidence',
    '7.segment',
    '0000000000.segment',
    '9999999999.segment',
  ]) {
    assert.equal(segmentNumber(name), null)
  }
})

test('a segment header is read back, and any flipped bit of it is noticed', () => {
  const sector = Buffer.alloc(SECTOR_BYTES)
  const crc = encodeSegmentHeader(sector, IDENTITY)
  assert.deepEqual(decodeSegmentHeader(sector), { identity: IDENTITY, crc })
  for (let bit = 0; bit < 28 * 8; bit++) {
    const spoilt = Buffer.from(sector)
    spoilt[bit >> 3] = (spoilt[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(decodeSegmentHeader(spoilt), null)
  }
})

test('tags: every sector starts with its own, and every byte comes back', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.integer({ min: FRAME_HEADER_BYTES, max: 4000 }),
        fc.integer({ min: 261_000, max: 263_500 }),
      ),
      fc.integer({ min: 1, max: 200 }),
      (start, number) => {
        const end = frameEnd(start - FRAME_HEADER_BYTES, 0)
        const frame = Buffer.alloc(sectorsFor(end) * SECTOR_BYTES)
        for (let at = 0; at < start; at++) frame[at] = (at * 31) & 0xff
        const before = Buffer.from(frame.subarray(0, start))
        assert.equal(putTags(frame, start, number), end)
        for (let at = SECTOR_BYTES; at < frame.length; at += SECTOR_BYTES)
          assert.equal(frame[at], otherTag(number))
        takeTags(frame, start)
        assert(frame.subarray(0, start).equals(before))
      },
    ),
    { seed: 20_261, numRuns: 400 },
  )
  assert.notEqual(firstTag(1), otherTag(1))
})

test('no sector of a frame of zeros is zero', () => {
  const payload = Buffer.alloc(5000)
  const entry: Entry = { index: 1 as LogIndex, term: 1 as Term, kind: 1, payload }
  const frame = finished((writer) => writer.entries(GROUP, 0, [entry]), 64)
  for (let at = 0; at < frame.length; at += SECTOR_BYTES) assert((frame[at] as number) >= 0x80)
})

test('records are read back as they were written', () => {
  const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1000 })
  const bytes = fc.uint8Array({ maxLength: 700 })
  fc.assert(
    fc.property(
      number,
      number,
      fc.array(
        fc.record({
          kind: fc.integer({ min: 0, max: 2 }),
          payload: bytes,
          raise: fc.integer({ min: 0, max: 3 }),
        }),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      bytes,
      fc.option(fc.integer({ min: 1, max: 9 })),
      (index, term, made, membership, vote) => {
        let now = term
        const entries = made.map(({ kind, payload, raise }, at) => {
          now += raise
          return { index: (index + 1 + at) as LogIndex, term: now as Term, kind: kind as EntryKind, payload }
        })
        const hardState = { term: term as Term, vote: vote as ReplicaId | null, commit: index as LogIndex }
        const position = { index: index as LogIndex, term: term as Term }
        const damage = damageAt(index, vote)
        const start = { predecessor: 6, low: 1, high: 2, end: index, crc: 0xffff_ffff, floor: 3 }
        const frame = finished((writer) => {
          writer.start(start)
          writer.entries(GROUP, term, entries)
          writer.hardState(GROUP, hardState)
          writer.base(GROUP, position, membership, true)
          writer.damage(GROUP, index, damage)
          writer.repaired(GROUP, index, term)
          writer.dropGroup(GROUP)
          writer.floor(5)
          writer.seal(8)
        })
        const read = recordsOf(frame).map((one) => one.record)
        const plain = (value: unknown): unknown =>
          JSON.parse(JSON.stringify(value, (_, inner) => (inner instanceof Uint8Array ? [...inner] : inner)))
        const unbuffered = (value: unknown): unknown =>
          JSON.parse(JSON.stringify(value), (_, inner) => (inner?.type === 'Buffer' ? inner.data : inner))
        assert.deepEqual(
          unbuffered(read),
          plain([
            { kind: 'start', start },
            { kind: 'entries', group: 3, previous: position, entries },
            { kind: 'hardState', group: 3, hardState },
            { kind: 'base', group: 3, position, discardsTail: true, membership },
            { kind: 'damage', group: 3, lastKept: index, damage },
            { kind: 'repaired', group: 3, position },
            { kind: 'dropGroup', group: 3 },
            { kind: 'floor', floor: 5 },
            { kind: 'seal', next: 8 },
          ]),
        )
      },
    ),
    { seed: 20_262, numRuns: 150 },
  )
})

test('a frame lists its groups, up to a limit', () => {
  const few = finished((writer) => {
    for (const group of [5, 5, 9, 5]) writer.dropGroup(group as GroupId)
  })
  assert.equal(decodeFrameHeader(few, IDENTITY)?.groupCount, 2)
  const many = finished((writer) => {
    for (let group = 0; group < 2000; group++) writer.dropGroup(group as GroupId)
  })
  assert.equal(decodeFrameHeader(many, IDENTITY)?.groupCount, GROUPS_UNLISTED)
  assert.equal(recordsOf(many).length, 2000)
})

test('a frame belongs to its segment and its number', () => {
  const frame = finished((writer) => writer.floor(1))
  assert.equal(decodeFrameHeader(frame, { ...IDENTITY, low: 1 }), null)
  assert.equal(decodeFrameHeader(frame, { ...IDENTITY, number: 8 }), null)
  for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
    const spoilt = Buffer.from(frame)
    spoilt[bit >> 3] = (spoilt[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(decodeFrameHeader(spoilt, IDENTITY), null, `bit ${bit}`)
  }
})

test('the worked example of docs/formats/log.md', () => {
  const identity = { number: 1, low: 0x11223344, high: 0x55667788 }
  const header = Buffer.alloc(SECTOR_BYTES)
  const crc = encodeSegmentHeader(header, identity)
  const start = new FrameWriter()
  start.start({ predecessor: 0, low: 0, high: 0, end: 0, crc: 0, floor: 1 })
  const first = Buffer.from(start.finish(identity, 1, crc))
  const second = new FrameWriter()
  second.hardState(1 as GroupId, { term: 2 as Term, vote: 3 as ReplicaId, commit: 0 as LogIndex })
  const entry: Entry = { index: 1 as LogIndex, term: 2 as Term, kind: 1, payload: Buffer.from('hi') }
  second.entries(1 as GroupId, 0, [entry])
  const frame = second.finish(identity, 2, start.frameCrc)
  const hex = (bytes: Buffer, from: number, to: number): string => bytes.subarray(from, to).toString('hex')
  assert.equal(hex(header, 0, 28), '48464c4f47534547010000000100000044332211887766553d51cb65')
  assert.equal(
    hex(first, 0, 56),
    'c1000000711bda80010000004433221188776655010000003d51cb658198ca640000000010000000' +
      '01000000000000000000000000000001',
  )
  assert.equal(
    hex(frame, 0, 58),
    'c20001002458cb6b010000004433221188776655020000008198ca6436f11d8079b8f8990e000000' +
      '0501020400' +
      '040101000109026869' +
      '01000000',
  )
})

function damageAt(offset: number, synced: number | null): LogDamage {
  const lastSyncedIndex = synced as LogIndex | null
  return { path: 'log/x', offset, lastSyncedIndex, isVoteLost: synced === null, detail: 'ä' }
}
