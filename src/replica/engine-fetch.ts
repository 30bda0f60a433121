/**
 * One trip to the engine for what memory could not answer. What it brings is good only while nothing was
 * flushed since the trip began (`StateStore.isCurrent`).
 */
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue } from '../base/machine.ts'
import type { Engine } from '../env/engine.ts'
import type { EngineKeys } from './engine-records.ts'

/** Read beyond a range's limit, so that a few deletions in the overlay don't cost a second trip. */
const RANGE_SLACK = 16

/** Answers from the engine to one round of needs; see `StateStore.fetch`. */
export type Fetched = {
  readonly values: ReadonlyMap<ByteString, ByteString | null>
  readonly ranges: readonly FetchedRange[]
  readonly flushCount: number
  readonly keys: EngineKeys
}

export type FetchedRange = {
  readonly range: KeyRange
  readonly records: readonly KeyValue[]
  readonly exhausted: boolean
}

/** Under which names the engine has the state now, and what is newer than the engine. */
export type FetchedFor = {
  readonly keys: EngineKeys
  /** How many records of a range are not in the engine as it is. */
  changesIn(range: KeyRange): number
}

export async function fetchOnce(
  engine: Engine,
  state: FetchedFor,
  flushCount: number,
  keys: readonly ByteString[],
  ranges: readonly KeyRange[],
): Promise<Fetched> {
  const engineKeys = state.keys
  const [found, readRanges] = await Promise.all([
    engine.getMany(keys.map((key) => engineKeys.of(key))),
    Promise.all(ranges.map((range) => fetchRange(engine, range, engineKeys, state.changesIn(range)))),
  ])
  const values = new Map<ByteString, ByteString | null>()
  keys.forEach((key, at) => values.set(key, found[at] ?? null))
  return { values, ranges: readRanges, flushCount, keys: engineKeys }
}

async function fetchRange(
  engine: Engine,
  range: KeyRange,
  engineKeys: EngineKeys,
  changes: number,
): Promise<FetchedRange> {
  const limit = range.limit + changes + RANGE_SLACK
  const found = await engine.range({
    from: engineKeys.of(range.from),
    to: engineKeys.of(range.to),
    limit,
  })
  const records = found.map(({ key, value }) => ({ key: engineKeys.machineKeyOf(key), value }))
  return { range, records, exhausted: found.length < limit }
}
