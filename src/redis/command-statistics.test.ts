/** Counts and the slow log stay bounded, and keep no secrets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { error, OK, type Reply } from '../kv/reply.ts'
import { CommandStatistics, type SlowLogSettings } from './command-statistics.ts'
import { REDIS_COMMANDS } from './redis-commands.ts'

const CLIENT = { remoteAddress: '127.0.0.1:1', name: 'n' }

function make(settings: SlowLogSettings): {
  readonly statistics: CommandStatistics
  readonly run: (args: readonly string[], durationMs: number, reply?: Reply, startedMs?: number) => void
} {
  const statistics = new CommandStatistics(
    () => settings,
    () => 1_700_000_000_500,
  )
  return {
    statistics,
    run: (args, durationMs, reply = OK, startedMs = 0) => {
      const info = REDIS_COMMANDS.describe(args[0] as string)?.info
      assert.ok(info !== undefined)
      statistics.record({ info, args }, reply, startedMs, startedMs + durationMs, CLIENT)
    },
  }
}

test('the slow log has the newest first, no more than its limit, and long commands in short', () => {
  const { statistics, run } = make({ slowerThanUs: 2_000, entriesMax: 3 })
  for (const ms of [1, 2, 3, 4, 5]) run(['set', 'k', String(ms)], ms)
  assert.deepEqual(
    statistics.slow.map(({ id, args }) => [id, args[2]]),
    [
      [3, '5'],
      [2, '4'],
      [1, '3'],
    ],
  )
  run(['del', ...Array.from({ length: 40 }, (_, at) => `k${at}`)], 9)
  run(['set', 'k', 'x'.repeat(130)], 9)
  const [long, many] = statistics.slow
  assert.equal(long?.args[2], `${'x'.repeat(128)}... (2 more bytes)`)
  assert.equal(many?.args.length, 32)
  assert.equal(many?.args[31], '... (10 more arguments)')
  statistics.resetSlow()
  assert.equal(statistics.slow.length, 0)
})

test('passwords are not shown, and EXEC is not slow itself', () => {
  const { statistics, run } = make({ slowerThanUs: 0, entriesMax: 10 })
  run(['auth', 'secret'], 1)
  run(['hello', '3', 'auth', 'default', 'secret'], 1)
  run(['exec'], 100)
  assert.deepEqual(
    statistics.slow.map(({ args }) => args),
    [
      ['hello', '(redacted)'],
      ['auth', '(redacted)'],
    ],
  )
})

test('a negative limit logs nothing', () => {
  const { statistics, run } = make({ slowerThanUs: -1, entriesMax: 10 })
  run(['get', 'k'], 5_000)
  assert.equal(statistics.slow.length, 0)
})

test('calls, time and failures are counted by command, errors by their first word', () => {
  const { statistics, run } = make({ slowerThanUs: -1, entriesMax: 10 })
  run(['get', 'k'], 2)
  run(['get', 'k'], 3, error('WRONGTYPE no'))
  statistics.recordError('WRONGTYPE no')
  statistics.recordError('no prefix')
  assert.deepEqual(statistics.commands, [['get', { calls: 2, durationMs: 5, failures: 1 }]])
  assert.deepEqual(statistics.errors, [
    ['ERR', 1],
    ['WRONGTYPE', 1],
  ])
  for (let at = 0; at < 1_000; at++) statistics.recordError(`${'ABCDEFGHIJ'[at % 10]}${'Z'.repeat(at)} x`)
  assert.ok(statistics.errors.length <= 128)
  statistics.resetCounts()
  assert.deepEqual([statistics.commands, statistics.errors], [[], []])
})

test('operations per second are those of the last whole second', () => {
  const { statistics, run } = make({ slowerThanUs: -1, entriesMax: 10 })
  for (let ms = 0; ms < 1_000; ms += 10) run(['get', 'k'], 0, OK, 5_000 + ms)
  assert.equal(statistics.operationsPerSecond(6_000), 100)
  assert.equal(statistics.operationsPerSecond(6_999), 100)
  assert.equal(statistics.operationsPerSecond(8_500), 0)
})
