import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  connectLoosely,
  createLooseServer,
  type LooseConnection,
  type LooseServer,
} from '../../test/differential/loose-connection.ts'
import { encodeRequest } from '../../test/differential/resp-request.ts'
import { NIL_ARRAY } from '../kv/reply.ts'
import { createCommandTable } from './command-table.ts'
import { CONNECTION_COMMANDS } from './connection-commands.ts'
import { REDIS_COMMANDS } from './redis-commands.ts'

function connect(server: LooseServer = createLooseServer(REDIS_COMMANDS)): LooseConnection {
  return connectLoosely(server, (_command, respond) => respond(NIL_ARRAY))
}

function call(client: LooseConnection, ...args: string[]): string {
  client.receive(encodeRequest(args))
  return client.take()
}

describe('CLIENT', () => {
  test('INFO and LIST show who is connected, and how', () => {
    const server = createLooseServer(REDIS_COMMANDS)
    const first = connect(server)
    call(first, 'HELLO', '3', 'SETNAME', 'worker')
    call(first, 'CLIENT', 'SETINFO', 'LIB-NAME', 'ioredis')
    call(first, 'CLIENT', 'SETINFO', 'lib-ver', '6.0.0')
    server.nowMs += 12_345
    const line =
      'id=1 addr=127.0.0.1:40001 laddr=127.0.0.1:6379 name=worker age=12 idle=0 flags=N db=0 sub=0 psub=0 ' +
      'ssub=0 multi=-1 events=r cmd=client|info user=default redir=-1 resp=3 lib-name=ioredis lib-ver=6.0.0\n'
    assert.equal(call(first, 'CLIENT', 'INFO'), `=${line.length + 4}\r\ntxt:${line}\r\n`)
    const second = connect(server)
    const listed = call(second, 'CLIENT', 'LIST')
    assert.match(listed, /id=1 .* cmd=client\|info .*\nid=2 .* name= .* cmd=client\|list .* resp=2 /)
    assert.doesNotMatch(call(second, 'CLIENT', 'LIST', 'ID', '2', '99'), /id=1 /)
    assert.equal(call(second, 'CLIENT', 'LIST', 'TYPE', 'pubsub'), '$0\r\n\r\n')
  })

  test('SETINFO takes two options and one word', () => {
    const client = connect()
    assert.equal(call(client, 'CLIENT', 'SETINFO', 'color', 'red'), "-ERR Unrecognized option 'color'\r\n")
    assert.equal(
      call(client, 'CLIENT', 'SETINFO', 'LIB-NAME', 'a b'),
      '-ERR lib-name cannot contain spaces, newlines or special characters.\r\n',
    )
  })

  test('KILL closes others at once and itself behind its reply', () => {
    const server = createLooseServer(REDIS_COMMANDS)
    const [caller, other] = [connect(server), connect(server)]
    assert.equal(call(caller, 'CLIENT', 'KILL', 'TYPE', 'normal'), ':1\r\n')
    assert.deepEqual(server.closedIds, [other.connection.session.id])
    assert.deepEqual(caller.events, [])
    const address = caller.connection.session.remoteAddress
    assert.equal(call(caller, 'CLIENT', 'KILL', address), '+OK\r\n')
    assert.deepEqual(caller.events, ['end'])
  })
})

describe('INFO', () => {
  test('tells clients what they look for', () => {
    const text = call(connect(), 'INFO')
    for (const line of [
      'redis_version:7.0.15',
      'loading:0',
      'role:master',
      'redis_mode:standalone',
      'tcp_port:6379',
    ]) {
      assert.ok(text.includes(`\r\n${line}\r\n`), line)
    }
    for (const line of [
      'maxmemory_policy:noeviction',
      'db0:keys=3,expires=1,avg_ttl=0',
      'connected_slaves:2',
    ]) {
      assert.ok(text.includes(`\r\n${line}\r\n`), line)
    }
    assert.ok(text.includes('\r\n\r\n# Holdfast\r\ngroups:2\r\n'))
  })

  test('answers the sections asked for, in its own order', () => {
    const text = call(connect(), 'INFO', 'Keyspace', 'CLUSTER')
    assert.equal(
      text.slice(text.indexOf('\r\n') + 2),
      '# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n\r\n',
    )
    assert.match(call(connect(), 'INFO', 'server', 'everything'), /# Holdfast/)
  })

  test('counts what the connections did', () => {
    const client = connect()
    call(client, 'PING')
    call(client, 'nosuch')
    assert.match(call(client, 'INFO', 'stats'), /total_commands_processed:3\r\n[^]*total_error_replies:1\r\n/)
    call(client, 'CONFIG', 'RESETSTAT')
    assert.match(call(client, 'INFO', 'stats'), /total_commands_processed:1\r\n[^]*total_error_replies:0\r\n/)
  })
})

describe('CONFIG SET', () => {
  test('changes all parameters, or none', () => {
    const server = createLooseServer(REDIS_COMMANDS)
    const client = connect(server)
    assert.match(call(client, 'CONFIG', 'SET', 'maxclients', '50', 'timeout', 'x'), /^-ERR CONFIG SET failed/)
    assert.equal(server.configuration.maxClients, 10_000)
    assert.equal(call(client, 'CONFIG', 'SET', 'maxclients', '50', 'proto-max-bulk-len', '2mb'), '+OK\r\n')
    assert.equal(server.configuration.maxClients, 50)
    assert.equal(server.configuration.maxBulkBytes, 2 * 1024 * 1024)
    assert.match(
      call(client, 'CONFIG', 'SET', 'proto-max-bulk-len', '1gb'),
      /between 1048576 and 67108864 incl/,
    )
    assert.match(call(client, 'CONFIG', 'SET', 'port', '1'), /can't set immutable config/)
    const tooLong = `*1\r\n$${2 * 1024 * 1024 + 1}\r\n`
    client.receive(tooLong)
    assert.equal(client.take(), '-ERR Protocol error: invalid bulk length\r\n')
  })
})

describe('COMMAND', () => {
  test('knows every command, in every spelling', () => {
    const names = REDIS_COMMANDS.entries.map((entry) => entry.info.name)
    assert.deepEqual(names, [...names].sort())
    assert.equal(call(connect(), 'COMMAND', 'COUNT'), `:${names.length}\r\n`)
    for (const name of names) {
      for (const spelling of [name, name.toUpperCase(), name[0]?.toUpperCase() + name.slice(1)]) {
        assert.equal(REDIS_COMMANDS.describe(spelling)?.info.name, name)
        const resolved = REDIS_COMMANDS.resolve([spelling, ...new Array(50).fill('x')])
        assert.ok(resolved.kind === 'entry' || !/unknown command/.test(resolved.text))
      }
    }
  })

  test('DOCS nests subcommands; LIST finds them', () => {
    const docs = call(connect(), 'COMMAND', 'DOCS', 'config')
    assert.match(docs, /config\|get\r\n[^]*summary/)
    assert.equal(
      call(connect(), 'COMMAND', 'LIST', 'FILTERBY', 'PATTERN', 'config|g*'),
      '*1\r\n$10\r\nconfig|get\r\n',
    )
    assert.match(call(connect(), 'COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'dangerous'), /\nconfig\|set\r\n/)
  })

  test('a name can stand in the table only once', () => {
    const [first] = CONNECTION_COMMANDS
    assert.ok(first !== undefined)
    assert.throws(() => createCommandTable([first.info], [first]), /in the table twice/)
  })
})

describe('HELP', () => {
  for (const container of ['CLIENT', 'CONFIG', 'COMMAND']) {
    test(`${container} HELP names every subcommand`, () => {
      const help = call(connect(), container, 'HELP')
      for (const info of REDIS_COMMANDS.describe(container)?.subcommands ?? []) {
        assert.ok(help.includes(`+${info.name.split('|')[1]?.toUpperCase()}`), info.name)
      }
    })
  }
})
