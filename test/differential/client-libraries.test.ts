/** The client libraries that people use connect, find what they ask for, and read what they wrote. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { startMachineEndpoint } from './machine-endpoint.ts'
import { type RunningServer, redisServerMissing } from './redis-server.ts'

const run = promisify(execFile)
const BINARY = Buffer.from(Array.from({ length: 256 }, (_value, byte) => byte))

describe('client libraries', () => {
  let server: RunningServer
  before(async () => {
    server = await startMachineEndpoint()
  })
  after(() => server?.stop())

  test('ioredis', async () => {
    const client = new Redis({
      ...server.endpoint,
      connectionName: 'tester',
      lazyConnect: true,
      maxRetriesPerRequest: 0,
    })
    await client.connect()
    try {
      await client.set('ioredis', BINARY)
      assert.deepEqual(await client.getBuffer('ioredis'), BINARY)
      const results = await client
        .pipeline()
        .hset('ioredis:h', { f: '1', g: '2' })
        .hgetall('ioredis:h')
        .get('ioredis:h')
        .exec()
      assert.deepEqual(results?.slice(0, 2), [
        [null, 2],
        [null, { f: '1', g: '2' }],
      ])
      assert.match(String(results?.[2]?.[0]), /WRONGTYPE/)
      assert.match(String(await client.client('LIST')), /name=tester .*lib-name=ioredis/)
    } finally {
      client.disconnect()
    }
  })

  for (const RESP of [2, 3] as const) {
    test(`node-redis, RESP${RESP}`, async () => {
      const client = createClient({
        socket: { ...server.endpoint, reconnectStrategy: false },
        RESP,
        name: 'tester',
      })
      await client.connect()
      try {
        await client.set('node-redis', 'v', { expiration: { type: 'EX', value: 100 } })
        assert.equal(await client.get('node-redis'), 'v')
        assert.equal((await client.ttl('node-redis')) > 90, true)
        await client.hSet('node-redis:h', { f: '1' })
        assert.deepEqual({ ...(await client.hGetAll('node-redis:h')) }, { f: '1' })
        assert.equal((await client.clientInfo()).name, 'tester')
        assert.deepEqual({ ...(await client.configGet('maxmemory')) }, { maxmemory: '0' })
        assert.ok((await client.commandInfo(['get']))[0] !== null)
        const found: string[] = []
        for await (const keys of client.scanIterator({ MATCH: 'node-redis*' })) found.push(...keys)
        assert.deepEqual(found.sort(), ['node-redis', 'node-redis:h'])
      } finally {
        client.destroy()
      }
    })
  }

  test('redis-cli and redis-benchmark', { skip: redisServerMissing() ?? false }, async () => {
    const port = String(server.endpoint.port)
    assert.match((await run('redis-cli', ['-p', port, 'set', 'cli', 'v'])).stdout, /OK/)
    const { stdout: benchmark } = await run('redis-benchmark', [
      '-p',
      port,
      '-t',
      'set,get',
      '-n',
      '2000',
      '-P',
      '16',
      '-q',
    ])
    assert.match(benchmark, /SET: [\d.]+ requests per second[^]*GET: [\d.]+ requests per second/)
  })
})
