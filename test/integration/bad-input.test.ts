/**
 * Everything that is no proper request, sent to every port of a real process: Redis' own error where
 * Redis has one, a closed connection otherwise, and in any case a process that goes on serving.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { redisServerMissing, startRedisServer } from '../differential/redis-server.ts'
import {
  type HoldfastProcess,
  readEndpointsJson,
  startNodeProcess,
  temporaryDirectory,
} from './holdfast-process.ts'

const MIB = 1024 * 1024
const PATIENCE_MS = 10_000
const SEED = 20_261_121

type Place = { readonly host: string; readonly port: number }

/** Bytes, and what comes back before the answer to the PING that follows, or before the connection closes. */
const CASES: readonly (readonly [what: string, bytes: string, reply: string | RegExp])[] = [
  ['a length bomb', '*1\r\n$1073741824\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
  ['a negative bulk', '*1\r\n$-5\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
  ['a count of 2^63', '*9223372036854775808\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
  ['no number', '*abc\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
  ['an array in an array', '*1\r\n*1\r\n', "-ERR Protocol error: expected '$', got '*'\r\n"],
  ['arrays a thousand deep', '*1\r\n'.repeat(1_000), "-ERR Protocol error: expected '$', got '*'\r\n"],
  ['quotes left open', 'GET "a\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
  ['an empty array', '*0\r\n', ''],
  ['a nil array', '*-1\r\n', ''],
  ['empty lines', '\r\n\r\n\n', ''],
  [
    'an unknown command',
    command('nosuch', 'a', 'b'),
    /^-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' \r\n$/,
  ],
  ['a command of no name', command(''), /^-ERR unknown command '', with args beginning with: \r\n$/],
  ['too few arguments', command('GET'), "-ERR wrong number of arguments for 'get' command\r\n"],
  ['too many arguments', command('GET', 'a', 'b'), "-ERR wrong number of arguments for 'get' command\r\n"],
  [
    'a wrong type',
    command('HSET', 'bad:h', 'f', 'v') + command('INCR', 'bad:h'),
    ':1\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
  ],
  [
    'no integer',
    command('SET', 'bad:s', 'x') + command('INCR', 'bad:s'),
    '+OK\r\n-ERR value is not an integer or out of range\r\n',
  ],
  [
    'a key of every byte',
    command('SET', everyByte(), everyByte()) + command('GET', everyByte()),
    `+OK\r\n$256\r\n${everyByte()}\r\n`,
  ],
  ['an empty key', command('SET', '', '') + command('GET', ''), '+OK\r\n$0\r\n\r\n'],
]

/** Where our limits are others than Redis', or it has no such thing. */
const OWN_CASES: typeof CASES = [
  ['an array bomb', '*1048577\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
  ['another database', command('SELECT', '5'), '-ERR DB index is out of range\r\n'],
  [
    'a value above the limit',
    `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${64 * MIB + 1}\r\n`,
    '-ERR Protocol error: invalid bulk length\r\n',
  ],
  [
    'a command between gateways',
    command('HOLDFAST.SCAN', '0', '16384'),
    /^-ERR unknown command 'HOLDFAST.SCAN'/,
  ],
  ['a web page', 'POST / HTTP/1.1\r\nHost: a\r\n\r\n', ''],
]

/** Lines that never end: no PING can follow. */
const ENDLESS: typeof CASES = [
  ['an endless line', 'a'.repeat(100_000), '-ERR Protocol error: too big inline request\r\n'],
  ['an endless header', `*${'1'.repeat(100_000)}`, '-ERR Protocol error: too big mbulk count string\r\n'],
]

test('malformed and wrong requests get the error that Redis gives', async (t) => {
  const { redis, survives } = await startTarget(t)
  for (const [what, bytes, reply] of [...CASES, ...OWN_CASES]) {
    matches(await answerTo(redis, bytes), reply, what)
    await survives(what)
  }
  for (const [what, bytes, reply] of ENDLESS) {
    matches(await everythingAfter(redis, bytes), reply, what)
    await survives(what)
  }
})

test('the errors are those of redis-server', { skip: redisServerMissing() ?? false }, async () => {
  const server = await startRedisServer()
  try {
    for (const [what, bytes, reply] of CASES) matches(await answerTo(server.endpoint, bytes), reply, what)
    for (const [what, bytes, reply] of ENDLESS)
      matches(await everythingAfter(server.endpoint, bytes), reply, what)
  } finally {
    await server.stop()
  }
})

test('a request that is cut anywhere is neither answered nor executed', async (t) => {
  const { redis, survives } = await startTarget(t)
  const whole = command('SET', 'cut', 'value')
  for (let length = 1; length < whole.length; length++) {
    const socket = await open(redis)
    socket.end(whole.slice(0, length), 'latin1')
    assert.equal(await readToEnd(socket), '')
  }
  assert.equal(await answerTo(redis, command('EXISTS', 'cut')), ':0\r\n')
  await survives('cut requests')
})

test('random bytes on every port: the process goes on, and holds nothing of it', async (t) => {
  const target = await startTarget(t)
  const random = makeRandom(SEED)
  const before = await target.residentBytes()
  for (let round = 0; round < 60; round++) {
    for (const place of [target.redis, target.peer, target.http]) {
      const socket = await open(place)
      socket.write(garbage(random, round))
      socket.end()
      await readToEnd(socket)
    }
  }
  await target.survives(`seed ${SEED}`)
  const grownBytes = (await target.residentBytes()) - before
  assert.ok(grownBytes < 128 * MIB, `the process grew by ${grownBytes} bytes`)
})

test('the peer port closes on strangers: long frames, wrong checksums, silence', async (t) => {
  const { peer, survives } = await startTarget(t)
  const strangers = [
    ['a frame of 300 MB', frameHeader(300 * MIB)],
    ['a wrong checksum', Buffer.concat([frameHeader(20), Buffer.alloc(16, 1)])],
    ['a length that does not fit its check', Buffer.alloc(12, 1)],
  ] as const
  for (const [what, bytes] of strangers) {
    const socket = await open(peer)
    socket.write(bytes)
    // The node says its own hello first; then it hangs up.
    const beforeMs = performance.now()
    await readToEnd(socket)
    assert.ok(performance.now() - beforeMs < 2_000, `${what}: closed at once`)
    await survives(what)
  }
  const silent = await open(peer)
  const beforeMs = performance.now()
  await readToEnd(silent)
  assert.ok(performance.now() - beforeMs < PATIENCE_MS, 'who never says who he is is disconnected')
})

test('slow senders are served when they have finished, and hold up nobody', async (t) => {
  const { redis, survives } = await startTarget(t)
  const sockets = await Promise.all(Array.from({ length: 50 }, () => open(redis)))
  const request = command('SET', 'slow', 'value')
  for (const byte of request) {
    await survives('while others dribble')
    for (const socket of sockets) socket.write(byte, 'latin1')
  }
  for (const socket of sockets) {
    assert.equal(await readToEnd(socket, '+OK\r\n'), '')
    socket.destroy()
  }
})

test('strangers can make the node hold little: 200 that may not speak yet, each sending all it can', async (t) => {
  const target = await startTarget(t, { HOLDFAST_PASSWORD: 'secret' })
  const stranger = await open(target.redis)
  stranger.write(command('GET', 'k'))
  assert.equal(await readToEnd(stranger, '-NOAUTH Authentication required.\r\n'), '')
  stranger.destroy()
  const before = await target.residentBytes()
  const shapes = [
    `*10\r\n${`$16384\r\n${'x'.repeat(16_384)}\r\n`.repeat(9)}`,
    `*2\r\n$16384\r\n${'x'.repeat(16_383)}`,
    'x'.repeat(65_000),
    command('GET', 'k').repeat(50_000),
  ]
  const sockets = await Promise.all(Array.from({ length: 200 }, () => open(target.redis)))
  for (const [at, socket] of sockets.entries()) {
    const bytes = Buffer.from(shapes[at % shapes.length] as string, 'latin1')
    // Nobody reads the answers: they must not pile up either.
    socket.pause()
    socket.write(bytes)
  }
  await target.survives('strangers at work', 'secret')
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const grownBytes = (await target.residentBytes()) - before
  for (const socket of sockets) socket.destroy()
  // 64 KiB each, and what the sockets themselves and the collector's delay cost.
  assert.ok(grownBytes < 200 * 64 * 1024 + 64 * MIB, `200 strangers cost ${grownBytes} bytes`)
  await target.survives('strangers gone', 'secret')
})

type Target = {
  readonly redis: Place
  readonly http: Place
  readonly peer: Place
  /** The process is the same one, and answers the next client on both client ports. */
  readonly survives: (what: string, password?: string) => Promise<void>
  readonly residentBytes: () => Promise<number>
}

async function startTarget(t: TestContext, environment: Record<string, string> = {}): Promise<Target> {
  const directory = await temporaryDirectory(t)
  const node: HoldfastProcess = await startNodeProcess(t, directory, ['--log-level', 'error'], {
    environment,
  })
  let ended: unknown = null
  void node.exited.then((exit) => {
    ended = exit
  })
  const { redis, http, peer } = await readEndpointsJson(directory)
  return {
    redis,
    http,
    peer,
    survives: async (what, password) => {
      assert.equal(ended, null, `${what}: the process ended: ${node.err()}`)
      const login = password === undefined ? '' : command('AUTH', password)
      const expected = password === undefined ? '' : '+OK\r\n'
      assert.equal(await answerTo(redis, login), expected, what)
      const response = await fetch(`http://${http.host}:${http.port}/livez`)
      assert.equal(response.status, 200, what)
      await response.body?.cancel()
    },
    residentBytes: async () => {
      const status = await readFile(`/proc/${node.pid}/status`, 'utf8')
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? assert.fail(status)) * 1024
    },
  }
}

function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

function everyByte(): string {
  return String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))
}

/** What comes before PING's answer, or before the connection is closed. */
async function answerTo(place: Place, bytes: string): Promise<string> {
  const socket = await open(place)
  socket.write(Buffer.from(bytes + command('PING'), 'latin1'))
  const received = await readToEnd(socket, '+PONG\r\n')
  socket.destroy()
  return received
}

/** As docs/formats/peer-frames.md has it, up to where the checksum of the frame's body begins. */
function frameHeader(length: number): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(length, 0)
  header.writeUInt32LE(crc32(header.subarray(0, 4)), 4)
  return header
}

async function everythingAfter(place: Place, bytes: string): Promise<string> {
  const socket = await open(place)
  socket.write(bytes)
  return readToEnd(socket)
}

function open({ host, port }: Place): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      // A server that closes with bytes unread resets the connection.
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

function readToEnd(socket: Socket, end: string | null = null): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`neither an answer nor an end; so far ${JSON.stringify(received.slice(0, 200))}`))
    }, PATIENCE_MS)
    const finish = (): void => {
      clearTimeout(timer)
      resolve(end !== null && received.endsWith(end) ? received.slice(0, -end.length) : received)
    }
    if (socket.destroyed) finish()
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      if (end !== null && received.endsWith(end)) finish()
    })
    socket.once('close', finish)
  })
}

function matches(actual: string, expected: string | RegExp, what: string): void {
  if (typeof expected === 'string') assert.equal(actual, expected, what)
  else assert.match(actual, expected, what)
}

function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Pure noise, or noise with something of a protocol in front, so that it gets beyond the first byte. */
function garbage(random: () => number, round: number): Buffer {
  const fronts = [
    '',
    '*3\r\n$3\r\nSET\r\n',
    'GET / HTTP/1.1\r\n',
    '\x10\x00\x00\x00',
    'PING\r\n',
    '*2\r\n$4\r\n',
  ]
  const noise = Buffer.from(
    Array.from({ length: Math.floor(random() * 20_000) }, () => Math.floor(random() * 256)),
  )
  return Buffer.concat([Buffer.from(fronts[round % fronts.length] as string, 'latin1'), noise])
}
