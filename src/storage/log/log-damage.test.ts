/**
 * Rot: whatever byte, sector or file of a small log goes bad, each group is found exactly as it was
 * or reported as damaged, and a damaged one shows nothing that was never written.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SimDisk } from '../../../sim/disk.ts'
import { createSimDisk } from '../../../sim/disk.ts'
import type { LogModel } from '../../../sim/log-workload.ts'
import {
  entryText,
  LogRun,
  modelText,
  randomRecords,
  recoveredModel,
  SILENT_LOGGER,
  STILL_CLOCK,
} from '../../../sim/log-workload.ts'
import { createSimRandom } from '../../../sim/random.ts'
import type { GroupId } from '../../base/ids.ts'
import type { Entry, LogIndex, Term } from '../../base/log-entry.ts'
import { SECTOR_BYTES } from './log-format.ts'
import { openSharedLog } from './open-shared-log.ts'
import type { LogRecord, RecoveredGroup, SharedLog } from './shared-log.ts'

const SEGMENT_BYTES = 4096

/** `LOG_SEEDS=2 node --test …` flips a bit of every single byte. */
const IS_FULL_SWEEP = process.env['LOG_SEEDS'] !== undefined

type Built = {
  readonly sim: SimDisk
  readonly model: LogModel
  /** Every entry ever appended, by group. */
  readonly written: ReadonlySet<string>
}

/** A few segments, all acknowledged; then the process is killed, or stops in order. */
async function build(seed: number, appends: number, isClosed: boolean): Promise<Built> {
  const random = createSimRandom(`damage ${seed}`)
  const sim = createSimDisk({ random: random.fork('disk') })
  const run = new LogRun({ random, sim, segmentBytes: SEGMENT_BYTES, largestPayload: 3000 })
  const written = new Set<string>()
  await run.open()
  for (let at = 0; at < appends; at++) {
    const records = randomRecords(random, run.model, 3000)
    if (records.some((record) => record.kind === 'dropGroup')) continue
    for (const record of records) {
      if (record.kind === 'entries')
        for (const entry of record.entries) written.add(`${record.group} ${entryText(entry)}`)
    }
    assert(await run.append(records))
  }
  const model = run.model
  if (isClosed) await run.log?.close()
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  sim.kill()
  return { sim, model, written }
}

async function openOn(sim: SimDisk, segmentBytes: number = SEGMENT_BYTES): Promise<SharedLog> {
  return openSharedLog({
    disk: sim.disk(),
    clock: STILL_CLOCK,
    logger: SILENT_LOGGER,
    random: createSimRandom(`open ${sim.calls}`),
    segmentBytes,
  })
}

/** Equal, but for a lost base record: then entries that could have been dropped are still there. */
function assertSame(
  recovered: RecoveredGroup,
  group: number,
  expected: LogModel extends ReadonlyMap<number, infer Group> ? Group : never,
): void {
  const extra = expected.base.index - recovered.base.index
  assert(extra >= 0)
  const isCut = extra > 0
  const found = isCut
    ? {
        ...recovered,
        base: expected.base,
        entries: recovered.entries.slice(extra),
        membership: Buffer.from(expected.membership),
      }
    : recovered
  if (isCut && extra <= recovered.entries.length)
    assert.equal(recovered.entries[extra - 1]?.term, expected.base.term)
  assert.equal(modelText(recoveredModel([found])), modelText(new Map([[group, expected]])))
}

/** Throws unless each group is as it was or reported; returns how many are reported. */
function judge(built: Built, log: SharedLog, found: readonly RecoveredGroup[]): number {
  let damaged = 0
  for (const [group, expected] of built.model) {
    const recovered = found.find((one) => one.group === group)
    if (recovered === undefined) {
      assert(log.losses.length > 0, `group ${group} is gone and nothing is said`)
      damaged++
      continue
    }
    if (recovered.damage === null) {
      assertSame(recovered, group, expected)
      continue
    }
    damaged++
    assert(recovered.damage.detail.length > 0 && recovered.damage.path.startsWith('log/'))
    assert(recovered.hardState.commit <= recovered.base.index + recovered.entries.length)
    for (const [at, entry] of recovered.entries.entries()) {
      assert.equal(entry.index, recovered.base.index + 1 + at)
      assert(
        built.written.has(`${group} ${entryText(entry)}`),
        `group ${group}: entry ${entry.index} was never written`,
      )
    }
  }
  for (const one of found) assert(built.model.has(one.group), `group ${one.group} never existed`)
  return damaged
}

/** Spoils a copy, opens it, judges; then again after a restart: damage must stay. */
async function spoil(
  built: Built,
  what: string,
  act: (copy: SimDisk) => void,
): Promise<{ damaged: number; losses: number }> {
  const copy = built.sim.fork(createSimRandom(what))
  act(copy)
  try {
    const log = await openOn(copy)
    const found = log.takeRecovered()
    const damaged = judge(built, log, found)
    copy.kill()
    const again = await openOn(copy)
    const text = (groups: readonly RecoveredGroup[]): string =>
      groups
        .map((one) => `${one.damage !== null} ${modelText(recoveredModel([one]))}`)
        .sort()
        .join('\n')
    assert.equal(text(again.takeRecovered()), text(found), 'the same after a restart')
    copy.kill()
    return { damaged, losses: log.losses.length }
  } catch (error) {
    throw new Error(what, { cause: error })
  }
}

function segments(sim: SimDisk): string[] {
  return sim.paths().filter((path) => path.endsWith('.segment'))
}

function lastUsed(sim: SimDisk): string {
  return segments(sim).findLast((path) => usedBytes(sim, path) > SECTOR_BYTES) as string
}

/** Bytes up to the last that is not zero. */
function usedBytes(sim: SimDisk, path: string): number {
  return sim.bytes(path).findLastIndex((byte) => byte !== 0) + 1
}

describe('a flipped bit', () => {
  for (const [seed, isClosed] of [
    [1, false],
    [2, true],
  ] as const) {
    test(`anywhere in a log that was ${isClosed ? 'closed' : 'killed'}`, async () => {
      const built = await build(seed, 14, isClosed)
      let harmless = 0
      let reported = 0
      for (const path of segments(built.sim)) {
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
      const built = await build(seed, 14, true)
      for (const path of segments(built.sim)) {
        const used = usedBytes(built.sim, path)
        for (let sector = 0; sector * SECTOR_BYTES < used; sector++) {
          const what = `seed ${seed}: sector ${sector} of ${path} zeroed`
          await spoil(built, what, (copy) => copy.zeroSector(path, sector))
        }
      }
    }
  })

  test('that can not be read is damage', async () => {
    const built = await build(6, 12, true)
    for (const path of segments(built.sim)) {
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
    const path = lastUsed(sim)
    const lastSector = Math.floor((usedBytes(sim, path) - 1) / SECTOR_BYTES)
    const flipped = sim.fork(createSimRandom(1))
    flipped.flipBit(path, lastSector * SECTOR_BYTES + 9, 1)
    const damaged = (await openOn(flipped)).takeRecovered()[0]
    assert(damaged?.damage)
    assert.equal(damaged.entries.length, 1)
    const zeroed = sim.fork(createSimRandom(1))
    zeroed.zeroSector(path, lastSector)
    const cut = (await openOn(zeroed)).takeRecovered()[0]
    // The one gap that the format knows of: see docs/formats/log.md.
    assert.equal(cut?.damage, null)
    assert.equal(cut?.entries.length, 1)
  })

  test('of the last frame before a clean stop is damage, zeros too', async () => {
    const { sim, log, put } = await simpleLog()
    await put(entries(1, 1, 1, 1400))
    await log.close()
    sim.kill()
    const path = lastUsed(sim)
    const frame = Math.floor((usedBytes(sim, path) - 1) / SECTOR_BYTES) - 1
    sim.zeroSector(path, frame)
    assert((await openOn(sim)).takeRecovered()[0]?.damage)
  })
})

describe('a missing file', () => {
  test('is noticed, whichever it is, unless it was never used', async () => {
    for (const seed of [7, 8, 9]) {
      const built = await build(seed, 20, false)
      const paths = segments(built.sim)
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
  const { sim, put } = await simpleLog(SEGMENT_BYTES)
  for (let index = 1; index <= 3; index++) await put(entries(1, index, 1, 1000))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  sim.kill()
  const later = segments(sim).slice(1)
  assert(later.length >= 2)
  for (const path of later) sim.loseFile(path)
  const log = await openOn(sim)
  assert.match(log.losses[0]?.detail ?? '', /announces/)
  assert(log.takeRecovered()[0]?.damage)
})

test('segments are missed when only the one prepared behind them is left, at every open', async () => {
  const { sim, put } = await simpleLog()
  await put(entries(1, 1, 1, 100))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  sim.kill()
  const [used, prepared] = segments(sim)
  assert(used !== undefined && prepared !== undefined)
  sim.loseFile(used)
  for (let open = 1; open <= 3; open++) {
    const log = await openOn(sim)
    assert.match(log.losses[0]?.detail ?? '', /missing/)
    assert.deepEqual(log.takeRecovered(), [])
    if (open === 2) await log.close()
    sim.crash()
  }
})

describe('repair', () => {
  test('lasts, after the gap was filled; until then the damage stays, even when entries came in', async () => {
    const { sim, put } = await simpleLog()
    for (let index = 1; index <= 6; index++) await put(entries(1, index, 1, 100))
    sim.kill()
    const path = segments(sim)[0] as string
    // Frame 1 is the start, 2 the base and hard state, 3 to 8 hold one entry each.
    sim.flipBit(path, 6 * SECTOR_BYTES + 60, 0)
    let log = await openOn(sim)
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
    log = await openOn(sim)
    found = log.takeRecovered()[0] as RecoveredGroup
    assert(found.damage, 'entries alone repair nothing')
    assert.equal(found.entries.length, 4)
    await append(log, entries(1, 5, 2, 100))
    await append(log, [{ kind: 'repaired', group: 1 as GroupId }])
    await log.collectGarbage()
    sim.crash()
    log = await openOn(sim)
    found = log.takeRecovered()[0] as RecoveredGroup
    assert.equal(found.damage, null)
    assert.deepEqual(
      found.entries.map((entry) => entry.term),
      [1, 1, 1, 2, 2],
    )
  })

  test('garbage collection waits for it, then keeps the damaged segment as evidence', async () => {
    const { sim, put } = await simpleLog(SEGMENT_BYTES)
    for (let index = 1; index <= 12; index++) await put(entries(1, index, 1, 600))
    sim.kill()
    const path = segments(sim)[0] as string
    sim.flipBit(path, 3 * SECTOR_BYTES + 60, 0)
    const log = await openOn(sim)
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

  test('of one group leaves the others alone, and a dropped group needs none', async () => {
    const { sim, put } = await simpleLog()
    await put(entries(1, 1, 1, 100))
    await put([...base(2), ...entries(2, 1, 1, 100)])
    await put(entries(1, 2, 1, 100))
    sim.kill()
    const path = segments(sim)[0] as string
    sim.flipBit(path, 4 * SECTOR_BYTES + 60, 0)
    let log = await openOn(sim)
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
    log = await openOn(sim)
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
    sim.flipBit(segments(sim)[0] as string, 4 * SECTOR_BYTES + 60, 0)
    const found = (await openOn(sim)).takeRecovered()[0]
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

async function simpleLog(segmentBytes: number = 16 * SEGMENT_BYTES): Promise<{
  sim: SimDisk
  log: SharedLog
  put: (records: LogRecord[]) => Promise<void>
}> {
  const sim = createSimDisk({ random: createSimRandom('simple') })
  const log = await openOn(sim, segmentBytes)
  assert.deepEqual(log.takeRecovered(), [])
  await append(log, base(1))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  return { sim, log, put: (records) => append(log, records) }
}
