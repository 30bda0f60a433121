/** Reads that are walks: the same answers as short ones, and clear refusals where they can't be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKvClient, type KvClient } from '../../test/kv-client.ts'
import { readDump } from './dump/dump-reader.ts'
import { KV_MACHINE_VERSION } from './machine.ts'
import { isError, type Reply } from './reply.ts'
import { LONG_READ_RECORDS, TRANSACTION_READ_RECORDS_MAX } from './whole-range.ts'

const MANY = LONG_READ_RECORDS * 2 + 7
const FIELDS_PER_CALL = 1_000

function fillHash(client: KvClient, count: number): ReadonlyMap<string, string> {
  const members = new Map(Array.from({ length: count }, (_, at) => [`f${at}`, `v${at}`]))
  const words = [...members].flat()
  for (let at = 0; at < words.length; at += FIELDS_PER_CALL)
    client.call('hset', 'h', ...words.slice(at, at + FIELDS_PER_CALL))
  return members
}

function sorted(reply: Reply): readonly Reply[] {
  assert(Array.isArray(reply))
  return [...(reply as string[])].sort()
}

test('KEYS of many keys finds each once, without the expired ones', () => {
  const client = createKvClient()
  for (let at = 0; at < MANY; at++) client.call('set', `key:${at}`, 'v')
  client.call('psetex', 'key:gone', '10', 'v')
  client.timeMs += 10
  const expected = Array.from({ length: MANY }, (_, at) => `key:${at}`).sort()
  assert.deepEqual(sorted(client.call('keys', '*')), expected)
  assert.deepEqual(
    sorted(client.call('keys', '*1')),
    expected.filter((key) => key.endsWith('1')),
  )
  assert.deepEqual(client.call('keys', 'other'), [])
})

test('KEYS of many keys waits for the clock that it began with, whatever expires meanwhile', () => {
  const client = createKvClient()
  for (let at = 0; at < LONG_READ_RECORDS; at++) client.call('set', `key:${at}`, 'v')
  client.call('psetex', 'expiring', '10', 'v')
  const command = { kind: 'client', args: ['keys', '*'], session: null } as const
  const context = { timeMs: client.timeMs, seed: 1, machineVersion: KV_MACHINE_VERSION }
  const clockMs = client.timeMs + 500
  assert.deepEqual(client.host.query(command, { ...context, clockMs }), { kind: 'needTime', timeMs: clockMs })
  const outcome = client.host.query(command, { ...context, timeMs: clockMs, clockMs })
  assert(outcome.kind === 'done' && Array.isArray(outcome.reply))
  assert.equal(outcome.reply.length, LONG_READ_RECORDS)
})

test('a large hash is answered whole by each command that reads all of it', () => {
  const client = createKvClient()
  const members = fillHash(client, MANY)
  const all = client.call('hgetall', 'h')
  assert(typeof all === 'object' && all !== null && 'kind' in all && all.kind === 'map')
  assert.deepEqual(new Map(all.entries as [string, string][]), members)
  assert.deepEqual(sorted(client.call('hkeys', 'h')), [...members.keys()].sort())
  assert.deepEqual(sorted(client.call('hvals', 'h')), [...members.values()].sort())
  const dump = client.call('dump', 'h')
  assert.deepEqual(readDump(dump as string), { kind: 'hash', members })
  const text = 'x'.repeat(3_000_000)
  client.call('set', 's', text)
  assert.deepEqual(readDump(client.call('dump', 's') as string), { kind: 'string', value: text })
})

test('HRANDFIELD of a large hash: as many as asked for, different ones unless repeated, all of them its own', () => {
  const client = createKvClient()
  const members = fillHash(client, MANY)
  const one = client.call('hrandfield', 'h')
  assert(members.has(one as string))
  for (const count of [1, 10, MANY - 1, MANY, MANY * 2]) {
    const fields = client.call('hrandfield', 'h', String(count)) as string[]
    assert.equal(fields.length, Math.min(count, MANY))
    assert.equal(new Set(fields).size, fields.length)
    assert(fields.every((field) => members.has(field)))
  }
  const repeated = client.call('hrandfield', 'h', String(-3 * MANY), 'withvalues')
  assert(typeof repeated === 'object' && repeated !== null && 'kind' in repeated && repeated.kind === 'pairs')
  assert.equal(repeated.entries.length, 3 * MANY)
  assert(repeated.entries.every(([field, value]) => members.get(field as string) === value))
})

test('inside a transaction reads have a limit, and say what to do instead', () => {
  const client = createKvClient()
  fillHash(client, TRANSACTION_READ_RECORDS_MAX)
  const [fine] = client.transact([['hkeys', 'h']]) as readonly Reply[]
  assert.equal((fine as string[]).length, TRANSACTION_READ_RECORDS_MAX)
  client.call('hset', 'h', 'one', 'more')
  const [refused, other] = client.transact([
    ['hkeys', 'h'],
    ['hlen', 'h'],
  ]) as readonly Reply[]
  assert(isError(refused as Reply) && /outside of MULTI/.test((refused as { text: string }).text))
  assert.equal(other, TRANSACTION_READ_RECORDS_MAX + 1)
})

test('a machine of another limit on values keeps to it in a long DUMP', () => {
  const client = createKvClient({ maxValueBytes: 1_000 })
  fillHash(client, MANY)
  const reply = client.call('dump', 'h')
  assert(isError(reply))
})

test('commands on many keys and fields answer in their order, missing and expired ones too', () => {
  const client = createKvClient()
  const names = Array.from({ length: MANY }, (_, at) => `key:${at}`)
  for (const [at, name] of names.entries()) {
    if (at % 3 === 0) client.call('set', name, `v${at}`)
    if (at % 3 === 1) client.call('psetex', name, '10', 'gone')
    if (at % 30 === 2) client.call('hset', name, 'f', 'v')
  }
  client.timeMs += 10
  const values = client.call('mget', ...names) as readonly Reply[]
  assert.deepEqual(
    values,
    names.map((_, at) => (at % 3 === 0 ? `v${at}` : null)),
  )
  const existing = names.filter((_, at) => at % 3 === 0 || at % 30 === 2).length
  assert.equal(client.call('exists', ...names), existing)
  assert.equal(client.call('touch', ...names, ...names), existing * 2, 'named twice, counted twice')
  const members = fillHash(client, MANY)
  const fields = [...members.keys(), 'missing', 'f0']
  assert.deepEqual(client.call('hmget', 'h', ...fields), [...members.values(), null, 'v0'])
  assert(isError(client.call('hmget', 'key:0', ...fields)))
})

test('LCS of long strings answers as a short way to compute it does', () => {
  const client = createKvClient()
  const one = 'ab'.repeat(1_500)
  const other = 'b'.repeat(2_000)
  client.call('mset', 'one', one, 'other', other)
  assert.equal(client.call('lcs', 'one', 'other', 'len'), 1_500)
  assert.equal(client.call('lcs', 'one', 'other'), 'b'.repeat(1_500))
  const [refused] = client.transact([['lcs', 'one', 'other', 'len']]) as readonly Reply[]
  assert(isError(refused as Reply))
})
