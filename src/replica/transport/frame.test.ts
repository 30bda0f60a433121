import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { FRAME_BYTES_MAX, FrameError, FrameSplitter, FrameType, makeFrame } from './frame.ts'

const SEED = 20260106

function frameOf(type: FrameType, body: string): Buffer {
  return makeFrame(type, (writer) => writer.byteString(body))
}

function feed(chunks: readonly Buffer[], splitter = new FrameSplitter()): string[] {
  const frames: string[] = []
  for (const chunk of chunks) {
    splitter.feed(chunk, ({ type, body }) => frames.push(`${type} ${body.byteString()}`))
  }
  return frames
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...[...new Set(places)].sort((a, b) => a - b), bytes.length]
  return sorted.slice(1).map((end, at) => bytes.subarray(sorted[at], end))
}

const bodies = fc.array(fc.string({ maxLength: 300, unit: 'binary-ascii' }), { minLength: 1, maxLength: 6 })

test('frames come out as they went in: whole, byte by byte, and cut anywhere', () => {
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(), { maxLength: 8 }), (texts, drawn) => {
      const bytes = Buffer.concat(texts.map((text) => frameOf(FrameType.notice, text)))
      const expected = texts.map((text) => `3 ${text}`)
      assert.deepEqual(feed([bytes]), expected)
      assert.deepEqual(feed([...bytes].map((byte) => Buffer.of(byte))), expected)
      assert.deepEqual(
        feed(
          cut(
            bytes,
            drawn.map((place) => place % bytes.length),
          ),
        ),
        expected,
      )
    }),
    { seed: SEED },
  )
})

test('every flipped bit is noticed, at once or when the frame is complete; no wrong frame comes out', () => {
  const first = frameOf(FrameType.raft, 'first')
  const second = frameOf(FrameType.request, 'second, somewhat longer')
  const bytes = Buffer.concat([first, second])
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Buffer.from(bytes)
    damaged[bit >>> 3] = (damaged[bit >>> 3] as number) ^ (1 << (bit & 7))
    const frames: string[] = []
    const splitter = new FrameSplitter()
    assert.throws(
      () => splitter.feed(damaged, ({ body }) => frames.push(body.byteString())),
      FrameError,
      `bit ${bit}`,
    )
    assert.deepEqual(frames, bit >>> 3 < first.length ? [] : ['first'])
  }
})

test('a length beyond the limit is refused before its bytes have come', () => {
  const frame = frameOf(FrameType.notice, 'x'.repeat(100))
  const splitter = new FrameSplitter()
  splitter.bytesMax = 50
  assert.throws(() => splitter.feed(frame.subarray(0, 12), () => undefined), /frame of \d+ bytes/)
  const huge = Buffer.from(frame)
  huge.writeUInt32LE(FRAME_BYTES_MAX + 1, 0)
  huge.writeUInt32LE(crc32(huge.subarray(0, 4)), 4)
  assert.throws(() => feed([huge]), FrameError)
  const tiny = Buffer.from(frame)
  tiny.writeUInt32LE(3, 0)
  tiny.writeUInt32LE(crc32(tiny.subarray(0, 4)), 4)
  assert.throws(() => feed([tiny]), FrameError)
})

test('a large frame in many chunks costs one join', () => {
  const body = 'x'.repeat(4 * 1024 * 1024)
  const bytes = frameOf(FrameType.raft, body)
  const places = Array.from({ length: Math.floor(bytes.length / 1_000) }, (_, at) => at * 1_000)
  const frames: number[] = []
  const splitter = new FrameSplitter()
  for (const chunk of cut(bytes, places)) splitter.feed(chunk, (frame) => frames.push(frame.body.remaining))
  assert.equal(frames.length, 1)
})
