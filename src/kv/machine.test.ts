/** The machine as a whole against a plain model, with records in memory and fetched on demand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createKvClient, type KvClient, TEST_START_MS } from '../../test/kv-client.ts'
import { checkKeyRecords } from '../../test/kv-invariants.ts'
import { KvModel } from '../../test/kv-model.ts'
import { createKvMachine, KV_MACHINE_VERSION } from './machine.ts'
import type { Reply } from './reply.ts'

type Step =
  | { readonly kind: 'call'; readonly args: readonly string[] }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'maintain'; readonly what: 'expireDue' | 'collectGarbage'; readonly limit: number }

const key = fc.constantFrom('a', 'b', '{b}2', 'h', '')
const field = fc.constantFrom('f', 'g', '')
const value = fc.constantFrom('', '0', '12', '-7', 'text', 'x'.repeat(20))
const milliseconds = fc.constantFrom('1', '50', '100', '1000')
const tuple = <Parts extends readonly unknown[]>(
  name: string,
  ...parts: { [Index in keyof Parts]: fc.Arbitrary<Parts[Index]> }
) => fc.tuple(...parts).map((rest) => [name, ...rest.flat()] as string[])
const several = <Item>(item: fc.Arbitrary<Item>) => fc.array(item, { minLength: 1, maxLength: 4 })

const call = fc.oneof(
  tuple('set', key, value),
  tuple('set', key, value, fc.constant('px'), milliseconds),
  tuple('set', key, value, fc.constant('keepttl')),
  tuple('get', key),
  tuple('getdel', key),
  tuple('append', key, value),
  tuple('incrby', key, fc.constantFrom('1', '-5')),
  tuple(
    'mset',
    several(fc.tuple(key, value)).map((pairs) => pairs.flat()),
  ),
  tuple('mget', several(key)),
  tuple('del', several(key)),
  tuple('exists', several(key)),
  tuple('pexpire', key, fc.oneof(milliseconds, fc.constantFrom('0', '-1'))),
  tuple('pexpire', key, milliseconds, fc.constantFrom('nx', 'xx', 'gt', 'lt')),
  tuple('persist', key),
  tuple('pttl', key),
  tuple('keys', fc.constant('*')),
  {
    weight: 4,
    arbitrary: tuple(
      'hset',
      key,
      several(fc.tuple(field, value)).map((pairs) => pairs.flat()),
    ),
  },
  tuple('hget', key, field),
  tuple('hdel', key, several(field)),
  tuple('hlen', key),
  tuple('hgetall', key),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ kind: fc.constant('call' as const), args: call }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'call' as const, args: ['flushall'] }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 49, 100) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('maintain' as const),
      what: fc.constantFrom('expireDue' as const, 'collectGarbage' as const),
      limit: fc.constantFrom(1, 2, 100),
    }),
  },
)
const history = fc.array(step, { minLength: 30, maxLength: 100 })

function take(client: KvClient, taken: Step): Reply {
  if (taken.kind === 'call') {
    const reply = client.call(...taken.args)
    return taken.args[0] === 'keys' ? [...(reply as readonly string[])].sort() : reply
  }
  if (taken.kind === 'maintain') return client.maintain({ kind: taken.what, limit: taken.limit })
  client.timeMs += taken.ms
  return null
}

test('every reply is that of the plain model, and the records keep their invariants', () => {
  const property = fc.property(history, (steps) => {
    const client = createKvClient()
    const model = new KvModel(TEST_START_MS)
    for (const taken of steps) {
      const reply = take(client, taken)
      model.timeMs = client.timeMs
      if (taken.kind === 'call') assert.deepEqual(reply, model.call(taken.args), taken.args.join(' '))
      checkKeyRecords(client.host.records())
    }
  })
  fc.assert(property, { seed: 1, numRuns: 150 })
})

test('records that must be fetched first change neither replies nor records', () => {
  const property = fc.property(history, (steps) => {
    const [warm, cold] = [createKvClient(), createKvClient({ isCold: true })]
    for (const taken of steps) {
      assert.deepEqual(take(cold, taken), take(warm, taken))
      assert(cold.host.rounds <= 3, `${cold.host.rounds} rounds for ${JSON.stringify(taken)}`)
    }
    assert.deepEqual(cold.host.records(), warm.host.records())
  })
  fc.assert(property, { seed: 2, numRuns: 100 })
})

test('after all has expired and all garbage is collected, nothing is left', () => {
  const property = fc.property(history, (steps) => {
    const client = createKvClient()
    for (const taken of steps) take(client, taken)
    for (const key of client.call('keys', '*') as readonly string[]) client.call('pexpire', key, '1')
    client.timeMs += 1_000_000
    while (client.maintain({ kind: 'expireDue', limit: 1 }) !== 0);
    while (client.maintain({ kind: 'collectGarbage', limit: 3 }) !== 0);
    assert.deepEqual(
      client.host.records().filter((record) => !record.key.startsWith('\0')),
      [],
    )
    assert.equal(client.call('dbsize'), 0)
  })
  fc.assert(property, { seed: 3, numRuns: 50 })
})

const context = { timeMs: TEST_START_MS, seed: 1, machineVersion: KV_MACHINE_VERSION }

test('a query behind the clock of its reader asks for time instead of answering', () => {
  const client = createKvClient()
  client.call('set', 'a', 'v', 'px', '100')
  client.call('set', 'b', 'v', 'px', '200')
  const query = (args: readonly string[], clockMs: number) =>
    client.host.query({ kind: 'client', args, session: null }, { ...context, clockMs })
  assert.equal(query(['get', 'a'], TEST_START_MS + 99).kind, 'done')
  assert.deepEqual(query(['get', 'a'], TEST_START_MS + 100), {
    kind: 'needTime',
    timeMs: TEST_START_MS + 100,
  })
  assert.deepEqual(query(['mget', 'a', 'b'], TEST_START_MS + 500), {
    kind: 'needTime',
    timeMs: TEST_START_MS + 200,
  })
  assert.deepEqual(query(['keys', '*'], TEST_START_MS + 150), {
    kind: 'needTime',
    timeMs: TEST_START_MS + 100,
  })
  client.timeMs += 100
  assert.equal(client.maintain({ kind: 'advanceTime' }), 0)
  assert.equal(client.call('get', 'a'), null)
})

test('expired keys are hidden, counted by DBSIZE, and deleted oldest first', () => {
  const client = createKvClient()
  for (const [name, ms] of [
    ['c', '30'],
    ['a', '10'],
    ['b', '20'],
  ] as const)
    client.call('set', name, 'v', 'px', ms)
  client.call('hset', 'h', 'f', 'v')
  client.call('pexpire', 'h', '15')
  client.timeMs += 25
  assert.deepEqual(client.call('keys', '*'), ['c'])
  assert.equal(client.call('dbsize'), 4)
  assert.equal(client.maintain({ kind: 'expireDue', limit: 2 }), 2)
  assert.equal(client.call('dbsize'), 2)
  const left = client.host.records().filter((record) => record.key.startsWith('d'))
  assert.deepEqual(left.map((record) => record.key.slice(7)).sort(), ['b', 'c'])
  checkKeyRecords(client.host.records())
})

test('maintenance commands as queries tell how much work waits', () => {
  const client = createKvClient()
  client.call('set', 'a', 'v', 'px', '10')
  client.call('hset', 'h', 'f', 'v')
  client.call('set', 'h', 'v')
  const waiting = (kind: 'expireDue' | 'collectGarbage' | 'expireSessions', clockMs: number) => {
    const outcome = client.host.query({ kind, limit: 10 }, { ...context, clockMs })
    return outcome.kind === 'done' ? outcome.reply : outcome
  }
  assert.equal(waiting('expireDue', TEST_START_MS + 9), 0)
  assert.equal(waiting('expireDue', TEST_START_MS + 10), 1)
  assert.equal(waiting('collectGarbage', TEST_START_MS), 1)
  assert.equal(waiting('expireSessions', TEST_START_MS), 0)
})

test('deleting a large hash takes few writes, and its garbage goes in bounded steps', () => {
  const client = createKvClient()
  const fields = Array.from({ length: 500 }, (_, index) => [`f${index}`, 'v']).flat()
  client.call('hset', 'h', ...fields)
  const context = { timeMs: client.timeMs, seed: 1, machineVersion: KV_MACHINE_VERSION }
  const done = client.host.execute({ kind: 'client', args: ['del', 'h'], session: null }, context)
  assert(done.writes.length <= 3)
  let calls = 0
  while (client.maintain({ kind: 'collectGarbage', limit: 100 }) !== 0) calls++
  assert(calls >= 5)
  assert.equal(client.host.records().filter((record) => !record.key.startsWith('\0')).length, 0)
})

test('values above the limit are refused', () => {
  const client = createKvClient({ maxValueBytes: 10 })
  const tooLong = { kind: 'error', text: 'ERR string exceeds maximum allowed size (proto-max-bulk-len)' }
  assert.deepEqual(client.call('set', 'k', 'x'.repeat(11)), tooLong)
  assert.deepEqual(client.call('mset', 'a', '1', 'k', 'x'.repeat(11)), tooLong)
  assert.deepEqual(client.call('hset', 'h', 'f', 'x'.repeat(11)), tooLong)
  assert.deepEqual(client.call('set', 'k', 'x'.repeat(10)), { kind: 'status', text: 'OK' })
  assert.deepEqual(client.call('append', 'k', 'x'), tooLong)
  assert.equal(client.call('dbsize'), 1)
})

test('what a client got wrong is a reply, what the host got wrong is a failure', () => {
  const client = createKvClient()
  assert.deepEqual(client.call('nosuch', 'a', 'b'), {
    kind: 'error',
    text: "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' ",
  })
  assert.deepEqual(client.call('get'), {
    kind: 'error',
    text: "ERR wrong number of arguments for 'get' command",
  })
  const machine = createKvMachine()
  const view = { get: () => null, range: () => [] }
  const set = { kind: 'client', args: ['set', 'k', 'v'], session: null } as const
  assert.throws(() => machine.execute(view, set, { ...context, machineVersion: 2 }), /machine version 2/)
  assert.throws(() => machine.query(view, set, { ...context, clockMs: 0 }), /not a query/)
  assert.throws(() => machine.execute({ get: () => '\x7f', range: () => [] }, set, context))
})
