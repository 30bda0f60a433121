import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  connectLoosely,
  createLooseServer,
  type Executor,
  type LooseConnection,
} from '../../test/differential/loose-connection.ts'
import { encodeRequest } from '../../test/differential/resp-request.ts'
import type { ByteString } from '../base/bytes.ts'
import { OK, type Reply } from '../kv/reply.ts'
import { REDIS_COMMANDS } from './redis-commands.ts'
import { REQUESTS_PER_TURN } from './redis-connection.ts'
import { encodeReply } from './resp-encoder.ts'

type Call = { readonly args: readonly ByteString[]; readonly respond: (reply: Reply) => void }

const request = (...args: string[]): ByteString => encodeRequest(args)
const echoKey: Executor = ({ args }, respond) => respond(args[1] ?? null)

function connectDeferred(limits: Parameters<typeof connectLoosely>[2] = {}): {
  client: LooseConnection
  calls: Call[]
} {
  const calls: Call[] = []
  const server = createLooseServer(REDIS_COMMANDS)
  const client = connectLoosely(server, ({ args }, respond) => calls.push({ args, respond }), limits)
  return { client, calls }
}

describe('Redis connection: order of replies', () => {
  test('a pipeline answered at once leaves in one write', () => {
    const client = connectLoosely(createLooseServer(REDIS_COMMANDS), echoKey)
    client.receive(request('GET', 'a') + request('PING') + request('nosuch') + request('get', 'b'))
    assert.deepEqual(client.writes, [
      "$1\r\na\r\n+PONG\r\n-ERR unknown command 'nosuch', with args beginning with: \r\n$1\r\nb\r\n",
    ])
  })

  test('the machine gets the name in lower case and the rest as sent', () => {
    const { client, calls } = connectDeferred()
    client.receive(request('GeT', 'KEY'))
    assert.deepEqual(calls[0]?.args, ['get', 'KEY'])
  })

  test('late answers leave in the order of the requests, in one write a turn', () => {
    const { client, calls } = connectDeferred()
    client.receive(request('GET', 'a') + request('GET', 'b') + request('PING') + request('GET', 'c'))
    assert.equal(client.connection.owedReplies, 4)
    calls[2]?.respond('C')
    calls[1]?.respond('B')
    client.endTurn()
    assert.deepEqual(client.writes, [])
    calls[0]?.respond('A')
    assert.deepEqual(client.writes, [])
    client.endTurn()
    assert.deepEqual(client.writes, ['$1\r\nA\r\n$1\r\nB\r\n+PONG\r\n$1\r\nC\r\n'])
    assert.equal(client.connection.owedReplies, 0)
  })

  test('a reply has the RESP version in force at its request', () => {
    const { client, calls } = connectDeferred()
    client.receive(request('GET', 'a') + request('HELLO', '3') + request('GET', 'b'))
    calls[0]?.respond(null)
    calls[1]?.respond(null)
    client.endTurn()
    assert.match(client.take(), /^\$-1\r\n%7\r\n[^_]*_\r\n$/)
  })

  test('two answers to one request are a bug that stops the process', () => {
    const { client, calls } = connectDeferred()
    client.receive(request('GET', 'a') + request('GET', 'b'))
    calls[1]?.respond('B')
    assert.throws(() => calls[1]?.respond('B'), /answered twice/)
    calls[0]?.respond('A')
    assert.throws(() => calls[0]?.respond('A'), /answered twice/)
  })

  test('answers in any order, sooner or later, never change the order of replies', () => {
    const scenario = fc.array(fc.record({ delay: fc.nat(5), cut: fc.nat(50) }), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(scenario, (steps) => {
        const waiting: { dueAt: number; key: string; respond: (reply: Reply) => void }[] = []
        let turn = 0
        const execute: Executor = ({ args }, respond) => {
          const key = args[1] as string
          const delay = steps[Number(key)]?.delay ?? 0
          if (delay === 0) respond(key)
          else waiting.push({ dueAt: turn + delay, key, respond })
        }
        const client = connectLoosely(createLooseServer(REDIS_COMMANDS), execute, { maxPipelined: 4 })
        const stream = steps.map((_step, index) => request('GET', String(index))).join('')
        let at = 0
        while (at < stream.length || waiting.length > 0 || client.connection.owedReplies > 0) {
          const size = 1 + (steps[turn % steps.length]?.cut ?? 0)
          if (at < stream.length) client.receive(stream.slice(at, at + size))
          at += size
          turn++
          for (const late of waiting.filter(({ dueAt }) => dueAt <= turn)) {
            waiting.splice(waiting.indexOf(late), 1)
            late.respond(late.key)
          }
          client.endTurn()
          assert.ok(client.connection.owedReplies <= 4)
          assert.ok(turn < 10_000)
        }
        for (let rest = 0; rest < 100; rest++) client.endTurn()
        assert.equal(waiting.length, 0)
        assert.equal(client.take(), steps.map((_step, index) => encodeReply(String(index), 2)).join(''))
      }),
      { seed: 20_260_703, numRuns: 300 },
    )
  })
})

describe('Redis connection: back-pressure', () => {
  test('stops reading at the limit of owed replies, goes on at half of it', () => {
    const { client, calls } = connectDeferred({ maxPipelined: 4 })
    client.receive(request('GET', 'k').repeat(10))
    assert.equal(calls.length, 4)
    assert.equal(client.connection.wantsPause, true)
    client.receive(request('GET', 'k'))
    assert.equal(calls.length, 4)
    calls[0]?.respond(1)
    client.endTurn()
    assert.equal(calls.length, 4)
    calls[1]?.respond(1)
    client.endTurn()
    assert.equal(calls.length, 6)
    for (let index = 2; index < 11; index++) {
      calls[index]?.respond(1)
      client.endTurn()
    }
    assert.equal(client.take(), ':1\r\n'.repeat(11))
    assert.equal(client.connection.wantsPause, false)
    assert.equal(client.events.filter((event) => event === 'pause').length, client.events.length / 2)
  })

  test('holds replies back while the client does not read', () => {
    const { client, calls } = connectDeferred({ maxOutputBytes: 1000 })
    const value = 'v'.repeat(600)
    client.receive(request('GET', 'k').repeat(6))
    for (const call of calls) call.respond(value)
    client.bufferedBytes = 1212
    client.endTurn()
    assert.equal(client.take(), encodeReply(value, 2).repeat(2))
    assert.equal(client.connection.owedReplies, 4)
    client.endTurn()
    assert.equal(client.take(), '')
    client.bufferedBytes = 0
    client.connection.drained()
    client.endTurn()
    client.endTurn()
    assert.equal(client.take(), encodeReply(value, 2).repeat(4))
  })

  test('stops reading while the client does not read', () => {
    let executed = 0
    const execute: Executor = (_command, respond) => {
      executed++
      respond('v'.repeat(600))
    }
    const client = connectLoosely(createLooseServer(REDIS_COMMANDS), execute, { maxOutputBytes: 1000 })
    client.bufferedBytes = 900
    client.receive(request('GET', 'k').repeat(10))
    assert.equal(executed, 1)
    assert.deepEqual(client.events, ['pause'])
    client.bufferedBytes = 0
    client.connection.drained()
    assert.equal(executed, 3)
    for (let turn = 0; turn < 10; turn++) client.endTurn()
    assert.equal(executed, 10)
    assert.equal(client.events.at(-1), 'resume')
  })

  test('after many requests in a row it reads no further until others had their turn', () => {
    const client = connectLoosely(createLooseServer(REDIS_COMMANDS), echoKey)
    client.receive(request('PING').repeat(2 * REQUESTS_PER_TURN + 1))
    for (const answers of [REQUESTS_PER_TURN, REQUESTS_PER_TURN, 1]) {
      assert.equal(client.take(), '+PONG\r\n'.repeat(answers))
      assert.equal(client.connection.owedReplies, 0)
      assert.equal(client.connection.isAtRest, answers === 1, 'nobody may close it amid what was read')
      client.endTurn()
    }
    assert.deepEqual(client.events, ['pause', 'resume', 'pause', 'resume'])
    assert.equal(client.isWaiting, false)
  })

  test('very large replies are written in parts', () => {
    const value = 'v'.repeat(200_000)
    const client = connectLoosely(createLooseServer(REDIS_COMMANDS), (_command, respond) => {
      respond(new Array(10).fill(value))
    })
    client.receive(request('MGET', 'k') + request('PING'))
    for (let turn = 0; turn < 20; turn++) client.endTurn()
    assert.ok(client.writes.length >= 4)
    assert.equal(client.take(), `${encodeReply(new Array(10).fill(value), 2)}+PONG\r\n`)
  })

  test('a stranger who sends and does not read is cut off', () => {
    const client = connectLoosely(createLooseServer(REDIS_COMMANDS, 'secret'), echoKey)
    client.receive(request('GET', 'k'))
    client.bufferedBytes = 1025
    client.receive(request('GET', 'k'))
    assert.deepEqual(client.events, ['destroy'])
  })
})

describe('Redis connection: the end', () => {
  test('QUIT answers behind earlier replies, ignores what follows, then closes', () => {
    const { client, calls } = connectDeferred()
    client.receive(request('GET', 'a') + request('QUIT') + request('GET', 'b'))
    client.endTurn()
    assert.deepEqual(client.events, [])
    calls[0]?.respond(1)
    client.endTurn()
    assert.equal(client.take(), ':1\r\n+OK\r\n')
    assert.deepEqual(client.events, ['end'])
    assert.equal(calls.length, 1)
    client.receive(request('GET', 'c'))
    assert.equal(calls.length, 1)
  })

  test('bytes that are no request are answered behind earlier replies, then it closes', () => {
    const { client, calls } = connectDeferred()
    client.receive(`${request('GET', 'a')}*x\r\n${request('GET', 'b')}`)
    calls[0]?.respond(1)
    client.endTurn()
    assert.equal(client.take(), ':1\r\n-ERR Protocol error: invalid multibulk length\r\n')
    assert.deepEqual(client.events, ['end'])
  })

  test('a web page that speaks HTTP is cut off without an answer', () => {
    for (const line of ['POST / HTTP/1.1\r\n', 'Host: example\r\n']) {
      const client = connectLoosely(createLooseServer(REDIS_COMMANDS), echoKey)
      client.receive(`${request('GET', 'a')}${line}${request('GET', 'b')}`)
      assert.deepEqual(client.events, ['destroy'])
      assert.equal(client.take(), '')
    }
  })

  test('a client that sends nothing more gets every reply, then it closes', () => {
    const { client, calls } = connectDeferred()
    client.receive(`${request('GET', 'a')}${request('GET', 'b')}*2\r\n$3\r\nGE`)
    client.connection.inputEnded()
    calls[1]?.respond(2)
    client.endTurn()
    assert.deepEqual([client.take(), client.events], ['', []])
    calls[0]?.respond(1)
    client.endTurn()
    assert.equal(client.take(), ':1\r\n:2\r\n')
    assert.deepEqual(client.events, ['end'])
    assert.equal(calls.length, 2)
  })

  test('a client that is owed nothing and sends nothing more is closed at once', () => {
    const { client } = connectDeferred()
    client.connection.inputEnded()
    assert.deepEqual(client.events, ['end'])
  })

  test('requests that wait for the limit of owed replies are carried out although no more come', () => {
    const { client, calls } = connectDeferred({ maxPipelined: 2 })
    client.receive(request('GET', 'a').repeat(5))
    client.connection.inputEnded()
    for (let at = 0; at < 5; at++) {
      assert.ok(!client.events.includes('end'), `closed after ${at} of 5`)
      calls[at]?.respond(at)
      client.endTurn()
    }
    assert.equal(client.take(), ':0\r\n:1\r\n:2\r\n:3\r\n:4\r\n')
    assert.equal(client.events.at(-1), 'end')
  })

  test('answers that come after the socket is gone are dropped', () => {
    const { client, calls } = connectDeferred()
    client.receive(request('GET', 'a') + request('GET', 'b'))
    client.connection.closed()
    calls[1]?.respond(OK)
    calls[0]?.respond(OK)
    client.endTurn()
    assert.equal(client.take(), '')
    assert.deepEqual(client.events, [])
  })
})

describe('Redis connection: authentication', () => {
  const NOAUTH = '-NOAUTH Authentication required.\r\n'

  test('only the four doors are open without a password', () => {
    const server = createLooseServer(REDIS_COMMANDS, 'secret')
    const client = connectLoosely(server, echoKey)
    client.receive(request('GET', 'a') + request('PING') + request('CLIENT', 'ID') + request('INFO'))
    assert.equal(client.take(), NOAUTH.repeat(4))
    client.receive(request('AUTH', 'wrong') + request('AUTH', 'someone', 'secret'))
    assert.equal(
      client.take(),
      '-WRONGPASS invalid username-password pair or user is disabled.\r\n'.repeat(2),
    )
    client.receive(request('AUTH', 'secret') + request('GET', 'a') + request('RESET') + request('GET', 'a'))
    assert.equal(client.take(), `+OK\r\n$1\r\na\r\n+RESET\r\n${NOAUTH}`)
    client.receive(request('HELLO', '2', 'AUTH', 'default', 'secret') + request('PING'))
    assert.match(client.take(), /standalone[^]*\+PONG\r\n$/)
    client.receive(request('QUIT'))
    assert.deepEqual(client.events, ['end'])
  })

  test('AUTH lifts the limits of the parser for what follows in the same chunk', () => {
    const client = connectLoosely(createLooseServer(REDIS_COMMANDS, 'secret'), echoKey)
    client.receive(request('AUTH', 'secret') + request('MGET', ...new Array(20).fill('k')))
    assert.equal(client.take(), '+OK\r\n$1\r\nk\r\n')
  })

  test('a password set later does not shut out who is already in', () => {
    const server = createLooseServer(REDIS_COMMANDS)
    const early = connectLoosely(server, echoKey)
    early.receive(request('CONFIG', 'SET', 'requirepass', 'x') + request('PING'))
    assert.equal(early.take(), '+OK\r\n+PONG\r\n')
    const late = connectLoosely(server, echoKey)
    late.receive(request('PING'))
    assert.equal(late.take(), NOAUTH)
  })
})
