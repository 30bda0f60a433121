/** Transactions, WATCH, silence and pauses as one connection sees them: what is sent on, when, and what is answered. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  connectLoosely,
  createLooseServer,
  type LooseConnection,
} from '../../test/differential/loose-connection.ts'
import { encodeRequest } from '../../test/differential/resp-request.ts'
import type { ByteString } from '../base/bytes.ts'
import { TRANSACTION_COMMANDS_MAX, WATCHED_KEYS_MAX } from '../kv/command-codec.ts'
import { error, NIL_ARRAY, OK, type Reply } from '../kv/reply.ts'
import type { DataRequest } from './data-request.ts'
import { REDIS_COMMANDS } from './redis-commands.ts'

type Asked = { readonly request: DataRequest; readonly respond: (reply: Reply) => void }

const words = (...lines: string[]): ByteString => lines.map((line) => encodeRequest(line.split(' '))).join('')

function connect(): {
  readonly client: LooseConnection
  readonly server: ReturnType<typeof createLooseServer>
  readonly asked: Asked[]
  readonly names: () => string[]
  readonly answer: (reply: Reply) => ByteString
} {
  const asked: Asked[] = []
  const server = createLooseServer(REDIS_COMMANDS)
  const client = connectLoosely(server, (request, respond) => asked.push({ request, respond }), {
    transact: (request, respond) => asked.push({ request, respond }),
  })
  return {
    client,
    server,
    asked,
    names: () => asked.map(({ request }) => (request.kind === 'command' ? request.info.name : 'transaction')),
    answer: (reply) => {
      const next = asked.shift()
      assert.ok(next !== undefined)
      next.respond(reply)
      client.endTurn()
      return client.take()
    },
  }
}

describe('EXEC', () => {
  test('sends on what was queued as one, with what was watched before', () => {
    const { client, asked, names, answer } = connect()
    client.receive(words('watch a b', 'multi', 'set a 1', 'get b', 'exec', 'get c'))
    // What follows WATCH waits until it is known what is watched.
    assert.deepEqual(names(), ['holdfast.revisions'])
    answer([7, null])
    assert.deepEqual(asked[0]?.request.kind === 'command' && asked[0].request.args, ['holdfast.watch', 'b'])
    assert.equal(answer([9]), '+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n')
    assert.deepEqual(names(), ['transaction', 'get'])
    const request = asked[0]?.request
    assert.ok(request?.kind === 'transaction')
    assert.deepEqual(request.watches, [
      { key: 'a', revision: 7 },
      { key: 'b', revision: 9 },
    ])
    assert.deepEqual(
      request.commands.map(({ args }) => args),
      [
        ['set', 'a', '1'],
        ['get', 'b'],
      ],
    )
    assert.equal(answer([OK, 'x']), '*2\r\n+OK\r\n$1\r\nx\r\n')
  })

  test('a watched key that was changed: a nil array, and nothing is watched any more', () => {
    const { client, asked, answer } = connect()
    client.receive(words('watch a', 'multi', 'ping', 'exec', 'multi', 'get a', 'exec'))
    answer([1])
    assert.equal(asked.length, 1)
    assert.equal(answer(NIL_ARRAY), '*-1\r\n+OK\r\n+QUEUED\r\n')
    const request = asked[0]?.request
    assert.ok(request?.kind === 'transaction')
    assert.deepEqual(request.watches, [])
  })

  test('commands of the connection run in their place, before what follows is read', () => {
    const { client, names, answer } = connect()
    client.receive(words('multi', 'set a 1', 'client setname n', 'hello 3', 'get a', 'exec', 'get b'))
    assert.deepEqual(names(), ['transaction'])
    client.take()
    const reply = answer([OK, '1'])
    assert.ok(reply.startsWith('*4\r\n+OK\r\n+OK\r\n*14\r\n'))
    assert.ok(reply.endsWith('$1\r\n1\r\n'))
    assert.deepEqual(names(), ['get'])
    // RESP3 from then on.
    assert.equal(answer(null), '_\r\n')
  })

  test('what the key machine refuses as a whole is the answer', () => {
    const { client, answer } = connect()
    client.receive(words('multi', 'set a 1', 'ping', 'exec'))
    client.take()
    assert.equal(answer(error('CLUSTERDOWN no leader')), '-CLUSTERDOWN no leader\r\n')
  })

  test('too many commands: refused, and nothing of it is executed', () => {
    const { client, asked } = connect()
    client.receive(words('multi'))
    for (let count = 0; count < TRANSACTION_COMMANDS_MAX; count++) client.receive(words('incr a'))
    client.endTurn()
    client.take()
    client.receive(words('incr a', 'exec', 'exec'))
    assert.match(
      client.take(),
      /^-ERR a transaction has at most 16384 commands[^]*\r\n-EXECABORT[^]*\r\n-ERR EXEC without MULTI/,
    )
    assert.equal(asked.length, 0)
  })

  test('too many watched keys: refused, those before stay watched', () => {
    const { client, answer } = connect()
    client.receive(words('watch a'))
    assert.equal(answer([1]), '+OK\r\n')
    client.receive(encodeRequest(['watch', ...Array.from({ length: WATCHED_KEYS_MAX }, (_, at) => `k${at}`)]))
    assert.match(client.take(), /^-ERR a connection watches at most 16384 keys/)
    client.receive(words('watch a'))
    assert.equal(client.take(), '+OK\r\n')
  })

  test('a WATCH that fails watches nothing', () => {
    const { client, asked, answer } = connect()
    client.receive(words('watch a', 'multi', 'get a', 'exec'))
    assert.match(answer(error('CLUSTERDOWN no leader')), /^-CLUSTERDOWN/)
    assert.ok(asked[0]?.request.kind === 'transaction')
    assert.deepEqual(asked[0].request.watches, [])
  })

  test('CLIENT LIST shows how many commands are queued', () => {
    const { client, server } = connect()
    client.receive(words('multi', 'get a', 'get b'))
    client.take()
    const other = connectLoosely(server, () => undefined)
    other.receive(words('client list'))
    assert.match(other.take(), / flags=x [^\n]* multi=2 /)
  })
})

describe('CLIENT REPLY', () => {
  test('answers that come late are left out too', () => {
    const { client, answer } = connect()
    client.receive(words('client reply skip', 'get a', 'get b'))
    assert.equal(answer('first'), '')
    assert.equal(answer('second'), '$6\r\nsecond\r\n')
  })
})

describe('CLIENT PAUSE', () => {
  test('WRITE holds writes and EXEC, and what is behind them, until it is over', () => {
    const { client, server, names } = connect()
    client.receive(words('client pause 1000 write', 'get a', 'set a 1', 'get b'))
    assert.deepEqual(names(), ['get'])
    server.nowMs += 999
    client.receive(words('get c'))
    assert.deepEqual(names(), ['get'])
    server.nowMs += 1
    server.unpauseClients()
    client.endTurn()
    assert.deepEqual(names(), ['get', 'set', 'get', 'get'])
  })

  test('ALL holds everything of others, and CLIENT UNPAUSE ends it', () => {
    const { client, server, names } = connect()
    const other = connectLoosely(server, () => undefined)
    other.receive(words('client pause 1000'))
    client.receive(words('ping', 'get a'))
    assert.equal(client.take(), '')
    other.receive(words('client unpause'))
    client.endTurn()
    assert.equal(client.take(), '+PONG\r\n')
    assert.deepEqual(names(), ['get'])
  })

  test('a connection that is gone meanwhile is left alone', () => {
    const { client, server, names } = connect()
    client.receive(words('client pause 1000', 'set a 1'))
    client.connection.closed()
    server.unpauseClients()
    client.endTurn()
    assert.deepEqual(names(), [])
  })
})
