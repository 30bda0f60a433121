import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ReplyCounter } from './reply-counter.ts'

type Counts = { replies: number; errors: number; nulls: number }

const line = fc.stringMatching(/^[a-z0-9 ]{0,20}$/)
const reply: fc.Arbitrary<[text: string, counts: Counts]> = fc.oneof(
  line.map((text): [string, Counts] => [`+${text}\r\n`, { replies: 1, errors: 0, nulls: 0 }]),
  line.map((text): [string, Counts] => [`-ERR ${text}\r\n`, { replies: 1, errors: 1, nulls: 0 }]),
  fc.integer().map((value): [string, Counts] => [`:${value}\r\n`, { replies: 1, errors: 0, nulls: 0 }]),
  // Bulk strings may look like any other reply.
  fc
    .stringMatching(/^[$*+:\r\n0-9-]{0,30}$/)
    .map((text): [string, Counts] => [`$${text.length}\r\n${text}\r\n`, { replies: 1, errors: 0, nulls: 0 }]),
  fc.constant<[string, Counts]>(['$-1\r\n', { replies: 1, errors: 0, nulls: 1 }]),
  fc.constant<[string, Counts]>(['*-1\r\n', { replies: 1, errors: 0, nulls: 1 }]),
  fc.constant<[string, Counts]>(['*0\r\n', { replies: 1, errors: 0, nulls: 0 }]),
  fc.constant<[string, Counts]>([
    '*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+x\r\n',
    { replies: 1, errors: 0, nulls: 1 },
  ]),
)

describe('counting replies', () => {
  it('finds each reply, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(reply), fc.array(fc.integer({ min: 1, max: 12 })), (replies, cuts) => {
        const stream = Buffer.from(replies.map(([text]) => text).join(''), 'latin1')
        const counter = new ReplyCounter()
        let completed = 0
        let at = 0
        for (let cut = 0; at < stream.length; cut++) {
          const size = cuts.length === 0 ? stream.length : (cuts[cut % cuts.length] as number)
          const chunk = stream.subarray(at, at + size)
          completed += counter.receive(chunk, chunk.length)
          at += size
        }
        const expected = { replies: 0, errors: 0, nulls: 0 }
        for (const [, counts] of replies) {
          expected.replies += counts.replies
          expected.errors += counts.errors
          expected.nulls += counts.nulls
        }
        assert.deepEqual({ replies: completed, errors: counter.errors, nulls: counter.nulls }, expected)
      }),
    )
  })

  it('counts a reply when its last byte is there, and not before', () => {
    const counter = new ReplyCounter()
    const stream = Buffer.from('$3\r\nabc\r\n')
    assert.equal(counter.receive(stream, stream.length - 1), 0)
    assert.equal(counter.receive(stream.subarray(-1), 1), 1)
  })

  it('keeps the first error and the last integer', () => {
    const counter = new ReplyCounter()
    const stream = Buffer.from('-ERR one\r\n-ERR two\r\n:7\r\n:-12\r\n')
    assert.equal(counter.receive(stream, stream.length), 4)
    assert.equal(counter.firstError, 'ERR one')
    assert.equal(counter.lastInteger, -12)
  })

  it('refuses what is not RESP', () => {
    const stream = Buffer.from('HTTP/1.1 400 Bad Request\r\n')
    assert.throws(() => new ReplyCounter().receive(stream, stream.length), /not RESP/)
  })
})
