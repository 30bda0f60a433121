import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { EntryKind } from '../base/log-entry.ts'
import { encodeMembership } from './membership-codec.ts'
import type { Message } from './message.ts'
import { decodeMessage, encodeMessage } from './message-codec.ts'

const number = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 5000 }))
const id = fc.integer({ min: 1, max: 2 ** 40 })
const position = fc.record({ term: number, index: number })
const membership = encodeMembership({
  voters: [1, 2],
  votersOutgoing: [],
  learners: [3],
  learnersNext: [],
} as never)

/** Entries that follow `previous`, in terms that don't fall. */
const append = fc
  .record({
    previous: position,
    commit: number,
    term: number,
    steps: fc.array(
      fc.record({
        rise: fc.nat(2),
        kind: fc.constantFrom(0, 1, 2),
        payload: fc.uint8Array({ maxLength: 40 }),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ previous, commit, term, steps }) => {
    let last = previous.term
    const entries = steps.map(({ rise, kind, payload }, at) => {
      last += rise
      const bytes =
        kind === EntryKind.command ? payload : kind === EntryKind.membership ? membership : new Uint8Array(0)
      return { index: previous.index + 1 + at, term: last, kind, payload: Buffer.from(bytes) }
    })
    return { kind: 'append', previous, commit, entries, term: Math.max(term, last) }
  })

const bodies = fc.oneof(
  fc.record({ kind: fc.constant('preVote'), term: number, lastLog: position }),
  fc.record({ kind: fc.constant('preVoteReply'), term: number, granted: fc.boolean() }),
  fc.record({ kind: fc.constant('vote'), term: number, lastLog: position, isTransfer: fc.boolean() }),
  fc.record({ kind: fc.constant('voteReply'), term: number, granted: fc.boolean() }),
  append,
  fc
    .record({ term: number, index: number, conflict: fc.option(position), isRepairing: fc.boolean() })
    .filter(({ index, conflict }) => conflict === null || conflict.index <= index)
    .map((body) => ({ kind: 'appendReply', ...body })),
  fc.record({ kind: fc.constant('heartbeat'), term: number, commit: number, round: number }),
  fc.record({ kind: fc.constant('heartbeatReply'), term: number, round: number, isRepairing: fc.boolean() }),
  fc.record({ kind: fc.constant('readIndex'), term: number, batch: number }),
  fc.record({ kind: fc.constant('readIndexReply'), term: number, batch: number, index: number }),
  fc.record({ kind: fc.constant('timeoutNow'), term: number }),
  fc.record({ kind: fc.constant('termRequest'), term: number, number }),
  fc.record({ kind: fc.constant('termReply'), term: number, number, isSure: fc.boolean() }),
)
const messages = fc
  .tuple(bodies, id, id)
  .filter(([, from, to]) => from !== to)
  .map(([body, from, to]) => ({ ...body, from, to }) as unknown as Message)

function encode(message: Message): Buffer {
  const writer = new ByteWriter()
  encodeMessage(message, writer)
  return writer.takeBytes()
}

const plain = (message: Message): unknown => JSON.parse(JSON.stringify(message))

test('every message survives the wire', () => {
  fc.assert(
    fc.property(messages, (message) => {
      assert.deepEqual(plain(decodeMessage(new ByteReader(encode(message)))), plain(message))
    }),
    { seed: 1, numRuns: 1000 },
  )
})

test('no part of a message is a message, nor one with bytes left over', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const bytes = encode(message)
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => decodeMessage(new ByteReader(bytes.subarray(0, length))), MalformedBytes)
      }
      assert.throws(() => decodeMessage(new ByteReader(Buffer.concat([bytes, Buffer.of(0)]))), MalformedBytes)
    }),
    { seed: 2, numRuns: 100 },
  )
})

test('noise is malformed or a message, and never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        encode(decodeMessage(new ByteReader(bytes)))
      } catch (error) {
        assert(error instanceof MalformedBytes, String(error))
      }
    }),
    { seed: 3, numRuns: 5000 },
  )
})

test('what no core would say is malformed', () => {
  const bad: Record<string, number[]> = {
    'kind 0': [0, 1, 2, 1],
    'unknown kind': [12, 1, 2, 1],
    'replica 0': [11, 0, 2, 1],
    'to itself': [11, 2, 2, 1],
    'neither true nor false': [4, 1, 2, 1, 2],
    'too many entries': [5, 1, 2, 9, 1, 1, 0, 0x81, 0x20],
    'a falling term': [5, 1, 2, 9, 5, 1, 0, 1, 4, 1, 0],
    'a term beyond the message': [5, 1, 2, 3, 1, 1, 0, 1, 4, 1, 0],
    'an unknown entry kind': [5, 1, 2, 3, 1, 1, 0, 1, 1, 3, 0],
    'an empty entry with a payload': [5, 1, 2, 3, 1, 1, 0, 1, 1, 0, 1, 7],
    'a broken membership': [5, 1, 2, 3, 1, 1, 0, 1, 1, 2, 1, 7],
    'a conflict beyond the refused': [6, 1, 2, 3, 4, 0, 1, 1, 5],
  }
  for (const [what, bytes] of Object.entries(bad)) {
    assert.throws(() => decodeMessage(new ByteReader(Uint8Array.from(bytes))), MalformedBytes, what)
  }
})
