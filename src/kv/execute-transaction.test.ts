/** A transaction does what its commands do one after the other, or nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createKvClient, type KvClient, TEST_START_MS } from '../../test/kv-client.ts'
import { checkKeyRecords } from '../../test/kv-invariants.ts'
import { NIL_ARRAY, OK, type Reply } from './reply.ts'
import { TRACE_MS } from './transaction.ts'

const key = fc.constantFrom('a', 'b', '{b}2', 'h', '')
const field = fc.constantFrom('f', 'g', 'h', 'i')
const value = fc.constantFrom('', '0', '12', 'text')
const command = fc.oneof(
  fc.tuple(fc.constant('set'), key, value),
  fc.tuple(fc.constant('set'), key, value, fc.constant('px'), fc.constantFrom('1', '50')),
  fc.tuple(fc.constant('get'), key),
  fc.tuple(fc.constant('append'), key, value),
  fc.tuple(fc.constant('incr'), key),
  fc.tuple(fc.constantFrom('mget', 'del', 'exists'), key, key),
  fc.tuple(fc.constant('pexpire'), key, fc.constantFrom('0', '50')),
  fc.tuple(fc.constant('keys'), fc.constant('*')),
  fc.tuple(fc.constant('dbsize')),
  fc.tuple(fc.constant('scan'), fc.constant('0'), fc.constant('count'), fc.constantFrom('1', '3')),
  fc.tuple(fc.constant('hset'), key, field, value, field, value),
  fc.tuple(fc.constant('hget'), key, field),
  fc.tuple(fc.constant('hdel'), key, field, field),
  fc.tuple(fc.constant('hgetall'), key),
  fc.tuple(fc.constantFrom('rename', 'renamenx'), key, key),
  fc.tuple(fc.constant('copy'), key, key, fc.constantFrom('replace', 'replace')),
  fc.tuple(fc.constant('get')),
  { weight: 1, arbitrary: fc.tuple(fc.constant('flushall')) },
) as fc.Arbitrary<string[]>
const commands = fc.array(command, { minLength: 1, maxLength: 30 })

function isNotAnArray(reply: Reply): boolean {
  return !Array.isArray(reply)
}

test('a transaction answers and writes what its commands do one by one, in few rounds', () => {
  const property = fc.property(commands, commands, (before, together) => {
    const [apart, warm, cold] = [createKvClient(), createKvClient(), createKvClient({ isCold: true })]
    for (const client of [apart, warm, cold]) for (const args of before) client.log(args)
    for (const client of [apart, warm, cold]) client.timeMs += 10
    const expected = together.map((args) => apart.log(args))
    assert.deepEqual(warm.transact(together), expected)
    assert.deepEqual(cold.transact(together), expected)
    assert(cold.host.rounds <= 8, `${cold.host.rounds} rounds`)
    assert.deepEqual(warm.host.records(), apart.host.records())
    assert.deepEqual(cold.host.records(), apart.host.records())
    checkKeyRecords(warm.host.records())
  })
  fc.assert(property, { seed: 11, numRuns: 400 })
})

test('hashes that are copied from one to the next cost no round each', () => {
  const client = createKvClient({ isCold: true })
  client.log(['hset', 'h0', 'f', 'v'])
  const steps = Array.from({ length: 200 }, (_, at) => ['copy', `h${at}`, `h${at + 1}`, 'replace'])
  assert.deepEqual(
    client.transact(steps),
    steps.map(() => 1),
  )
  assert(client.host.rounds <= 8, `${client.host.rounds} rounds`)
  assert.equal(client.call('hget', 'h200', 'f'), 'v')
})

function watch(client: KvClient, name: string): { readonly key: string; readonly revision: number } {
  const asked = client.call('holdfast.revisions', name) as readonly (number | null)[]
  const revision = asked[0] ?? (client.log(['holdfast.watch', name]) as readonly number[])[0]
  assert(typeof revision === 'number')
  return { key: name, revision }
}

/** Whether EXEC runs, when `between` happens after WATCH of `k`. */
function succeeds(before: readonly string[][], between: (client: KvClient) => void): boolean {
  const client = createKvClient()
  for (const args of before) client.log(args)
  const watched = watch(client, 'k')
  between(client)
  const reply = client.transact([['set', 'done', '1']], [watched])
  checkKeyRecords(client.host.records())
  const isDone = client.call('get', 'done') === '1'
  assert.deepEqual(reply, isDone ? [OK] : NIL_ARRAY)
  return isDone
}

const log =
  (...steps: readonly (readonly string[])[]) =>
  (client: KvClient): void => {
    for (const args of steps) client.log(args)
  }
const wait =
  (ms: number, isExpiring = false) =>
  (client: KvClient): void => {
    client.timeMs += ms
    if (isExpiring) client.maintain({ kind: 'expireDue', limit: 10 })
  }

test('a watched key that was changed, in whatever way, lets nothing happen', () => {
  const string = [['set', 'k', 'v']]
  const hash = [['hset', 'k', 'f', 'v']]
  const short = [['set', 'k', 'v', 'px', '10']]
  assert.equal(succeeds(string, log()), true)
  assert.equal(succeeds(string, log(['get', 'k'], ['set', 'other', 'v'], ['hget', 'k', 'f'])), true)
  assert.equal(succeeds(string, log(['set', 'k', 'v'])), false)
  assert.equal(succeeds(string, log(['del', 'k'])), false)
  assert.equal(succeeds(string, log(['del', 'k'], ['set', 'k', 'v'])), false)
  assert.equal(succeeds(string, log(['pexpire', 'k', '1000'])), false)
  assert.equal(succeeds(string, log(['flushall'])), false)
  assert.equal(succeeds(string, log(['set', 'k', 'v', 'nx'], ['msetnx', 'k', 'v'])), true)
  assert.equal(succeeds(string, log(['persist', 'k'], ['getex', 'k', 'persist'])), true)
  assert.equal(succeeds(short, log(['getex', 'k', 'persist'])), false)
  assert.equal(succeeds(hash, log(['hset', 'k', 'f', 'v'])), false)
  assert.equal(succeeds(hash, log(['hdel', 'k', 'nosuch'])), true)
  assert.equal(succeeds(hash, log(['hdel', 'k', 'f'])), false)
  assert.equal(succeeds(short, wait(9)), true)
  assert.equal(succeeds(short, wait(10)), false)
  assert.equal(succeeds(short, wait(10, true)), false)
})

test('a watched key that does not exist: made, made and deleted, made and expired', () => {
  const made = ['set', 'k', 'v']
  assert.equal(succeeds([], log()), true)
  assert.equal(succeeds([], log(['del', 'k'], ['get', 'k'])), true)
  assert.equal(succeeds([], log(made)), false)
  assert.equal(succeeds([], log(made, ['del', 'k'])), false)
  assert.equal(succeeds([], log(['hset', 'k', 'f', 'v'], ['hdel', 'k', 'f'])), false)
  const expired = (client: KvClient): void => {
    client.log(['set', 'k', 'v', 'px', '1'])
    wait(5, true)(client)
  }
  assert.equal(succeeds([], expired), false)
  // What was expired when WATCH came was absent: that it is cleaned away changes nothing.
  const client = createKvClient()
  client.log(['set', 'k', 'v', 'px', '1'])
  client.timeMs += 1
  const watched = watch(client, 'k')
  client.maintain({ kind: 'expireDue', limit: 10 })
  assert.deepEqual(client.transact([['dbsize']], [watched]), [0])
})

test('two clients watch one absent key: the first to write wins', () => {
  const client = createKvClient()
  const [one, other] = [watch(client, 'k'), watch(client, 'k')]
  assert.equal(one.revision, other.revision)
  assert.deepEqual(client.transact([['set', 'k', '1']], [one]), [OK])
  assert.deepEqual(client.transact([['set', 'k', '2']], [other]), NIL_ARRAY)
  assert.equal(client.call('get', 'k'), '1')
})

test('a trace is no key, and goes', () => {
  const client = createKvClient()
  const watched = watch(client, 'k')
  assert.equal(client.call('dbsize'), 0)
  assert.deepEqual(client.call('keys', '*'), [])
  assert.equal(client.call('exists', 'k'), 0)
  assert.equal(client.call('randomkey'), null)
  client.timeMs = TEST_START_MS + TRACE_MS
  assert.equal(client.maintain({ kind: 'expireDue', limit: 10 }), 1)
  assert(!client.host.records().some((record) => record.key.startsWith('d')))
  // Longer than that nobody may wait: what happened meanwhile is not known any more.
  assert.deepEqual(client.transact([['ping']], [watched]), NIL_ARRAY)
})

test('a trace is kept for longer when it is watched again, with the same revision', () => {
  const client = createKvClient()
  const first = watch(client, 'k')
  client.timeMs += (TRACE_MS / 4) * 3
  assert.equal(watch(client, 'k').revision, first.revision)
  client.timeMs += TRACE_MS / 2
  client.maintain({ kind: 'expireDue', limit: 10 })
  assert.deepEqual(client.transact([['exists', 'k']], [first]), [0])
})

test('replies beyond the limit are refused and nothing is executed', () => {
  const client = createKvClient()
  client.log(['set', 'large', 'x'.repeat(40 * 1024 * 1024)])
  const reply = client.transact([['set', 'done', '1'], ...Array.from({ length: 4 }, () => ['get', 'large'])])
  assert(isNotAnArray(reply))
  assert.match(JSON.stringify(reply), /nothing was executed/)
  assert.equal(client.call('exists', 'done'), 0)
})

test('a repeat of a tagged transaction answers what the first did', () => {
  const client = createKvClient()
  const session = {
    id: 'i'.repeat(16),
    startedMs: TEST_START_MS,
    sequence: 1,
    lowestUnacknowledged: 1,
  }
  const watched = watch(client, 'n')
  const run = (): Reply =>
    client.host.execute(
      {
        kind: 'transaction',
        watches: [watched],
        commands: [['incr', 'n'], ['get', 'n'], ['nosuch']],
        session,
      },
      { timeMs: client.timeMs, seed: 1, machineVersion: 1 },
    ).reply
  const first = run()
  assert.deepEqual((first as readonly Reply[]).slice(0, 2), [1, '1'])
  assert.deepEqual(run(), first)
  assert.equal(client.call('get', 'n'), '1')
})
