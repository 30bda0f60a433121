/**
 * Rot in a small log: whatever byte, sector or file goes bad, each group is found exactly as it was
 * or reported as damaged, a damaged one shows nothing that was never written, and a second start
 * finds the same as the first.
 */
import assert from 'node:assert/strict'
import { SECTOR_BYTES } from '../../src/storage/log/log-format.ts'
import { openSharedLog } from '../../src/storage/log/open-shared-log.ts'
import type { RecoveredGroup, SharedLog } from '../../src/storage/log/shared-log.ts'
import type { SimDisk } from '../disk/disk.ts'
import { createSimDisk } from '../disk/disk.ts'
import { createSimRandom } from '../world/random.ts'
import type { LogModel } from './log-workload.ts'
import {
  entryText,
  LogRun,
  modelText,
  randomRecords,
  recoveredModel,
  SILENT_LOGGER,
  STILL_CLOCK,
} from './log-workload.ts'

export const DAMAGE_SEGMENT_BYTES = 4096
const APPENDS_MAX = 20
/** To one log, one after the other, each to a copy. */
const DAMAGES = 20

export type Built = {
  readonly sim: SimDisk
  readonly model: LogModel
  /** Every entry ever appended, by group. */
  readonly written: ReadonlySet<string>
}

/** A few segments, all acknowledged; then the process is killed, or stops in order. */
export async function buildLog(seed: number, appends: number, isClosed: boolean): Promise<Built> {
  const random = createSimRandom(`damage ${seed}`)
  const sim = createSimDisk({ random: random.fork('disk') })
  const run = new LogRun({ random, sim, segmentBytes: DAMAGE_SEGMENT_BYTES, largestPayload: 3000 })
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

export async function openLogOn(
  sim: SimDisk,
  segmentBytes: number = DAMAGE_SEGMENT_BYTES,
): Promise<SharedLog> {
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
export function judge(built: Built, log: SharedLog, found: readonly RecoveredGroup[]): number {
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
export async function spoil(
  built: Built,
  what: string,
  act: (copy: SimDisk) => void,
): Promise<{ damaged: number; losses: number }> {
  const copy = built.sim.fork(createSimRandom(what))
  act(copy)
  try {
    const log = await openLogOn(copy)
    const found = log.takeRecovered()
    const damaged = judge(built, log, found)
    copy.kill()
    const again = await openLogOn(copy)
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

export function segmentsOf(sim: SimDisk): string[] {
  return sim.paths().filter((path) => path.endsWith('.segment'))
}

export function lastUsedSegment(sim: SimDisk): string {
  return segmentsOf(sim).findLast((path) => usedBytes(sim, path) > SECTOR_BYTES) as string
}

/** Bytes up to the last that is not zero. */
export function usedBytes(sim: SimDisk, path: string): number {
  return sim.bytes(path).findLastIndex((byte) => byte !== 0) + 1
}

/** A log drawn from the seed, and damage of all kinds at random places of it. Throws what was not noticed. */
export async function runLogDamage(seed: number): Promise<void> {
  const random = createSimRandom(`rot ${seed}`)
  const isClosed = random.chance(0.5)
  const built = await buildLog(seed, random.between(3, APPENDS_MAX), isClosed)
  const paths = segmentsOf(built.sim)
  for (let at = 0; at < DAMAGES; at++) {
    const path = random.pick(paths)
    const used = Math.max(1, usedBytes(built.sim, path))
    const offset = random.below(used)
    const sector = Math.floor(offset / SECTOR_BYTES)
    // Zeros in the last frame look torn unless a later one proves it: the one gap that the format knows of.
    const kind = random.pick(
      isClosed ? (['flip', 'break', 'zero', 'lose'] as const) : (['flip', 'break'] as const),
    )
    const isUnused = path === paths.at(-1)
    if (kind === 'lose' && isUnused) continue
    const { damaged, losses } = await spoil(
      built,
      `seed ${seed}: ${kind} at ${offset} of ${path}`,
      (copy) => {
        if (kind === 'flip') copy.flipBit(path, offset, random.below(8))
        else if (kind === 'break') copy.breakSector(path, sector)
        else if (kind === 'zero') copy.zeroSector(path, sector)
        else copy.loseFile(path)
      },
    )
    assert(kind !== 'lose' || damaged + losses > 0, `seed ${seed}: ${path} lost without a word`)
  }
}
