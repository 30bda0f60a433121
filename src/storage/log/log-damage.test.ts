/**
 * Rot: whatever byte, sector or file of a small log goes bad, each group is found exactly as it was
 * or reported as damaged, and a damaged one shows nothing that was never written.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SimDisk } from '../../../sim/disk/disk.ts'
import { createSimDisk } from '../../../sim/disk/disk.ts'
import {
  buildLog,
  DAMAGE_SEGMENT_BYTES,
  lastUsedSegment,
  openLogOn,
  segmentsOf,
  spoil,
  usedBytes,
} from '../../../sim/log/log-damage.ts'
import { createSimRandom } from '../../../sim/world/random.ts'
import type { GroupId } from '../../base/ids.ts'
import type { Entry, LogIndex, Term } from '../../base/log-entry.ts'
import { SECTOR_BYTES } from './log-format.ts'
import type { LogRecord, RecoveredGroup, SharedLog } from './shared-log.ts'

/** `LOG_SEEDS=2 node --test …` flips a bit of every single byte. */
const IS_FULL_SWEEP = process.env['LOG_SEEDS'] !== undefined

describe('a flipped bit', () => {
  for (const [seed, isClosed] of [
    [1, false],
    [2, true],
  ] as const) {
    test(`anywhere in a log that was ${isClosed ? 'closed' : 'killed'}`, async () => {
      const built = await buildLog(seed, 14, isClosed)
      let harmless = 0
      let reported = 0
      for (const path of segmentsOf(built.sim)) {
        const used = usedBytes(built.sim, path)
        for (let offset = 0; offset < used; offset++) {
          const stride = offset % SECTOR_BYTES < 48 ? 7 : 83
          if (!IS_FULL_SWEEP && (offset + seed) % stride !== 0) continue
          const bit = (offset * 7) % 8
          const { damaged } = await spoil(
            built,
            `seed ${seed}: bit ${bit} of ${offset} in ${path}`,
            (copy) => {
              copy.flipBit(path, offset, bit)
            },
          )
          if (damaged === 0) harmless++
          else reported++
        }
      }
      assert(reported > harmless, `${reported} reported, ${harmless} harmless`)
    })
  }
})

describe('a sector', () => {
  test('of zeros is damage everywhere but in a last frame that no later one proves', async () => {
    for (const seed of [3, 4, 5]) {
      const built = await buildLog(seed, 14, true)
      for (const path of segmentsOf(built.sim)) {
        const used = usedBytes(built.sim, path)
        for (let sector = 0; sector * SECTOR_BYTES < used; sector++) {
          const what = `seed ${seed}: sector ${sector} of ${path} zeroed`
          await spoil(built, what, (copy) => copy.zeroSector(path, sector))
        }
      }
    }
  })

  test('that can not be read is damage', async () => {
    const built = await buildLog(6, 12, true)
    for (const path of segmentsOf(built.sim)) {
      const used = usedBytes(built.sim, path)
      for (let sector = 0; sector * SECTOR_BYTES < used; sector++) {
        await spoil(built, `sector ${sector} of ${path} unreadable`, (copy) => copy.breakSector(path, sector))
      }
    }
  })

  test('of the last frame, acknowledged: a flip is damage, zeros look torn', async () => {
    const { sim, log, put } = await simpleLog()
    await put(entries(1, 1, 1, 1400))
    await put(entries(1, 2, 1, 1400))
    assert.equal(log.status.kind, 'running')
    sim.kill()
    const path = lastUsedSegment(sim)
    const lastSector = Math.floor((usedBytes(sim, path) - 1) / SECTOR_BYTES)
    const flipped = sim.fork(createSimRandom(1))
    flipped.flipBit(path, lastSector * SECTOR_BYTES + 9, 1)
    const damaged = (await openLogOn(flipped)).takeRecovered()[0]
    assert(damaged?.damage)
    assert.equal(damaged.entries.length, 1)
    const zeroed = sim.fork(createSimRandom(1))
    zeroed.zeroSector(path, lastSector)
    const cut = (await openLogOn(zeroed)).takeRecovered()[0]
    // The one gap that the format knows of: see docs/formats/log.md.
    assert.equal(cut?.damage, null)
    assert.equal(cut?.entries.length, 1)
  })

  test('of the last frame before a clean stop is damage, zeros too', async () => {
    const { sim, log, put } = await simpleLog()
    await put(entries(1, 1, 1, 1400))
    await log.close()
    sim.kill()
    const path = lastUsedSegment(sim)
    const frame = Math.floor((usedBytes(sim, path) - 1) / SECTOR_BYTES) - 1
    sim.zeroSector(path, frame)
    assert((await openLogOn(sim)).takeRecovered()[0]?.damage)
  })
})

describe('a missing file', () => {
  test('is noticed, whichever it is, unless it was never used', async () => {
    for (const seed of [7, 8, 9]) {
      const built = await buildLog(seed, 20, false)
      const paths = segmentsOf(built.sim)
      assert(paths.length >= 4)
      for (const path of paths.slice(0, -1)) {
        const noticed = await spoil(built, `seed ${seed}: ${path} lost`, (copy) => copy.loseFile(path))
        assert(noticed.losses > 0, `${path} lost without a word`)
      }
      const unused = await spoil(built, 'the prepared segment lost', (copy) =>
        copy.loseFile(paths.at(-1) as string),
      )
      assert.deepEqual(unused, { damaged: 0, losses: 0 })
    }
  })
})

test('segments that a seal announces are missed, even all of them', async () => {
  const { sim, put } = await simpleLog(DAMAGE_SEGMENT_BYTES)
  for (let index = 1; index <= 3; index++) await put(entries(1, index, 1, 1000))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  sim.kill()
  const later = segmentsOf(sim).slice(1)
  assert(later.length >= 2)
  for (const path of later) sim.loseFile(path)
  const log = await openLogOn(sim)
  assert.match(log.losses[0]?.detail ?? '', /announces/)
  assert(log.takeRecovered()[0]?.damage)
})

test('segments are missed when only the one prepared behind them is left, at every open', async () => {
  const { sim, put } = await simpleLog()
  await put(entries(1, 1, 1, 100))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  sim.kill()
  const [used, prepared] = segmentsOf(sim)
  assert(used !== undefined && prepared !== undefined)
  sim.loseFile(used)
  for (let open = 1; open <= 3; open++) {
    const log = await openLogOn(sim)
    assert.match(log.losses[0]?.detail ?? '', /missing/)
    assert.deepEqual(log.takeRecovered(), [])
    if (open === 2) await log.close()
    sim.crash()
  }
})

test('the newest is missed although the header of the one prepared behind it can not be read, at every open', async () => {
  for (const harm of ['breakSector', 'zeroSector', 'flipBit'] as const) {
    const { sim, put } = await simpleLog()
    await put(entries(1, 1, 1, 100))
    // A start goes on in a segment that the one before it does not announce.
    sim.crash()
    const log = await openLogOn(sim)
    await append(log, entries(1, 2, 1, 100))
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    sim.kill()
    const [newest, prepared] = segmentsOf(sim).slice(-2)
    assert(newest !== undefined && prepared !== undefined && newest === lastUsedSegment(sim))
    sim.loseFile(newest)
    if (harm === 'flipBit') sim.flipBit(prepared, 100, 3)
    else sim[harm](prepared, 0)
    for (let open = 1; open <= 3; open++) {
      const found = await openLogOn(sim)
      const group = found.takeRecovered()[0]
      assert(group?.damage, `${harm}, open ${open}: ${JSON.stringify({ group, losses: found.losses })}`)
      sim.crash()
    }
  }
})

describe('repair', () => {
  test('lasts, after the gap was filled; until then the damage stays, even when entries came in', async () => {
    const { sim, put } = await simpleLog()
    for (let index = 1; index <= 6; index++) await put(entries(1, index, 1, 100))
    sim.kill()
    const path = segmentsOf(sim)[0] as string
    // Frame 1 is the start, 2 the base and hard state, 3 to 8 hold one entry each.
    sim.flipBit(path, 6 * SECTOR_BYTES + 60, 0)
    let log = await openLogOn(sim)
    let found = log.takeRecovered()[0] as RecoveredGroup
    assert.equal(found.entries.length, 3)
    assert.equal(found.damage?.lastSyncedIndex, 6)
    await append(log, entries(1, 4, 2, 100))
    await append(log, [
      {
        kind: 'hardState',
        group: 1 as GroupId,
        hardState: { term: 2 as Term, vote: null, commit: 4 as LogIndex },
      },
    ])
    sim.crash()
    log = await openLogOn(sim)
    found = log.takeRecovered()[0] as RecoveredGroup
    assert(found.damage, 'entries alone repair nothing')
    assert.equal(found.entries.length, 4)
    await append(log, entries(1, 5, 2, 100))
    await append(log, [{ kind: 'repaired', group: 1 as GroupId }])
    await log.collectGarbage()
    sim.crash()
    log = await openLogOn(sim)
    found = log.takeRecovered()[0] as RecoveredGroup
    assert.equal(found.damage, null)
    assert.deepEqual(
      found.entries.map((entry) => entry.term),
      [1, 1, 1, 2, 2],
    )
  })

  test('garbage collection waits for it, then keeps the damaged segment as evidence', async () => {
    const { sim, put } = await simpleLog(DAMAGE_SEGMENT_BYTES)
    for (let index = 1; index <= 12; index++) await put(entries(1, index, 1, 600))
    sim.kill()
    const path = segmentsOf(sim)[0] as string
    sim.flipBit(path, 3 * SECTOR_BYTES + 60, 0)
    const log = await openLogOn(sim)
    assert(log.takeRecovered()[0]?.damage)
    const base = { index: 40 as LogIndex, term: 3 as Term }
    await append(log, [
      { kind: 'base', group: 1 as GroupId, position: base, membership: Buffer.from('m'), discardsTail: true },
    ])
    await log.collectGarbage()
    assert(sim.paths().includes(path), 'still there')
    await append(log, [{ kind: 'repaired', group: 1 as GroupId }])
    await log.collectGarbage()
    assert(!sim.paths().includes(path))
    assert(sim.paths().includes(path.replace('log/', 'log/evidence/')))
    assert(log.metrics().segments <= 2)
  })

  test('that can not be read holds up neither garbage collection nor a reopen once it is repaired', async () => {
    const { sim, put } = await simpleLog(DAMAGE_SEGMENT_BYTES)
    for (let index = 1; index <= 12; index++) await put(entries(1, index, 1, 20))
    sim.kill()
    const path = segmentsOf(sim)[0] as string
    sim.breakSector(path, 4)
    const log = await openLogOn(sim)
    const found = log.takeRecovered()[0]
    assert(found?.damage)
    assert.equal(found.entries.length, 1)
    for (let index = 2; index <= 12; index++) await append(log, entries(1, index, 2, 20))
    await append(log, [{ kind: 'repaired', group: 1 as GroupId }])

    sim.setFaults((call) => (call.operation === 'datasync' ? { kind: 'error', errno: 'ENOSPC' } : null))
    await assert.rejects(append(log, entries(1, 13, 2, 20)))
    sim.setFaults(null)
    await log.reopen()
    const reopened = log.takeRecovered()[0]
    assert.equal(reopened?.damage, null)
    assert.deepEqual(
      reopened?.entries.map((entry) => entry.term),
      [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
    )

    await log.collectGarbage()
    assert(!sim.paths().includes(path), 'its one live entry was copied')
    sim.kill()
    const again = (await openLogOn(sim)).takeRecovered()[0]
    assert.deepEqual([again?.damage, again?.entries.length], [null, 12])
  })

  test('of a header that can not be read loses nothing, and holds up neither a reopen nor garbage collection', async () => {
    const { sim, put } = await simpleLog(DAMAGE_SEGMENT_BYTES)
    for (let index = 1; index <= 12; index++) await put(entries(1, index, 1, 20))
    sim.kill()
    const path = segmentsOf(sim)[0] as string
    sim.breakSector(path, 0)
    const log = await openLogOn(sim)
    assert.equal(log.takeRecovered()[0]?.damage, null)
    sim.setFaults((call) => (call.operation === 'datasync' ? { kind: 'error', errno: 'ENOSPC' } : null))
    await assert.rejects(append(log, entries(1, 13, 2, 20)))
    sim.setFaults(null)
    await log.reopen()
    assert.equal(log.takeRecovered()[0]?.entries.length, 12)
    const base = { index: 40 as LogIndex, term: 3 as Term }
    await append(log, [
      { kind: 'base', group: 1 as GroupId, position: base, membership: Buffer.from('m'), discardsTail: true },
    ])
    await log.collectGarbage()
    assert(!sim.paths().includes(path))
  })

  test('is not needed of what counts no more: it holds up neither a reopen nor garbage collection', async () => {
    const { sim, put } = await simpleLog(DAMAGE_SEGMENT_BYTES)
    for (let index = 1; index <= 6; index++) await put(entries(1, index, 1, 20))
    sim.kill()
    const path = lastUsedSegment(sim)
    let log = await openLogOn(sim, DAMAGE_SEGMENT_BYTES)
    assert.equal(log.takeRecovered()[0]?.entries.length, 6)
    sim.kill()
    // The last frame of the first process: the next segment has its records, this copy counts no more.
    sim.breakSector(path, Math.floor((usedBytes(sim, path) - 1) / SECTOR_BYTES))
    log = await openLogOn(sim, DAMAGE_SEGMENT_BYTES)
    assert.deepEqual([log.takeRecovered()[0]?.damage, log.losses], [null, []])
    for (let index = 7; index <= 12; index++) await append(log, entries(1, index, 1, 20))

    // Nor what is behind the last synced frame of the file that failed, and in the one prepared next.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    const active = lastUsedSegment(sim)
    const prepared = segmentsOf(sim).at(-1) as string
    assert(prepared > active)
    const end = Math.ceil(usedBytes(sim, active) / SECTOR_BYTES)
    sim.setFaults((call) => (call.operation === 'write' ? { kind: 'error', errno: 'EIO' } : null))
    await assert.rejects(append(log, entries(1, 13, 1, 20)))
    sim.setFaults(null)
    sim.breakSector(active, end)
    sim.breakSector(prepared, 1)
    await log.reopen()
    const reopened = log.takeRecovered()[0]
    assert.deepEqual([reopened?.damage, reopened?.entries.length], [null, 12])

    await log.collectGarbage()
    assert(!sim.paths().includes(path), 'its live entries were copied')
    sim.kill()
    const again = (await openLogOn(sim)).takeRecovered()[0]
    assert.deepEqual([again?.damage, again?.entries.length], [null, 12])
  })

  test('that takes the members of a group is damage, whatever was repaired before', async () => {
    const { sim, put } = await simpleLog()
    await put(entries(1, 1, 1, 100))
    await put(entries(1, 2, 1, 100))
    await put(entries(1, 3, 1, 100))
    sim.kill()
    const path = segmentsOf(sim)[0] as string
    sim.flipBit(path, 4 * SECTOR_BYTES + 60, 0)
    const log = await openLogOn(sim)
    assert.equal(log.takeRecovered()[0]?.entries.length, 1)
    await append(log, [...entries(1, 2, 1, 100), ...entries(1, 3, 1, 100)])
    await append(log, [{ kind: 'repaired', group: 1 as GroupId }])
    sim.kill()
    sim.flipBit(path, 2 * SECTOR_BYTES + 44, 0)
    const found = (await openLogOn(sim)).takeRecovered()[0]
    assert(found?.damage)
    assert.equal(found.membership.length, 0)
  })

  test('of one group leaves the others alone, and a dropped group needs none', async () => {
    const { sim, put } = await simpleLog()
    await put(entries(1, 1, 1, 100))
    await put([...base(2), ...entries(2, 1, 1, 100)])
    await put(entries(1, 2, 1, 100))
    sim.kill()
    const path = segmentsOf(sim)[0] as string
    sim.flipBit(path, 4 * SECTOR_BYTES + 60, 0)
    let log = await openLogOn(sim)
    const found = log.takeRecovered()
    assert.deepEqual(
      found.map((one) => [one.group, one.entries.length, one.damage === null]),
      [
        [1, 2, true],
        [2, 0, false],
      ],
    )
    assert.deepEqual(log.losses, [])
    await append(log, [{ kind: 'dropGroup', group: 2 as GroupId }])
    sim.crash()
    log = await openLogOn(sim)
    assert.deepEqual(
      log.takeRecovered().map((one) => [one.group, one.damage]),
      [[1, null]],
    )
  })

  test('is not needed where later records replaced all that was lost', async () => {
    const { sim, put } = await simpleLog()
    await put(entries(1, 1, 1, 100))
    await put(entries(1, 2, 1, 100))
    await put(entries(1, 2, 2, 100))
    await put([
      {
        kind: 'hardState',
        group: 1 as GroupId,
        hardState: { term: 2 as Term, vote: null, commit: 0 as LogIndex },
      },
    ])
    sim.kill()
    sim.flipBit(segmentsOf(sim)[0] as string, 4 * SECTOR_BYTES + 60, 0)
    const found = (await openLogOn(sim)).takeRecovered()[0]
    assert.equal(found?.damage, null)
    assert.deepEqual(
      found?.entries.map((entry) => entry.term),
      [1, 2],
    )
  })
})

function base(group: number): LogRecord[] {
  const position = { index: 0 as LogIndex, term: 0 as Term }
  const hardState = { term: 1 as Term, vote: null, commit: 0 as LogIndex }
  return [
    { kind: 'base', group: group as GroupId, position, membership: Buffer.from('m'), discardsTail: false },
    { kind: 'hardState', group: group as GroupId, hardState },
  ]
}

function entries(group: number, index: number, term: number, length: number): LogRecord[] {
  const entry: Entry = {
    index: index as LogIndex,
    term: term as Term,
    kind: 1,
    payload: Buffer.alloc(length, index),
  }
  return [{ kind: 'entries', group: group as GroupId, entries: [entry] }]
}

function append(log: SharedLog, records: readonly LogRecord[]): Promise<void> {
  return new Promise((resolve, reject) => log.append(records, (error) => (error ? reject(error) : resolve())))
}

async function simpleLog(segmentBytes: number = 16 * DAMAGE_SEGMENT_BYTES): Promise<{
  sim: SimDisk
  log: SharedLog
  put: (records: LogRecord[]) => Promise<void>
}> {
  const sim = createSimDisk({ random: createSimRandom('simple') })
  const log = await openLogOn(sim, segmentBytes)
  assert.deepEqual(log.takeRecovered(), [])
  await append(log, base(1))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  return { sim, log, put: (records) => append(log, records) }
}
