/** What is dumped is read back, and bytes of strangers give a value or nothing, never a failure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc64 } from './crc64.ts'
import { isIntact, readDump } from './dump-reader.ts'
import { DumpWriter, RDB_VERSION, RdbType } from './dump-writer.ts'

const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) })

function seal(body: string, version: number = RDB_VERSION): string {
  const unsealed = `${body}${String.fromCharCode(version, 0)}`
  return unsealed + crc64(unsealed)
}

function dumpString(value: string): string {
  const writer = new DumpWriter(RdbType.string)
  writer.addString(value)
  return finish(writer)
}

function dumpHash(pairs: readonly (readonly [string, string])[]): string {
  const writer = new DumpWriter(RdbType.hash)
  writer.addCount(pairs.length)
  for (const text of pairs.flat()) writer.addString(text)
  return finish(writer)
}

/** As a long read does it: call by call. */
function finish(writer: DumpWriter): string {
  for (;;) {
    const dump = writer.finish()
    if (dump !== undefined) return dump
  }
}

test('strings and hashes come back equal', () => {
  fc.assert(
    fc.property(bytes, (value) => {
      assert.deepEqual(readDump(dumpString(value)), { kind: 'string', value })
    }),
  )
  for (const length of [63, 64, 16_383, 16_384, 100_000, 2_500_000]) {
    const value = 'x'.repeat(length)
    assert.deepEqual(readDump(dumpString(value)), { kind: 'string', value })
  }
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(bytes, bytes), { selector: ([field]) => field, minLength: 1 }),
      (pairs) => {
        assert.deepEqual(readDump(dumpHash(pairs)), { kind: 'hash', members: new Map(pairs) })
      },
    ),
  )
})

test('a newer version, a wrong checksum, too few bytes: not intact', () => {
  const payload = dumpString('value')
  assert.ok(isIntact(payload))
  assert.ok(!isIntact(seal('\0\x01a', RDB_VERSION + 1)))
  assert.ok(!isIntact(payload.slice(0, 9)))
  for (let at = 0; at < payload.length; at++) {
    const flipped = String.fromCharCode(payload.charCodeAt(at) ^ 1)
    assert.ok(!isIntact(payload.slice(0, at) + flipped + payload.slice(at + 1)), `byte ${at}`)
  }
})

test('what is sealed but damaged, empty, too long or of another type is nothing', () => {
  for (const body of [
    '',
    '\0',
    '\0\x05abc',
    '\0\x03abcd',
    '\0\xc3\x03\xff\xff',
    '\0\xc3\x02\x05\x01a',
    '\0\x81\0\0\0\0\0\0\0\x01a',
    '\x04\0',
    '\x04\x02\x01f\x01v',
    '\x04\x02\x01f\x01v\x01f\x01w',
    '\x10\x02ab',
    '\x11\x01\x01a\x08',
    '\x04\x80\xff\xff\xff\xff',
  ]) {
    assert.equal(readDump(seal(body)), null, JSON.stringify(body))
  }
})

test('any bytes behind any type are read or refused', () => {
  const type = fc.constantFrom('\0', '\x04', '\x10')
  // Lengths, numbers and references in the places where they mean something.
  const piece = fc.oneof(
    bytes,
    fc.constantFrom('\xc3', '\xc0', '\xc2', '\x80', '\x01', '\x05', '\xff', '\xf0', '\xe1', '\x20\0'),
  )
  fc.assert(
    fc.property(type, fc.array(piece), (first, pieces) => {
      const value = readDump(seal(first + pieces.join('')))
      assert.ok(value === null || value.kind === 'string' || value.members.size > 0)
    }),
    { numRuns: 3_000 },
  )
})
