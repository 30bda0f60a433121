/**
 * The same bytes to a real redis-server and to our connection: malformed input, limits, and the
 * commands about connections must give the same bytes back, and the same end.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createSimRandom } from '../../sim/world/random.ts'
import type { ByteString } from '../../src/base/bytes.ts'
import { OK, type Reply } from '../../src/kv/reply.ts'
import { REDIS_COMMANDS } from '../../src/redis/redis-commands.ts'
import {
  connectLoosely,
  createLooseServer,
  type Executor,
  type TransactionExecutor,
} from './loose-connection.ts'
import {
  ARRAYS,
  BEFORE_AUTH,
  CALLS,
  CONVERSATIONS,
  CROSS_PROTOCOL,
  ENDLESS,
  FRAGMENTS,
  LINES,
  PASSWORD,
} from './protocol-cases.ts'
import { type Exchange, exchange, exchangeAndHangUp, PROBE } from './raw-exchange.ts'
import { type RunningServer, redisServerMissing, startRedisServer } from './redis-server.ts'
import { encodeRequest } from './resp-request.ts'

const RANDOM_STREAMS = 1000

const request = (...args: string[]): ByteString => encodeRequest(args)

/** SET and GET on one map: enough of a machine for questions about the protocol. */
function makeExecutor(): Executor {
  const values = new Map<ByteString, ByteString>()
  return ({ info, args }, respond) => {
    if (info.name.startsWith('holdfast.')) {
      respond(args.slice(1).map(() => 1))
      return
    }
    if (info.name === 'flushall') values.clear()
    if (info.name === 'set') values.set(args[1] as string, args[2] as string)
    respond(info.name === 'set' || info.name === 'flushall' ? OK : (values.get(args[1] as string) ?? null))
  }
}

function ours(bytes: ByteString, cutEvery: number, password: ByteString): Exchange {
  const executor = makeExecutor()
  const transact: TransactionExecutor = ({ commands }, respond) => {
    const replies: Reply[] = []
    for (const command of commands) executor(command, (reply) => replies.push(reply))
    respond(replies)
  }
  const client = connectLoosely(createLooseServer(REDIS_COMMANDS, password), executor, { transact })
  const stream = ENDLESS.includes(bytes) ? bytes : bytes + PROBE.request
  for (let at = 0; at < stream.length; at += cutEvery) client.receive(stream.slice(at, at + cutEvery))
  const received = client.take()
  const isClosed = client.events.includes('end') || client.events.includes('destroy')
  return isClosed || !received.endsWith(PROBE.reply)
    ? { received, isClosed }
    : { received: received.slice(0, -PROBE.reply.length), isClosed }
}

/** What can't be equal: numbers of connections. */
function normalise({ received, isClosed }: Exchange): Exchange {
  return { received: received.replace(/(\$2\r\nid\r\n):\d+/g, '$1:N'), isClosed }
}

const missing = redisServerMissing()

describe('the same bytes as redis-server', { skip: missing ?? false }, () => {
  let open: RunningServer
  let guarded: RunningServer

  before(async () => {
    open = await startRedisServer()
    guarded = await startRedisServer(['--requirepass', PASSWORD])
  })
  after(async () => {
    await open?.stop()
    await guarded?.stop()
  })

  async function compare(
    reference: RunningServer,
    bytes: ByteString,
    password: ByteString = '',
  ): Promise<void> {
    const theirs = normalise(
      await exchange(reference.endpoint, bytes, ENDLESS.includes(bytes) ? null : PROBE),
    )
    for (const cutEvery of bytes.length < 2000
      ? [1, 7, Number.MAX_SAFE_INTEGER]
      : [Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(
        normalise(ours(bytes, cutEvery, password)),
        theirs,
        JSON.stringify(bytes.slice(0, 200)),
      )
    }
  }

  test('inline requests', async () => {
    for (const line of LINES) await compare(open, line)
  })

  test('arrays, broken and whole', async () => {
    for (const bytes of ARRAYS) await compare(open, bytes)
  })

  test('lines without an end', async () => {
    for (const bytes of ENDLESS) await compare(open, bytes)
  })

  for (const protocol of ['2', '3']) {
    test(`calls of commands, RESP${protocol}`, async () => {
      for (const call of CALLS) {
        await compare(open, request('hello', protocol) + request(...call) + request('client', 'getname'))
      }
    })
  }

  for (const protocol of ['2', '3']) {
    test(`transactions and replies that are not wanted, RESP${protocol}`, async () => {
      for (const bytes of CONVERSATIONS)
        await compare(open, request('flushall') + request('hello', protocol) + bytes)
    })
  }

  test('everything before a password was given', async () => {
    for (const bytes of BEFORE_AUTH) await compare(guarded, bytes, PASSWORD)
  })

  test('random bytes, of the kind that parsers stumble over', async () => {
    const random = createSimRandom(20_260_704)
    for (let round = 0; round < RANDOM_STREAMS; round++) {
      const stream = Array.from({ length: random.between(1, 12) }, () => random.pick(FRAGMENTS)).join('')
      const client = connectLoosely(createLooseServer(REDIS_COMMANDS), makeExecutor())
      client.receive(stream)
      assert.equal(client.take(), await exchangeAndHangUp(open.endpoint, stream), JSON.stringify(stream))
    }
  })

  test('a web page that speaks HTTP', async () => {
    for (const bytes of CROSS_PROTOCOL) await compare(open, bytes)
  })
})
