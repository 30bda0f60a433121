/**
 * What `ByteWriter` writes `ByteReader` reads back, also when the buffer grows in the middle of a
 * value, and bytes that end too soon are reported, whatever is read.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ByteReader, MalformedBytes } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

type Item =
  | { readonly kind: 'u8' | 'u16' | 'u32' | 'u64' | 'f64' | 'varint'; readonly value: number }
  | { readonly kind: 'byteString'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Buffer }

const safe = fc.maxSafeNat()
const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant('u64' as const), value: safe }),
  fc.record({ kind: fc.constant('f64' as const), value: fc.double() }),
  fc.record({ kind: fc.constant('varint' as const), value: safe }),
  fc.record({
    kind: fc.constant('byteString' as const),
    value: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).latin1Slice()),
  }),
  fc.record({
    kind: fc.constant('bytes' as const),
    value: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  }),
)

function write(writer: ByteWriter, { kind, value }: Item): void {
  if (kind === 'byteString') writer.byteString(value)
  else if (kind === 'bytes') writer.bytes(value)
  else writer[kind](value)
}

describe('bytes written and read back', () => {
  it('returns every value, however small the buffer was to begin with', () => {
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 30 }),
        fc.integer({ min: 1, max: 64 }),
        (items, initialBytes) => {
          const writer = new ByteWriter(initialBytes)
          for (const each of items) write(writer, each)
          const reader = new ByteReader(writer.takeBytes())
          for (const { kind, value } of items) assert.deepEqual(reader[kind](), value)
          reader.expectEnd()
        },
      ),
      { seed: 11, numRuns: 500 },
    )
  })

  it('grows in the middle of each kind of value', () => {
    const bytes = Buffer.from('abc')
    const expected: Record<Item['kind'], Item> = {
      u8: { kind: 'u8', value: 7 },
      u16: { kind: 'u16', value: 0x0102 },
      u32: { kind: 'u32', value: 0x01020304 },
      u64: { kind: 'u64', value: Number.MAX_SAFE_INTEGER },
      f64: { kind: 'f64', value: -0.5 },
      varint: { kind: 'varint', value: 300 },
      byteString: { kind: 'byteString', value: 'abc' },
      bytes: { kind: 'bytes', value: bytes },
    }
    for (const each of Object.values(expected)) {
      const writer = new ByteWriter(1)
      writer.u8(1)
      write(writer, each)
      const reader = new ByteReader(writer.takeBytes())
      assert.equal(reader.u8(), 1)
      assert.deepEqual(reader[each.kind](), each.value)
    }
  })

  it('hands bytes over that later writes never touch', () => {
    const writer = new ByteWriter()
    writer.u32(1)
    const first = writer.takeBytes()
    writer.u32(0xffff_ffff)
    assert.equal(first.readUInt32LE(0), 1)
  })
})

describe('bytes that end too soon', () => {
  it('are malformed at every cut', () => {
    const writer = new ByteWriter()
    writer.byteString('hello')
    const whole = writer.takeBytes()
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => new ByteReader(whole.subarray(0, length)).byteString(), MalformedBytes)
    }
    assert.equal(new ByteReader(whole).byteString(), 'hello')
  })

  it('and bytes too many are told too', () => {
    const reader = new ByteReader(Buffer.from([1, 2]))
    reader.u8()
    assert.throws(() => reader.expectEnd(), MalformedBytes)
  })

  it('refuses integers beyond 2^53', () => {
    assert.throws(() => new ByteReader(Buffer.alloc(8, 0xff)).u64(), MalformedBytes)
    assert.throws(() => new ByteReader(Buffer.alloc(8, 0xff)).varint(), MalformedBytes)
  })
})
