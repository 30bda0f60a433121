import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createKvClient, type KvClient } from '../../test/kv-client.ts'
import { isError, type Reply } from './reply.ts'
import { hashKey, slotOf } from './slot.ts'

function page(reply: Reply): { readonly cursor: string; readonly keys: readonly string[] } {
  assert(Array.isArray(reply) && reply.length === 2)
  return { cursor: reply[0] as string, keys: reply[1] as readonly string[] }
}

function scanAll(client: KvClient, count: number, between: () => void = () => {}): readonly string[] {
  const found: string[] = []
  let cursor = '0'
  for (let calls = 0; calls < 10_000; calls++) {
    const next = page(client.call('scan', cursor, 'count', String(count)))
    found.push(...next.keys)
    if (next.cursor === '0') return found
    assert(Number(next.cursor) > Number(cursor) && Number(next.cursor) < 2 ** 46)
    cursor = next.cursor
    between()
  }
  throw new Error('the scan does not end')
}

test('a scan returns every key that stays exactly once, whatever is written meanwhile', () => {
  const names = fc.uniqueArray(
    fc.string({ maxLength: 5 }).map((text) => Buffer.from(text).latin1Slice()),
    { maxLength: 60 },
  )
  const property = fc.property(
    names,
    names,
    fc.integer({ min: 1, max: 20 }),
    fc.boolean(),
    (stay, come, count, isCold) => {
      const client = createKvClient({ isCold })
      for (const key of stay) client.call('set', key, 'v')
      const others = come.filter((key) => !stay.includes(key))
      let turn = 0
      const found = scanAll(client, count, () => {
        const other = others[turn++ % Math.max(1, others.length)]
        if (other !== undefined)
          client.call(turn % 3 === 0 ? 'del' : 'set', other, ...(turn % 3 === 0 ? [] : ['v']))
        for (const key of stay) client.call('append', key, 'x')
      })
      assert.equal(new Set(found).size, found.length, 'a key was returned twice')
      assert.deepEqual(found.filter((key) => stay.includes(key)).sort(), [...stay].sort())
      assert(found.every((key) => stay.includes(key) || others.includes(key)))
    },
  )
  fc.assert(property, { seed: 1, numRuns: 100 })
})

test('a cursor means the same to another replica', () => {
  const [one, other] = [createKvClient(), createKvClient()]
  for (const client of [one, other])
    for (let index = 0; index < 100; index++) client.call('set', `k${index}`, 'v')
  const first = page(one.call('scan', '0', 'count', '30'))
  assert.deepEqual(
    other.call('scan', first.cursor, 'count', '30'),
    one.call('scan', first.cursor, 'count', '30'),
  )
})

/** Names in one slot with one hash, two by two. */
const COLLISIONS = ['{t}860596', '{t}1698900', '{t}860597', '{t}1698901', '{t}860594', '{t}1698902']

test('keys with one hash are returned together', () => {
  const client = createKvClient()
  const keys = COLLISIONS
  for (const [index, key] of keys.entries()) {
    assert.equal(hashKey(key), hashKey(keys[index ^ 1] as string))
    client.call('set', key, 'v')
  }
  for (const count of [1, 2, 3]) {
    let cursor = '0'
    const found: string[] = []
    do {
      const next = page(client.call('scan', cursor, 'count', String(count)))
      assert(next.keys.length % 2 === 0)
      found.push(...next.keys)
      cursor = next.cursor
    } while (cursor !== '0')
    assert.deepEqual(found.sort(), [...keys].sort())
  }
})

test('a bounded scan stops at its slot and answers where that begins', () => {
  const client = createKvClient()
  const keys = Array.from({ length: 200 }, (_, index) => `k${index}`)
  for (const key of keys) client.call('set', key, 'v')
  const middle = 8_000
  const below = page(client.call('holdfast.scan', '0', String(middle), 'count', '1000'))
  assert.equal(below.cursor, String(middle * 2 ** 32))
  assert.deepEqual([...below.keys].sort(), keys.filter((key) => slotOf(key) < middle).sort())
  const above = page(client.call('holdfast.scan', below.cursor, '16384', 'count', '1000'))
  assert.equal(above.cursor, '0')
  assert.equal(below.keys.length + above.keys.length, keys.length)
  assert.deepEqual(
    page(client.call('holdfast.scan', above.cursor === '0' ? below.cursor : '', String(middle))).keys,
    [],
  )
  for (const slot of ['0', '16385', 'x', '-1']) assert(isError(client.call('holdfast.scan', '0', slot)))
})

test('keys and large hashes are read in few rounds', () => {
  const client = createKvClient({ isCold: true })
  const keys = Array.from({ length: 3_000 }, (_, index) => [`k${index}`, 'v']).flat()
  client.call('mset', ...keys)
  assert.equal((client.call('keys', '*') as readonly string[]).length, 3_000)
  assert(client.host.rounds <= 2)
  client.call('hset', 'h', ...keys)
  assert.equal((client.call('hkeys', 'h') as readonly string[]).length, 3_000)
  assert(client.host.rounds <= 2)
})
