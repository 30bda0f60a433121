import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createKvClient, type KvClient, TEST_START_MS } from '../../test/kv-client.ts'
import type { SessionTag } from './command.ts'
import { isError, type Reply } from './reply.ts'
import {
  SESSION_CLOCK_TOLERANCE_MS,
  SESSION_EXPIRED,
  SESSION_FORGOTTEN,
  SESSION_FULL,
  SESSION_IDLE_MAX_MS,
} from './session.ts'
import { SESSION_REPLIES_MAX } from './session-record.ts'

const HOUR_MS = 3_600_000

function tag(sequence: number, lowestUnacknowledged: number, more: Partial<SessionTag> = {}): SessionTag {
  return { id: 'session-12345678', startedMs: TEST_START_MS, sequence, lowestUnacknowledged, ...more }
}

/** Bookkeeping records of sessions: session, reply, idle index. */
function sessionRecords(client: KvClient): number {
  return client.host.records().filter(({ key }) => /^\0[srt]/.test(key)).length
}

test('a repeat answers the stored reply and does not execute', () => {
  const client = createKvClient()
  assert.equal(client.log(['incr', 'n'], tag(1, 1)), 1)
  assert.equal(client.log(['incr', 'n'], tag(1, 1)), 1)
  assert.equal(client.log(['incr', 'n'], tag(2, 1)), 2)
  assert.equal(client.log(['incr', 'n'], tag(1, 1)), 1)
  assert.equal(client.call('get', 'n'), '2')
})

test('long replies, errors and nil are remembered too', () => {
  const client = createKvClient()
  const long = 'x'.repeat(5_000)
  client.call('set', 'k', long)
  assert.equal(client.log(['getdel', 'k'], tag(1, 1)), long)
  assert.equal(client.log(['getdel', 'k'], tag(2, 1)), null)
  const failed = client.log(['incrby', 'k', 'abc'], tag(3, 1))
  assert(isError(failed))
  client.call('set', 'k', 'new')
  assert.equal(client.log(['getdel', 'k'], tag(1, 1)), long)
  assert.equal(client.log(['getdel', 'k'], tag(2, 1)), null)
  assert.deepEqual(client.log(['incrby', 'k', 'abc'], tag(3, 1)), failed)
  assert.equal(client.call('get', 'k'), 'new')
})

test('commands may arrive in any order', () => {
  const client = createKvClient()
  for (const sequence of [3, 1, 5, 4, 2, 3, 1])
    client.log(['append', 'k', String(sequence)], tag(sequence, 1))
  assert.equal(client.call('get', 'k'), '31542')
})

test('a sequence below the acknowledged ones is refused, also by a session that is new', () => {
  const client = createKvClient()
  client.log(['incr', 'n'], tag(1, 1))
  client.log(['incr', 'n'], tag(2, 2))
  assert.equal(client.log(['incr', 'n'], tag(1, 1)), SESSION_FORGOTTEN)
  assert.equal(client.log(['incr', 'n'], tag(1, 2, { id: 'another-12345678' })), SESSION_FORGOTTEN)
  assert.equal(client.call('get', 'n'), '2')
})

test('acknowledged replies are dropped', () => {
  const client = createKvClient()
  const value = 'x'.repeat(100)
  for (let sequence = 1; sequence <= 50; sequence++) {
    client.call('set', 'k', value + sequence)
    assert.equal(client.log(['getdel', 'k'], tag(sequence, Math.max(1, sequence - 5))), value + sequence)
    assert(sessionRecords(client) <= 8)
  }
  assert.equal(sessionRecords(client), 8)
})

test('each slot has its own window, and commands without keys have one', () => {
  const client = createKvClient()
  assert.equal(client.log(['incr', 'a'], tag(1, 1)), 1)
  assert.equal(client.log(['incr', 'b'], tag(2, 2)), 1)
  assert.equal(client.log(['flushall'], tag(3, 3)), client.log(['flushall'], tag(3, 3)))
  client.call('set', 'a', '10')
  client.log(['flushall'], tag(3, 3))
  assert.equal(client.call('get', 'a'), '10')
  // Slot of 'a' has seen lowest 1 only, so the repeat finds its reply.
  assert.equal(client.log(['incr', 'a'], tag(1, 1)), 1)
})

test('a full window refuses and executes nothing, until replies are acknowledged', () => {
  for (const makesLongReplies of [false, true]) {
    const client = createKvClient()
    const set = ['set', 'k', 'x'.repeat(makesLongReplies ? 40 : 1), 'get'] as const
    for (let sequence = 1; sequence <= SESSION_REPLIES_MAX; sequence++) client.log(set, tag(sequence, 1))
    client.call('set', 'k', 'last')
    assert.equal(client.log(set, tag(SESSION_REPLIES_MAX + 1, 1)), SESSION_FULL)
    assert.equal(client.call('get', 'k'), 'last')
    assert.equal(client.log(set, tag(SESSION_REPLIES_MAX + 1, 2)), 'last')
  }
})

test('an idle session expires, and its commands never execute again', () => {
  const client = createKvClient()
  client.log(['incr', 'n'], tag(1, 1))
  client.timeMs += SESSION_IDLE_MAX_MS
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 10 }), 0)
  client.timeMs += 2 * 60_000
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 10 }), 1)
  assert.equal(sessionRecords(client), 0)
  assert.equal(client.log(['incr', 'n'], tag(1, 1)), SESSION_EXPIRED)
  assert.equal(client.log(['incr', 'n'], tag(2, 2)), SESSION_EXPIRED)
  assert.equal(client.call('get', 'n'), '1')
})

test('a world whose time begins at 0 has sessions too', () => {
  const client = createKvClient()
  client.timeMs = 0
  assert.equal(client.log(['incr', 'n'], tag(1, 1, { startedMs: 0 })), 1)
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 10 }), 0)
  client.timeMs += 2 * 60_000
  assert.equal(client.log(['incr', 'n'], tag(2, 1, { startedMs: 0 })), 2)
  assert.equal(sessionRecords(client), 2)
  client.timeMs += SESSION_IDLE_MAX_MS
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 10 }), 0)
  client.timeMs += 2 * 60_000
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 10 }), 1)
})

test('a session in use does not expire', () => {
  const client = createKvClient()
  for (let hour = 0; hour < 100; hour++) {
    assert.equal(client.log(['incr', 'n'], tag(hour + 1, hour + 1)), hour + 1)
    client.timeMs += HOUR_MS
    client.maintain({ kind: 'expireSessions', limit: 10 })
  }
})

test('sessions whose start is too long ago or too far ahead are not opened', () => {
  const client = createKvClient()
  const opens = (startedMs: number, id: string) =>
    !isError(client.log(['incr', 'n'], tag(1, 1, { startedMs, id: id.padEnd(16) })))
  assert(opens(client.timeMs + SESSION_CLOCK_TOLERANCE_MS, 'ahead'))
  assert(!opens(client.timeMs + SESSION_CLOCK_TOLERANCE_MS + 1, 'too far ahead'))
  const earliest = client.timeMs - SESSION_IDLE_MAX_MS + SESSION_CLOCK_TOLERANCE_MS
  assert(opens(earliest + 1, 'old'))
  assert(!opens(earliest, 'too old'))
})

test('expiring is bounded by its limit, counting replies', () => {
  const client = createKvClient()
  const value = 'x'.repeat(100)
  client.call('set', 'k', value)
  for (const id of ['a', 'b', 'c']) {
    for (let sequence = 1; sequence <= 8; sequence++) {
      client.log(['set', 'k', value, 'get'], tag(sequence, 1, { id: id.repeat(16) }))
    }
  }
  client.timeMs += 2 * SESSION_IDLE_MAX_MS
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 20 }), 2)
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 1 }), 1)
  assert.equal(client.maintain({ kind: 'expireSessions', limit: 20 }), 0)
  assert.equal(sessionRecords(client), 0)
})

/** What a network and a failover may do to the commands of one session. */
type Delivery =
  | { readonly kind: 'deliver'; readonly pick: number }
  | { readonly kind: 'send' }
  | { readonly kind: 'acknowledge'; readonly pick: number }
  | { readonly kind: 'wait'; readonly hours: number }

const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick: fc.nat(1000) }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'send' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), pick: fc.nat(1000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 30 }) }),
  },
)

test('however commands are repeated, delayed and reordered, each takes effect at most once', () => {
  const property = fc.property(
    fc.array(delivery, { minLength: 40, maxLength: 120 }),
    fc.boolean(),
    (deliveries, isCold) => {
      const client = createKvClient({ isCold })
      const sent: { tag: SessionTag; args: readonly string[]; answers: Reply[] }[] = []
      const answered = new Set<number>()
      const acknowledged = new Set<number>()
      for (const step of deliveries) {
        if (step.kind === 'send') {
          let lowest = 1
          while (acknowledged.has(lowest)) lowest++
          const sequence = sent.length + 1
          // Every effect leaves its own mark; the reply tells how many there were.
          sent.push({
            tag: tag(sequence, lowest),
            args: ['append', `{s}${sequence % 3}`, mark(sequence)],
            answers: [],
          })
        } else if (step.kind === 'deliver' && sent.length > 0) {
          const command = sent[step.pick % sent.length]
          assert(command !== undefined)
          const reply = client.log(command.args, command.tag)
          if (!isError(reply)) {
            command.answers.push(reply)
            answered.add(command.tag.sequence)
          }
        } else if (step.kind === 'acknowledge' && answered.size > 0) {
          acknowledged.add([...answered][step.pick % answered.size] as number)
        } else if (step.kind === 'wait') {
          client.timeMs += step.hours * HOUR_MS
          client.maintain({ kind: 'expireSessions', limit: 1 })
        }
      }
      checkOnce(client, sent)
    },
  )
  fc.assert(property, { seed: 1, numRuns: 300 })
})

function mark(sequence: number): string {
  return `<${sequence}>`
}

function checkOnce(
  client: KvClient,
  sent: readonly { readonly tag: SessionTag; readonly answers: readonly Reply[] }[],
): void {
  let values = ''
  for (const index of [0, 1, 2]) {
    const value = client.call('get', `{s}${index}`) ?? ''
    assert(typeof value === 'string')
    values += value
  }
  for (const {
    tag: { sequence },
    answers,
  } of sent) {
    const effects = values.split(mark(sequence)).length - 1
    assert(effects <= 1, `command ${sequence} took effect ${effects} times`)
    assert.equal(
      effects === 1,
      answers.length > 0,
      `command ${sequence} was answered without an effect, or the reverse`,
    )
    assert(
      answers.every((answer) => answer === answers[0]),
      'a repeat was answered differently',
    )
  }
}
