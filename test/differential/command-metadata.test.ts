/** What we say about a command that Redis has too must be what Redis says: clients route by it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createClient } from 'redis'
import { categoriesOf } from '../../src/redis/commands/command-replies.ts'
import { REDIS_COMMANDS } from '../../src/redis/redis-commands.ts'
import { type RunningServer, redisServerMissing, startRedisServer } from './redis-server.ts'

/** Newer than the reference, or our own. */
const UNKNOWN_TO_REFERENCE = new Set(['client|no-touch', 'client|setinfo', 'waitaof'])

type Row = readonly [
  name: string,
  arity: number,
  flags: string[],
  first: number,
  last: number,
  step: number,
  categories: string[],
]

describe('command metadata', { skip: redisServerMissing() ?? false }, () => {
  let server: RunningServer
  before(async () => {
    server = await startRedisServer()
  })
  after(() => server?.stop())

  test('arity, flags, key positions and categories are those of redis-server', async () => {
    const client = createClient({ socket: server.endpoint, RESP: 2 })
    await client.connect()
    try {
      const infos = REDIS_COMMANDS.entries.flatMap((entry) => [entry.info, ...entry.subcommands])
      const known = infos.filter((info) => !UNKNOWN_TO_REFERENCE.has(info.name))
      const rows = (await client.sendCommand([
        'COMMAND',
        'INFO',
        ...known.map((info) => info.name),
      ])) as unknown as (Row | null)[]
      for (const [index, info] of known.entries()) {
        const row = rows[index]
        assert.ok(row, `${info.name}: redis-server does not know it`)
        const keys = info.keys ?? { first: 0, last: 0, step: 0 }
        assert.deepEqual(
          {
            name: info.name,
            arity: info.arity,
            flags: [...info.flags].sort(),
            ...keys,
            categories: categoriesOf(info),
          },
          {
            name: row[0],
            arity: row[1],
            flags: row[2].filter((flag) => flag !== 'movablekeys').sort(),
            first: row[3],
            last: row[4],
            step: row[5],
            categories: [...row[6]].sort(),
          },
        )
      }
    } finally {
      client.destroy()
    }
  })
})
