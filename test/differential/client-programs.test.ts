/**
 * Programs as people write them with ioredis and node-redis, on one real node and on three, where the
 * clients are connected to different nodes: transactions, WATCH, pipelines, hashes, iterators.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient, WatchError } from 'redis'
import { type RunningNodes, startNodes } from './node-endpoint.ts'

const WRITERS = 4
const INCREMENTS = 15
const FIELDS = 2_000

for (const nodes of [1, 3] as const) {
  describe(`client programs on ${nodes} node(s)`, () => {
    let running: RunningNodes
    before(async () => {
      running = await startNodes(nodes)
    })
    after(() => running?.stop())

    const endpoint = (number: number) => {
      const chosen = running.endpoints[number % nodes]
      assert.ok(chosen !== undefined)
      return chosen
    }
    const connectIoredis = (number: number) => new Redis({ ...endpoint(number), maxRetriesPerRequest: 3 })
    const connectNodeRedis = async (number: number, RESP: 2 | 3) => {
      const client = createClient({ socket: { ...endpoint(number), reconnectStrategy: false }, RESP })
      await client.connect()
      return client
    }

    test('ioredis: a transaction with an error in it, one that is discarded, one that is refused', async () => {
      const client = connectIoredis(nodes - 1)
      try {
        await client.flushall()
        const results = await client
          .multi()
          .set('a', '1')
          .incr('a')
          .hset('h', 'f', 'v')
          .get('h')
          .ping()
          .exec()
        assert.deepEqual(
          results?.map(([fault, value]) => fault?.message.slice(0, 9) ?? value),
          ['OK', 2, 1, 'WRONGTYPE', 'PONG'],
        )
        await client.multi({ pipeline: false })
        await client.set('a', '7')
        assert.equal(await client.discard(), 'OK')
        assert.equal(await client.get('a'), '2')
        await client.multi({ pipeline: false })
        await assert.rejects(client.call('nosuch'), /unknown command/)
        await assert.rejects(client.exec(), /EXECABORT/)
      } finally {
        client.disconnect()
      }
    })

    test('ioredis: WATCH sees what another client does through another node', async () => {
      const [one, other] = [connectIoredis(0), connectIoredis(1)]
      try {
        for (const key of ['there', 'absent']) {
          await one.del(key)
          if (key === 'there') await one.set(key, '1')
          await one.watch(key)
          await other.set(key, '2')
          await other.del(key)
          assert.equal(await one.multi().set(key, '3').exec(), null)
          await one.watch(key)
          await other.get(key)
          assert.deepEqual(await one.multi().set(key, '3').get(key).exec(), [
            [null, 'OK'],
            [null, '3'],
          ])
        }
      } finally {
        one.disconnect()
        other.disconnect()
      }
    })

    test('ioredis: names, texts and fields', async () => {
      const client = connectIoredis(1)
      try {
        await client.flushall()
        await client.mset({ one: 'ohmytext', two: 'mynewtext' })
        assert.equal(await client.lcs('one', 'two'), 'mytext')
        assert.equal(await client.rename('one', 'three'), 'OK')
        assert.equal(await client.copy('three', 'two', 'REPLACE'), 1)
        assert.equal(await client.get('two'), 'ohmytext')
        assert.equal(await client.object('ENCODING', 'two'), 'embstr')
        const pairs = Array.from({ length: FIELDS }, (_, at) => [`field:${at}`, String(at)]).flat()
        assert.equal(await client.hset('h', ...pairs), FIELDS)
        const found = new Map<string, string>()
        for await (const page of client.hscanStream('h', { match: 'field:*', count: 100 })) {
          assert.ok(page.length <= 2 * FIELDS)
          for (let at = 0; at < page.length; at += 2) found.set(page[at], page[at + 1])
        }
        assert.deepEqual(Object.fromEntries(found), await client.hgetall('h'))
        assert.equal(found.size, FIELDS)
        assert.equal(new Set(await client.hrandfield('h', 10)).size, 10)
        assert.ok(Number(await client.memory('USAGE', 'h')) > FIELDS * 10)
        const seen: string[] = []
        for await (const page of client.scanStream({ type: 'string', count: 1 })) seen.push(...page)
        assert.deepEqual(seen.sort(), ['three', 'two'])
      } finally {
        client.disconnect()
      }
    })

    for (const RESP of [2, 3] as const) {
      test(`node-redis, RESP${RESP}: multi, watch, iterators`, async () => {
        const client = await connectNodeRedis(2, RESP)
        const other = await connectNodeRedis(0, RESP)
        try {
          await client.flushAll()
          const replies = await client
            .multi()
            .set('n', '1')
            .incrBy('n', 4)
            .hSet('h', { f: '1', g: '2' })
            .hGetAll('h')
            .exec()
          assert.deepEqual(replies.slice(0, 3), ['OK', 5, 2])
          assert.deepEqual({ ...(replies[3] as object) }, { f: '1', g: '2' })
          assert.deepEqual(await client.multi().get('n').exists('nosuch').execAsPipeline(), ['5', 0])
          await client.watch(['n', 'new'])
          await other.set('new', 'x')
          await assert.rejects(client.multi().set('n', '6').exec(), WatchError)
          assert.equal(await client.get('n'), '5')
          const pairs: unknown[] = []
          for await (const page of client.hScanIterator('h')) pairs.push(...page)
          assert.equal(pairs.length, 2)
          const withValues = await client.hRandFieldCountWithValues('h', 1)
          assert.equal(withValues?.length, 1)
          assert.equal(await client.lcsLen('n', 'new'), 0)
          assert.equal(await client.renameNX('n', 'm'), 1)
          assert.equal(await client.wait(0, 100), nodes === 1 ? 0 : 1)
          assert.match(await client.info('commandstats'), /cmdstat_exec:calls=\d/)
          const keys: string[] = []
          for await (const page of client.scanIterator({ TYPE: 'hash' })) keys.push(...page)
          assert.deepEqual(keys, ['h'])
        } finally {
          client.destroy()
          other.destroy()
        }
      })
    }

    test('counters that clients raise by WATCH on all nodes lose nothing', async () => {
      const clients = Array.from({ length: WRITERS }, (_, number) => connectIoredis(number))
      let refusals = 0
      const raise = async (client: Redis): Promise<void> => {
        for (let done = 0; done < INCREMENTS; ) {
          await client.watch('counter')
          const before = Number((await client.get('counter')) ?? '0')
          const replies = await client
            .multi()
            .set('counter', before + 1)
            .incr('executed')
            .exec()
          if (replies === null) refusals += 1
          else done += 1
        }
      }
      try {
        await clients[0]?.del('counter', 'executed')
        await Promise.all(clients.map(raise))
        const values = await clients[0]?.mget('counter', 'executed')
        assert.deepEqual(values, [String(WRITERS * INCREMENTS), String(WRITERS * INCREMENTS)])
        assert.ok(refusals > 0, 'the clients never got in each other’s way')
      } finally {
        for (const client of clients) client.disconnect()
      }
    })
  })
}
