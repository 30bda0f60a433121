import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { NIL_ARRAY, OK, type Reply } from './reply.ts'
import { decodeReply, encodeReply } from './reply-codec.ts'

const text = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).latin1Slice())
const kind = <Kind extends string>(name: Kind) => fc.constant(name)
const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<Reply>(
      null,
      OK,
      NIL_ARRAY,
      { kind: 'boolean', value: true },
      { kind: 'boolean', value: false },
    ),
    text,
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.record({ kind: fc.constantFrom('status', 'error', 'double'), text }),
    fc.record({ kind: kind('verbatim'), format: fc.constantFrom('txt', 'mkd'), text }),
    fc.array(tie('reply'), { maxLength: 4 }),
    fc.record({ kind: kind('set'), members: fc.array(tie('reply'), { maxLength: 4 }) }),
    fc.record({
      kind: kind('map'),
      entries: fc.array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 4 }),
    }),
  ) as fc.Arbitrary<Reply>,
}))

function encoded(value: Reply): Buffer {
  const writer = new ByteWriter()
  encodeReply(value, writer)
  return writer.takeBytes()
}

/** Objects of fast-check have no prototype; ours have one. */
function plain(value: Reply): Reply {
  return structuredClone(value)
}

test('replies come back equal', () => {
  const property = fc.property(reply, (value) => {
    const reader = new ByteReader(encoded(value))
    assert.deepEqual(plain(decodeReply(reader)), plain(value))
    reader.expectEnd()
  })
  fc.assert(property, { seed: 1, numRuns: 500 })
})

test('bytes cut short are malformed', () => {
  const property = fc.property(reply, fc.nat(), (value, cut) => {
    const bytes = encoded(value)
    assert.throws(() => decodeReply(new ByteReader(bytes.subarray(0, cut % bytes.length))), MalformedBytes)
  })
  fc.assert(property, { seed: 1 })
})

test('hostile bytes neither exhaust the stack nor the memory', () => {
  for (const hex of ['0601'.repeat(100), '06ffffffff7f', '07ff7f', '10', '0c05']) {
    assert.throws(() => decodeReply(new ByteReader(Buffer.from(hex, 'hex'))), MalformedBytes)
  }
})

test('the stored form never changes', () => {
  const hex = (value: Reply) => encoded(value).toString('hex')
  assert.deepEqual(
    [null, 'ab', 300, -1, 2n ** 63n - 1n, OK, { kind: 'error' as const, text: 'E' }, [1, 'x']].map(hex),
    [
      '00',
      '01026162',
      '02ac02',
      '0300',
      '0e1339323233333732303336383534373735383037',
      '0f',
      '050145',
      '060202010101' + '78',
    ],
  )
})
