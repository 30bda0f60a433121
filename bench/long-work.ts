/**
 * What keeps a store busy for long, as requests: whole key spaces and huge hashes read at once, hundreds of
 * thousands of arguments, large values. Each with what must be there before.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { ReplyCounter } from '../src/cli/bench/reply-counter.ts'
import { KEY_DIGITS } from '../src/cli/bench/requests.ts'
import type { Endpoint } from '../test/nemesis/node-process.ts'

export type LongWork = {
  readonly name: string
  /** Sent in one go; their replies are awaited. */
  readonly requests: () => readonly (readonly string[])[]
  /** Before it, without being measured. */
  readonly before?: () => readonly (readonly string[])[]
}

export type Sizes = {
  /** Keys or fields of one request. */
  readonly many: number
  readonly largeBytes: number
  /** Commands of a transaction. */
  readonly commands: number
}

export const HASH = 'bench:hash'
const OTHER_HASH = 'bench:copy'
const FIELDS_PER_REQUEST = 1_000
const NUMBERED = (prefix: string, at: number): string =>
  `${prefix}:${String(at).padStart(KEY_DIGITS.length, '0')}`

/** A hash of so many fields, in requests of a thousand. */
export function fillHash(fields: number): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(fields / FIELDS_PER_REQUEST) }, (_, page) => [
    'HSET',
    HASH,
    ...numbers(Math.min(FIELDS_PER_REQUEST, fields - page * FIELDS_PER_REQUEST)).flatMap((at) => [
      NUMBERED('field', page * FIELDS_PER_REQUEST + at),
      'value',
    ]),
  ])
}

export function longReads({ many, largeBytes }: Sizes): readonly LongWork[] {
  return [
    once('KEYS *', ['KEYS', '*']),
    once('KEYS of a pattern that nothing matches', ['KEYS', '*no*such*key*']),
    once('SCAN COUNT 100000', ['SCAN', '0', 'COUNT', '100000']),
    once('HGETALL', ['HGETALL', HASH]),
    once('HRANDFIELD of half of it', ['HRANDFIELD', HASH, String(many / 2), 'WITHVALUES']),
    once('DUMP of a hash', ['DUMP', HASH]),
    once(`MGET of ${many} keys`, ['MGET', ...numbers(many).map((at) => NUMBERED('bench:key', at))]),
    once(`HMGET of ${many} fields`, ['HMGET', HASH, ...numbers(many).map((at) => NUMBERED('field', at))]),
    once(`EXISTS of ${many} keys`, ['EXISTS', ...numbers(many).map((at) => NUMBERED('bench:key', at))]),
    {
      name: `GET of ${largeBytes} bytes`,
      before: () => [['SET', 'bench:large', 'x'.repeat(largeBytes)]],
      requests: () => [['GET', 'bench:large']],
    },
    once(`DUMP of ${largeBytes} bytes`, ['DUMP', 'bench:large']),
    {
      name: 'LCS of 2 × 4000 bytes',
      before: () => [['MSET', 'bench:{l}1', 'ab'.repeat(2_000), 'bench:{l}2', 'abc'.repeat(1_333)]],
      requests: () => [['LCS', 'bench:{l}1', 'bench:{l}2', 'LEN']],
    },
  ]
}

export function longWrites({ many, largeBytes, commands }: Sizes): readonly LongWork[] {
  const keys = numbers(many).map((at) => NUMBERED('bench:many', at))
  return [
    once(`MSET of ${many} keys`, ['MSET', ...keys.flatMap((key) => [key, 'value'])]),
    once(`DEL of ${many} keys`, ['DEL', ...keys]),
    once(`HSET of ${many} fields`, [
      'HSET',
      OTHER_HASH,
      ...numbers(many).flatMap((at) => [NUMBERED('field', at), 'value']),
    ]),
    once(`HDEL of ${many} fields`, ['HDEL', OTHER_HASH, ...numbers(many).map((at) => NUMBERED('field', at))]),
    once('COPY of a hash', ['COPY', HASH, OTHER_HASH]),
    once('DEL of a hash', ['DEL', OTHER_HASH]),
    once(`SET of ${largeBytes} bytes`, ['SET', 'bench:large', 'y'.repeat(largeBytes)]),
    {
      name: `MULTI with ${commands} SETs`,
      requests: () => [
        ['MULTI'],
        ...numbers(commands).map((at) => ['SET', NUMBERED('bench:many', at), 'value']),
        ['EXEC'],
      ],
    },
    {
      name: `a pipeline of ${many} SETs`,
      requests: () => keys.map((key) => ['SET', key, 'value']),
    },
  ]
}

function once(name: string, words: readonly string[]): LongWork {
  return { name, requests: () => [words] }
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at)
}

export type Answered = {
  readonly milliseconds: number
  readonly bytes: number
  readonly error: string | null
}

/** Sends all of them at once on a connection of their own, and reads all replies. */
export function send(
  { host, port }: Endpoint,
  requests: readonly (readonly string[])[],
  limitMs = 300_000,
): Promise<Answered> {
  const bytes = Buffer.concat(requests.map(formatRequest))
  const counter = new ReplyCounter()
  let replies = 0
  let received = 0
  return new Promise((resolve, reject) => {
    const beginMs = performance.now()
    const socket = connect({ host, port, noDelay: true }, () => socket.write(bytes))
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${limitMs} ms`)), limitMs)
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      replies += counter.receive(chunk, chunk.length)
      if (replies < requests.length) return
      assert.equal(replies, requests.length)
      socket.destroy()
      resolve({ milliseconds: performance.now() - beginMs, bytes: received, error: counter.firstError })
    })
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(timer)
      reject(new Error('the server closed the connection'))
    })
  })
}

function formatRequest(words: readonly string[]): Buffer {
  const parts = [`*${words.length}\r\n`]
  for (const word of words) parts.push(`$${word.length}\r\n${word}\r\n`)
  return Buffer.from(parts.join(''), 'latin1')
}
