import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { error, NIL_ARRAY, OK, type Reply, status } from '../kv/reply.ts'
import { appendReply, encodeReply, MAX_REPLY_DEPTH } from './resp-encoder.ts'

const GOLDEN: readonly (readonly [name: string, reply: Reply, resp2: string, resp3: string])[] = [
  ['a string', 'ab', '$2\r\nab\r\n', '$2\r\nab\r\n'],
  ['an empty string', '', '$0\r\n\r\n', '$0\r\n\r\n'],
  ['bytes', '\r\n\0\xff', '$4\r\n\r\n\0\xff\r\n', '$4\r\n\r\n\0\xff\r\n'],
  ['an integer', 42, ':42\r\n', ':42\r\n'],
  ['a negative integer', -1, ':-1\r\n', ':-1\r\n'],
  ['minus zero', -0, ':0\r\n', ':0\r\n'],
  ['a large integer', 9_223_372_036_854_775_807n, ':9223372036854775807\r\n', ':9223372036854775807\r\n'],
  ['nil', null, '$-1\r\n', '_\r\n'],
  ['a nil array', NIL_ARRAY, '*-1\r\n', '_\r\n'],
  ['OK', OK, '+OK\r\n', '+OK\r\n'],
  ['another status', status('PONG'), '+PONG\r\n', '+PONG\r\n'],
  ['an error', error('ERR no'), '-ERR no\r\n', '-ERR no\r\n'],
  ['an error that quotes a line end', error("ERR 'a\r\nb'"), "-ERR 'a  b'\r\n", "-ERR 'a  b'\r\n"],
  ['a double', { kind: 'double', text: '1.5' }, '$3\r\n1.5\r\n', ',1.5\r\n'],
  ['infinity', { kind: 'double', text: '-inf' }, '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['true', { kind: 'boolean', value: true }, ':1\r\n', '#t\r\n'],
  ['false', { kind: 'boolean', value: false }, ':0\r\n', '#f\r\n'],
  ['text', { kind: 'verbatim', format: 'txt', text: 'ab' }, '$2\r\nab\r\n', '=6\r\ntxt:ab\r\n'],
  ['an empty array', [], '*0\r\n', '*0\r\n'],
  [
    'an array',
    ['a', 1, null, [OK]],
    '*4\r\n$1\r\na\r\n:1\r\n$-1\r\n*1\r\n+OK\r\n',
    '*4\r\n$1\r\na\r\n:1\r\n_\r\n*1\r\n+OK\r\n',
  ],
  [
    'a map',
    {
      kind: 'map',
      entries: [
        ['a', 1],
        ['b', []],
      ],
    },
    '*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*0\r\n',
    '%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*0\r\n',
  ],
  [
    'a set',
    { kind: 'set', members: ['a', 'b'] },
    '*2\r\n$1\r\na\r\n$1\r\nb\r\n',
    '~2\r\n$1\r\na\r\n$1\r\nb\r\n',
  ],
  [
    'a map in a set in a map',
    { kind: 'map', entries: [[1, { kind: 'set', members: [{ kind: 'map', entries: [] }] }]] },
    '*2\r\n:1\r\n*1\r\n*0\r\n',
    '%1\r\n:1\r\n~1\r\n%0\r\n',
  ],
]

describe('RESP encoder', () => {
  for (const [name, reply, resp2, resp3] of GOLDEN) {
    test(`encodes ${name}`, () => {
      for (const [protocol, expected] of [
        [2, resp2],
        [3, resp3],
      ] as const) {
        assert.equal(encodeReply(reply, protocol), expected)
        let pieces = ''
        appendReply(reply, protocol, (piece) => {
          pieces += piece
        })
        assert.equal(pieces, expected)
      }
    })
  }

  test('refuses what would break the stream', () => {
    assert.throws(() => encodeReply(status('a\r\nb'), 2), /one line/)
    assert.throws(() => encodeReply(1.5, 2), /not a safe integer/)
    assert.throws(() => encodeReply(2 ** 53, 3), /not a safe integer/)
    let nested: Reply = []
    for (let depth = 0; depth < MAX_REPLY_DEPTH; depth++) nested = [nested]
    assert.throws(() => encodeReply(nested, 2), /nested/)
  })

  test('appends large replies in pieces, none larger than its largest part', () => {
    const value = 'v'.repeat(10_000)
    let largest = 0
    let total = 0
    appendReply(new Array(100).fill(value), 2, (piece) => {
      largest = Math.max(largest, piece.length)
      total += piece.length
    })
    assert.equal(total, '*100\r\n'.length + 100 * (value.length + '$10000\r\n\r\n'.length))
    assert.ok(largest < value.length + 20)
  })
})
