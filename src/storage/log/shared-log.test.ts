import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import type { SimDisk, SimDiskCall, SimDiskFault } from '../../../sim/disk/disk.ts'
import { createSimDisk } from '../../../sim/disk/disk.ts'
import { SILENT_LOGGER, STILL_CLOCK } from '../../../sim/log/log-workload.ts'
import { createSimRandom } from '../../../sim/world/random.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Entry, LogIndex, Term } from '../../base/log-entry.ts'
import { dumpLog } from './log-dump.ts'
import { openSharedLog } from './open-shared-log.ts'
import type { LogRecord, SharedLog } from './shared-log.ts'

type Fixture = {
  readonly sim: SimDisk
  readonly calls: SimDiskCall[]
  readonly open: () => Promise<SharedLog>
}

function fixture(segmentBytes: number = 64 * 1024): Fixture {
  const calls: SimDiskCall[] = []
  const sim = createSimDisk({ random: createSimRandom('shared log'), faults: noting(calls, null) })
  const open = (): Promise<SharedLog> =>
    openSharedLog({
      disk: sim.disk(),
      clock: STILL_CLOCK,
      logger: SILENT_LOGGER,
      random: createSimRandom(`log ${sim.calls}`),
      segmentBytes,
    })
  return { sim, calls, open }
}

function noting(calls: SimDiskCall[], fault: ((call: SimDiskCall) => SimDiskFault | null) | null) {
  return (call: SimDiskCall): SimDiskFault | null => {
    calls.push(call)
    return fault?.(call) ?? null
  }
}

const group = (number: number): GroupId => number as GroupId
const at = (index: number, term: number) => ({ index: index as LogIndex, term: term as Term })

function entry(index: number, term: number, payload: Buffer = Buffer.from(`entry ${index}`)): Entry {
  return { ...at(index, term), kind: 1, payload }
}

function entries(number: number, ...list: Entry[]): LogRecord {
  return { kind: 'entries', group: group(number), entries: list }
}

function base(number: number, index: number, term: number, discardsTail: boolean = false): LogRecord {
  return {
    kind: 'base',
    group: group(number),
    position: at(index, term),
    membership: Buffer.from('m'),
    discardsTail,
  }
}

function hardState(number: number, term: number, vote: number | null = null): LogRecord {
  const value = { term: term as Term, vote: vote as ReplicaId | null, commit: 0 as LogIndex }
  return { kind: 'hardState', group: group(number), hardState: value }
}

function append(log: SharedLog, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve, reject) => log.append(records, (error) => (error ? reject(error) : resolve())))
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function writesOf(calls: readonly SimDiskCall[]): SimDiskCall[] {
  return calls.filter((call) => call.operation === 'write' && call.path.endsWith('.segment'))
}

describe('group commit', () => {
  test('all that one turn appends is one write and one sync; all that waits is the next', async () => {
    const { open, calls } = fixture()
    const log = await open()
    await append(log, base(1, 0, 0), base(2, 0, 0))
    await settle()
    calls.length = 0
    const order: string[] = []
    for (let index = 1; index <= 50; index++) {
      log.append([entries(1 + (index % 2), entry(Math.ceil(index / 2), 1))], () => order.push(`a${index}`))
    }
    assert.equal(log.queuedBytes > 0, true)
    await Promise.resolve()
    for (let index = 1; index <= 50; index++) log.append([hardState(1, 1, 2)], () => order.push(`b${index}`))
    assert.deepEqual(order, [], 'never inside append')
    await settle()
    assert.equal(writesOf(calls).length, 2)
    assert.equal(calls.filter((call) => call.operation === 'datasync').length, 2)
    const expected = [...Array(50).keys()].map((place) => `a${place + 1}`)
    assert.deepEqual(order, [...expected, ...expected.map((name) => name.replace('a', 'b'))])
    assert.equal(log.queuedBytes, 0)
    assert.equal(log.metrics().appendedRecords, 102)
  })

  test('nothing is acknowledged before its datasync returned', async () => {
    const { open, sim, calls } = fixture()
    const log = await open()
    await settle()
    sim.setFaults(noting(calls, (call) => (call.operation === 'datasync' ? { kind: 'stall' } : null)))
    let isDurable = false
    log.append([base(1, 0, 0)], () => void (isDurable = true))
    await settle()
    assert.equal(isDurable, false)
    sim.setFaults(null)
    sim.releaseStalls()
    await settle()
    assert.equal(isDurable, true)
  })

  test('an append of nothing is told in its turn', async () => {
    const log = await fixture().open()
    await append(log)
    await append(log, entries(1))
  })

  test('an entry far larger than a segment', async () => {
    const { open, sim } = fixture(8192)
    let log = await open()
    const large = Buffer.alloc(3_000_000, 5)
    large.fill(0, 100, 900_000)
    await append(log, base(1, 0, 0), entries(1, entry(1, 1)))
    await append(log, entries(1, entry(2, 1, large), entry(3, 1)))
    await append(log, entries(1, entry(4, 1)))
    sim.crash()
    log = await open()
    const [found] = log.takeRecovered()
    assert.deepEqual(
      found?.entries.map((one) => one.payload.length),
      [7, 3_000_000, 7, 7],
    )
    assert(large.equals(found?.entries[1]?.payload as Buffer))
  })
})

describe('what does not follow is refused at once', () => {
  const refusals: [string, LogRecord[]][] = [
    ['a gap', [entries(1, entry(4, 1))]],
    ['a gap inside', [entries(1, entry(3, 1), entry(5, 1))]],
    ['an entry at or below the base', [base(1, 1, 1), entries(1, entry(1, 1))]],
    ['a term that falls', [entries(1, entry(3, 0))]],
    ['a base that falls', [base(1, 2, 1), base(1, 1, 1)]],
    ['a base nobody wrote', [base(1, 2, 9)]],
    ['a hard state of an older term', [hardState(1, 5), hardState(1, 4)]],
    ['a second vote in a term', [hardState(1, 5, 2), hardState(1, 5, 3)]],
  ]
  for (const [name, records] of refusals) {
    test(name, async () => {
      const log = await fixture().open()
      await append(log, base(1, 0, 0), entries(1, entry(1, 1), entry(2, 1)))
      assert.throws(() => log.append(records, () => undefined), { code: 'ERR_ASSERTION' })
    })
  }
})

describe('failure', () => {
  test('of a sync fails everything since, is never retried on that file, and reopening goes on behind the last sync', async () => {
    const { open, sim, calls } = fixture()
    let log = await open()
    await append(log, base(1, 0, 0), entries(1, entry(1, 1)))
    await settle()
    let failures = 1
    sim.setFaults(
      noting(calls, (call) =>
        call.operation === 'datasync' && failures-- > 0 ? { kind: 'error', errno: 'EIO' } : null,
      ),
    )
    const told: string[] = []
    log.append([entries(1, entry(2, 1))], (error) => told.push(`first ${error?.message}`))
    await Promise.resolve()
    log.append([entries(1, entry(3, 1))], (error) => told.push(`second ${error?.message}`))
    await settle()
    calls.length = 0
    log.append([entries(1, entry(4, 1))], (error) => told.push(`third ${error?.message}`))
    assert.equal(told.length, 2)
    await settle()
    const message = 'datasync log/0000000001.segment: EIO'
    assert.deepEqual(told, [`first ${message}`, `second ${message}`, `third ${message}`])
    assert.equal(log.status.kind, 'failed')
    await log.reopen()
    assert.equal(log.status.kind, 'running')
    assert.deepEqual(
      log.takeRecovered()[0]?.entries.map((one) => one.index),
      [1],
    )
    await append(log, entries(1, entry(2, 2)))
    assert.deepEqual(
      calls.filter(
        (call) => call.path.endsWith('0000000001.segment') && /write|datasync|truncate/.test(call.operation),
      ),
      [],
      'the abandoned file is left alone',
    )
    // The unsynced tail is still in the cache of the system: a restart must not find it.
    sim.kill()
    log = await open()
    assert.deepEqual(
      log.takeRecovered()[0]?.entries.map((one) => [one.index, one.term]),
      [
        [1, 1],
        [2, 2],
      ],
    )
  })

  test('an unacknowledged tail does not come back, whatever the crash keeps', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const { open, sim, calls } = fixture()
      const log = await open()
      await append(log, base(1, 0, 0), entries(1, entry(1, 1)))
      await settle()
      let failures = 1
      sim.setFaults(
        noting(calls, (call) =>
          call.operation === 'datasync' && failures-- > 0 ? { kind: 'error', errno: 'EIO' } : null,
        ),
      )
      await assert.rejects(append(log, entries(1, entry(2, 1))))
      await log.reopen()
      const copy = sim.fork(createSimRandom(seed))
      copy.setFaults(null)
      copy.crash()
      const options = {
        disk: copy.disk(),
        clock: STILL_CLOCK,
        logger: SILENT_LOGGER,
        random: createSimRandom(1),
      }
      const [found] = (await openSharedLog({ ...options, segmentBytes: 64 * 1024 })).takeRecovered()
      assert.deepEqual(
        found?.entries.map((one) => one.index),
        [1],
        `seed ${seed}`,
      )
    }
  })

  test('no space for the next segment: the current one still fills, then appends fail until there is space', async () => {
    const { open, sim } = fixture(8192)
    const log = await open()
    await append(log, base(1, 0, 0))
    await settle()
    sim.setCapacity(2 * 8192)
    let index = 0
    const fill = async (): Promise<void> => {
      for (;;) await append(log, entries(1, entry(++index, 1, Buffer.alloc(1000, 1))))
    }
    await assert.rejects(fill(), { errno: 'ENOSPC' })
    assert(index >= 6)
    await assert.rejects(log.reopen(), { errno: 'ENOSPC' })
    assert.equal(log.status.kind, 'failed')
    sim.setCapacity(1 << 20)
    await log.reopen()
    assert.equal(log.takeRecovered()[0]?.entries.length, index - 1)
    await append(log, entries(1, entry(index, 1)))
    await settle()
    assert.equal(sim.paths().filter((path) => path.endsWith('.preparing')).length, 0)
  })

  test("of opening is the caller's, and leaves a log that opens later", async () => {
    const { open, sim, calls } = fixture()
    const first = await open()
    await append(first, base(1, 0, 0))
    sim.kill()
    sim.setFaults(
      noting(calls, (call) => (call.operation === 'write' ? { kind: 'error', errno: 'EROFS' } : null)),
    )
    await assert.rejects(open(), { errno: 'EROFS' })
    sim.kill()
    sim.setFaults(null)
    assert.equal((await open()).takeRecovered().length, 1)
  })
})

describe('life and death', () => {
  test('closing waits for what was appended and refuses what comes later', async () => {
    const { open, sim } = fixture()
    const log = await open()
    const order: string[] = []
    log.append([base(1, 0, 0)], (error) => order.push(`durable ${error}`))
    const closed = log.close().then(() => order.push('closed'))
    log.append([entries(1, entry(1, 1))], (error) => order.push(`late ${error?.message}`))
    await closed
    assert.deepEqual(order.toSorted(), ['closed', 'durable undefined', 'late the log is closed'])
    assert.equal(log.status.kind, 'closed')
    sim.kill()
    assert.equal((await open()).takeRecovered()[0]?.entries.length, 0)
  })

  test('what was recovered is handed out once', async () => {
    const log = await fixture().open()
    log.takeRecovered()
    assert.throws(() => log.takeRecovered(), { code: 'ERR_ASSERTION' })
  })

  test('a dropped group is gone, and may come again', async () => {
    const { open, sim } = fixture()
    let log = await open()
    await append(log, base(1, 0, 0), hardState(1, 4, 2), base(2, 0, 0))
    await append(log, { kind: 'dropGroup', group: group(1) })
    await append(log, base(1, 0, 0), hardState(1, 1, 1))
    sim.crash()
    log = await open()
    assert.deepEqual(
      log.takeRecovered().map((one) => [one.group, one.hardState.term]),
      [
        [2, 0],
        [1, 1],
      ],
    )
  })
})

describe('garbage collection', () => {
  test('an idle group does not hold old segments for ever', async () => {
    const { open, sim } = fixture(8192)
    let log = await open()
    await append(log, base(1, 0, 0), base(2, 0, 0), hardState(2, 3, 1), entries(2, entry(1, 2), entry(2, 3)))
    for (let index = 1; index <= 60; index++) {
      await append(log, entries(1, entry(index, 1, Buffer.alloc(1000, index))))
      if (index % 10 === 0) {
        await append(log, base(1, index, 1))
        await log.collectGarbage()
      }
    }
    assert(log.metrics().segments <= 4, `${log.metrics().segments} segments`)
    sim.crash()
    log = await open()
    const idle = log.takeRecovered().find((one) => one.group === 2)
    assert.equal(idle?.damage, null)
    assert.deepEqual(
      [idle?.hardState.term, idle?.hardState.vote, idle?.entries.map((one) => one.term)],
      [3, 1, [2, 3]],
    )
  })

  test('a group that did not cut its log holds its segments', async () => {
    const { open } = fixture(8192)
    const log = await open()
    await append(log, base(1, 0, 0))
    for (let index = 1; index <= 40; index++)
      await append(log, entries(1, entry(index, 1, Buffer.alloc(1000))))
    const before = log.metrics().segments
    await log.collectGarbage()
    assert.equal(log.metrics().segments, before)
  })
})

describe('many short lives', () => {
  const SEGMENT_BYTES = 64 * 1024

  test('keep what was acknowledged and not the rests of their segments', async () => {
    const { open, sim } = fixture(SEGMENT_BYTES)
    for (let life = 1; life <= 12; life++) {
      const log = await open()
      assert.deepEqual(log.takeRecovered()[0]?.entries.length ?? 0, life - 1)
      const first = life === 1 ? [base(1, 0, 0)] : []
      await append(log, ...first, entries(1, entry(life, 1)), hardState(1, life, 1))
      // The new one, the one prepared behind it is not counted, and a few sectors of each one before.
      const { bytesOnDisk, segments } = log.metrics()
      assert.equal(segments, life)
      assert(bytesOnDisk <= SEGMENT_BYTES + life * 2048, `${bytesOnDisk} bytes in life ${life}`)
      const path = `log/${String(life).padStart(10, '0')}.segment`
      assert.equal(sim.bytes(path).length, SEGMENT_BYTES, 'the one in use has its full size')
      if (life % 2 === 0) sim.kill()
      else sim.crash()
    }
  })

  test('cuts that fail are no failure', async () => {
    for (const operation of ['truncate', 'datasync'] as const) {
      const { open, sim } = fixture(SEGMENT_BYTES)
      let log = await open()
      await append(log, base(1, 0, 0), entries(1, entry(1, 1)), hardState(1, 1, 1))
      sim.crash()
      const old = 'log/0000000001.segment'
      sim.setFaults((call) =>
        call.operation === operation && call.path === old ? { kind: 'error', errno: 'EIO' } : null,
      )
      log = await open()
      assert.equal(log.metrics().bytesOnDisk, 2 * SEGMENT_BYTES)
      await append(log, entries(1, entry(2, 1)), hardState(1, 1, 1))
      sim.crash()
      sim.setFaults(() => null)
      log = await open()
      const [recovered] = log.takeRecovered()
      assert.equal(recovered?.damage, null)
      assert.equal(recovered?.entries.length, 2)
      sim.crash()
    }
  })

  test('the last frame is still in the old segment when its copy is lost', async () => {
    const { open, sim } = fixture(SEGMENT_BYTES)
    let log = await open()
    await append(log, base(1, 0, 0), entries(1, entry(1, 1)), hardState(1, 1, 1))
    sim.crash()
    log = await open()
    assert(sim.bytes('log/0000000001.segment').length < SEGMENT_BYTES)
    sim.crash()
    for (const number of [2, 3]) {
      const path = `log/000000000${number}.segment`
      if (await sim.disk().exists(path)) await sim.disk().remove(path)
    }
    log = await open()
    assert.equal(log.takeRecovered()[0]?.entries.length, 1)
  })
})

test('the dump says what is there, and where it is damaged', async () => {
  const { open, sim } = fixture()
  const log = await open()
  await append(log, base(1, 0, 0), hardState(1, 2, 3))
  await append(log, entries(1, entry(1, 2, Buffer.from('hi'))))
  await log.close()
  const dump = async (): Promise<string[]> => {
    const lines: string[] = []
    for await (const line of dumpLog(sim.disk(), 'log', { withEntries: true })) lines.push(line.trim())
    return lines
  }
  sim.kill()
  const lines = await dump()
  for (const expected of [
    'start: nothing before it, floor 1',
    'group 1: base 0 in term 0, membership of 1 bytes',
    'group 1: term 2, vote 3, commit 0',
    'group 1: entry 1, term 2 after term 0, 2 bytes',
    '1 (term 2) command, 2 bytes 6869',
  ]) {
    assert(lines.includes(expected), `${expected} is not in\n${lines.join('\n')}`)
  }
  sim.flipBit('log/0000000001.segment', 1024 + 45, 0)
  assert((await dump()).some((line) => line.startsWith('1024: DAMAGED') && line.endsWith('groups 1')))
})
