import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { KvCommand } from './command.ts'
import { decodeCommand, encodeCommand } from './command-codec.ts'

const byteString = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).latin1Slice())
const whole = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.maxSafeNat().map((value) => Math.max(1, value)),
)
const session = fc.record({
  id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).latin1Slice()),
  startedMs: whole,
  sequence: whole,
  lowestUnacknowledged: whole,
})
const command: fc.Arbitrary<KvCommand> = fc.oneof(
  fc.record({
    kind: fc.constant('client' as const),
    args: fc.array(byteString, { minLength: 1, maxLength: 8 }),
    session: fc.option(session),
  }),
  fc.constant({ kind: 'advanceTime' as const }),
  fc.record({ kind: fc.constantFrom('expireDue', 'collectGarbage', 'expireSessions'), limit: whole }),
)

function encoded(value: KvCommand): Buffer {
  const writer = new ByteWriter()
  encodeCommand(value, writer)
  return writer.takeBytes()
}

test('commands come back equal, and nothing beyond them is read', () => {
  const property = fc.property(fc.array(command, { minLength: 1, maxLength: 4 }), (commands) => {
    const reader = new ByteReader(Buffer.concat(commands.map(encoded)))
    for (const expected of commands) assert.deepEqual(decodeCommand(reader), structuredClone(expected))
    reader.expectEnd()
  })
  fc.assert(property, { seed: 1 })
})

test('bytes cut short are malformed', () => {
  const property = fc.property(command, fc.nat(), (value, cut) => {
    const bytes = encoded(value)
    const reader = new ByteReader(bytes.subarray(0, cut % bytes.length))
    assert.throws(() => decodeCommand(reader), MalformedBytes)
  })
  fc.assert(property, { seed: 1 })
})

test('the log form never changes', () => {
  const tag = { id: '0123456789abcdef', startedMs: 300, sequence: 2, lowestUnacknowledged: 1 }
  const known: readonly (readonly [KvCommand, string])[] = [
    [{ kind: 'client', args: ['get', '\xff'], session: null }, '01020367657401ff'],
    [
      { kind: 'client', args: ['get'], session: tag },
      '021030313233343536373839616263646566ac0202010103676574',
    ],
    [{ kind: 'advanceTime' }, '03'],
    [{ kind: 'expireDue', limit: 1000 }, '04e807'],
    [{ kind: 'collectGarbage', limit: 1 }, '0501'],
    [{ kind: 'expireSessions', limit: 1 }, '0601'],
  ]
  for (const [value, hex] of known) {
    assert.equal(encoded(value).toString('hex'), hex)
    assert.deepEqual(decodeCommand(new ByteReader(Buffer.from(hex, 'hex'))), value)
  }
})

test('unknown codes and absurd counts are malformed', () => {
  for (const hex of ['00', '07', 'ff', '0100', '01ffffffff7f', '0201', '0400', '0500', '0600']) {
    assert.throws(() => decodeCommand(new ByteReader(Buffer.from(hex, 'hex'))), MalformedBytes)
  }
})
