import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createNodeLogger, type LogLevel, type NodeLogger } from './node-logger.ts'
import { createNodeRandom } from './node-random.ts'
import { formatPrettyLine } from './pretty-line.ts'

const WAIT_MS_MAX = 20_000

async function linesOf(
  options: { level: LogLevel; isPretty?: boolean; count: number },
  act: (logger: NodeLogger) => void,
): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-logger-'))
  try {
    const target = join(directory, 'log')
    const file = openSync(target, 'a')
    act(createNodeLogger({ ...options, target: file, fields: { node: 'n1' } }))
    await until(() => readFileSync(target, 'utf8').split('\n').length > options.count)
    closeSync(file)
    return readFileSync(target, 'utf8').trimEnd().split('\n')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isTrue(); waitedMs++) {
    assert(waitedMs < WAIT_MS_MAX, 'the lines were not written')
    await new Promise((go) => setTimeout(go, 1))
  }
}

describe('node logger', () => {
  test('writes one JSON object per line, with levels, bound fields and causes', async () => {
    const lines = await linesOf({ level: 'info', count: 3 }, (logger) => {
      logger.debug('below the level')
      logger.info('started', { port: 6379 })
      logger.with({ group: 3 }).warning('slow', { error: new Error('outer', { cause: new Error('inner') }) })
      logger.error('failed', { big: 12n })
    })
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      entries.map(({ level, message, node }) => [level, message, node]),
      [
        ['info', 'started', 'n1'],
        ['warning', 'slow', 'n1'],
        ['error', 'failed', 'n1'],
      ],
    )
    assert.equal(entries[0]?.['port'], 6379)
    assert.equal(entries[1]?.['group'], 3)
    assert.match(JSON.stringify(entries[1]?.['error']), /outer.*inner/)
    assert.match(String(entries[0]?.['time']), /^\d{4}-\d\d-\d\dT.*Z$/)
  })

  test('never writes a secret that is named as one', async () => {
    const lines = await linesOf({ level: 'debug', count: 1 }, (logger) => {
      logger.info('configured', { password: 'hunter2', store: { secretKey: 'hunter2', bucket: 'b' } })
    })
    assert(!lines.join().includes('hunter2'), 'a secret was written')
    assert.match(lines[0] ?? '', /"bucket":"b"/)
  })

  test('its last lines are written before flushSync returns, but for one that is under way', async () => {
    const lines = await linesOf({ level: 'info', count: 3 }, (logger) => {
      for (const message of ['first', 'second', 'third']) logger.info(message)
      logger.flushSync()
    })
    const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message)
    // The first is on its way to a thread.
    assert.deepEqual(
      messages.filter((message) => message !== 'first'),
      ['second', 'third'],
    )
    assert.equal(messages.length, 3)
  })

  test('for people: one line per entry', async () => {
    const lines = await linesOf({ level: 'info', isPretty: true, count: 1 }, (logger) => {
      logger.warning('disk\nnearly full', { freeBytes: 12, path: '/a b', error: new Error('no space') })
    })
    assert.equal(lines.length, 1)
    assert.match(
      lines[0] ?? '',
      /^\S+Z WARNING disk nearly full node=n1 freeBytes=12 path="\/a b" error="no space"$/,
    )
  })

  test('a line that is no JSON is shown as it is, a long value is cut', () => {
    assert.equal(formatPrettyLine('plain\n'), 'plain\n')
    const line = formatPrettyLine(
      JSON.stringify({ level: 'info', time: 't', message: 'm', value: 'x'.repeat(5_000) }),
    )
    assert(line.length < 500)
  })
})

describe('node random', () => {
  test('is spread evenly over its range and differs from instance to instance', () => {
    const random = createNodeRandom()
    const buckets = Array<number>(16).fill(0)
    let bits = 0
    for (let draw = 0; draw < 16_000; draw++) {
      const value = random.next()
      assert(value >= 0 && value < 1)
      buckets[Math.floor(value * 16)] = (buckets[Math.floor(value * 16)] ?? 0) + 1
      const word = random.u32()
      assert(Number.isInteger(word) && word >= 0 && word < 2 ** 32)
      bits |= word
    }
    // 1,000 expected in each, standard deviation 31: eight of them is never chance.
    for (const count of buckets) assert(Math.abs(count - 1_000) < 250, buckets.join())
    assert.equal(bits >>> 0, 0xffffffff)
    assert.notDeepEqual(
      Array.from({ length: 4 }, () => createNodeRandom().u32()),
      Array.from({ length: 4 }, () => createNodeRandom().u32()),
    )
  })
})
