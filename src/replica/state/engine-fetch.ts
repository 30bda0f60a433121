/**
 * One trip to the engine for what memory could not answer. What it brings is good only while nothing was
 * flushed since the trip began (`StateStore.isCurrent`).
 */
import type { ByteString } from '../../base/bytes.ts'
import type { KeyRange, KeyValue } from '../../base/machine.ts'
import type { Engine } from '../../env/engine.ts'
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
  /** The value of one of its records. */
  readonly valueOf: (key: ByteString) => ByteString | undefined
}

/** Under which names the engine has the state now, and what is newer than the engine. */
export type FetchedFor = {
  readonly keys: EngineKeys
  /** How many records of a range are not in the engine as it is. */
  changesIn(range: KeyRange): number
  /** Where reading a range may begin: what the engine has before that is deleted. */
  beginOf(range: KeyRange): ByteString
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
    Promise.all(ranges.map((range) => fetchRange(engine, range, engineKeys, state))),
  ])
  const values = new Map<ByteString, ByteString | null>()
  keys.forEach((key, at) => values.set(key, found[at] ?? null))
  return { values, ranges: readRanges, flushCount, keys: engineKeys }
}

async function fetchRange(
  engine: Engine,
  range: KeyRange,
  engineKeys: EngineKeys,
  state: FetchedFor,
): Promise<FetchedRange> {
  const from = state.beginOf(range)
  const limit = range.limit + state.changesIn({ ...range, from }) + RANGE_SLACK
  const found = await engine.range({
    from: engineKeys.of(from),
    to: engineKeys.of(range.to),
    limit,
  })
  const records = found.map(({ key, value }) => ({ key: engineKeys.machineKeyOf(key), value }))
  return { range, records, exhausted: found.length < limit, valueOf: lookUpIn(records) }
}

/** The map is made when it is asked for: most ranges are only read. */
function lookUpIn(records: readonly KeyValue[]): (key: ByteString) => ByteString | undefined {
  let values: ReadonlyMap<ByteString, ByteString> | null = null
  return (key) => {
    values ??= new Map(records.map((record) => [record.key, record.value]))
    return values.get(key)
  }
}

/** What the engine had for a key, among all that was fetched; undefined when it was not asked. */
export function fetchedValue(fetched: Fetched, key: ByteString): ByteString | null | undefined {
  const value = fetched.values.get(key)
  if (value !== undefined) return value
  for (const { range, valueOf } of fetched.ranges) {
    const found = key >= range.from && key < range.to ? valueOf(key) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

export function isSameRange(left: KeyRange, right: KeyRange): boolean {
  return left.from === right.from && left.to === right.to && left.limit === right.limit
}
