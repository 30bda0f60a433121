/**
 * Writes that are applied and not yet in the engine.
 *
 * Two layers: `active` takes the writes; when a flush begins it becomes `flushing`, which still
 * answers reads until the engine has the batch. A newer layer always wins. Clearing all data
 * hides the data of both layers and of the engine (which moves to a new epoch); bookkeeping stays.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../base/bytes.ts'
import { type KeyRange, type KeyValue, META_PREFIX } from '../../base/machine.ts'

/** What one overlay entry costs besides its bytes. */
const ENTRY_OVERHEAD_BYTES = 96
const META_CODE = META_PREFIX.charCodeAt(0)

type Records = Map<ByteString, ByteString | null>

export type Layer = { data: Records; readonly meta: Records; bytes: number }

export class Overlay {
  #active: Layer = makeLayer()
  #flushing: Layer | null = null

  get activeBytes(): number {
    return this.#active.bytes
  }

  get activeRecords(): number {
    return this.#active.data.size + this.#active.meta.size
  }

  get isFlushing(): boolean {
    return this.#flushing !== null
  }

  /** undefined: the overlay does not know the key. */
  get(key: ByteString): ByteString | null | undefined {
    const isMeta = isMetaKey(key)
    const active = (isMeta ? this.#active.meta : this.#active.data).get(key)
    if (active !== undefined || this.#flushing === null) return active
    return (isMeta ? this.#flushing.meta : this.#flushing.data).get(key)
  }

  set(key: ByteString, value: ByteString | null): void {
    const records = isMetaKey(key) ? this.#active.meta : this.#active.data
    records.set(key, value)
    // Replaced values stay counted until the flush: an upper bound is what the limit needs.
    this.#active.bytes += key.length + (value === null ? 0 : value.length) + ENTRY_OVERHEAD_BYTES
  }

  clearData(): void {
    this.#active.data = new Map()
    // The flush under way writes the old epoch, where this data is garbage already.
    if (this.#flushing !== null) this.#flushing.data = new Map()
  }

  /** The layer to write; it keeps answering reads until `endFlush`. */
  beginFlush(): Layer {
    assert(this.#flushing === null, 'one flush at a time')
    const layer = this.#active
    this.#active = makeLayer()
    // A copy of the maps' references: clearData replaces maps, it never empties them, so the
    // batch that is being written stays as it was.
    this.#flushing = { data: layer.data, meta: layer.meta, bytes: layer.bytes }
    return layer
  }

  endFlush(): void {
    assert(this.#flushing !== null)
    this.#flushing = null
  }

  /** Everything forgotten: the engine got a different state underneath. */
  reset(): void {
    assert(this.#flushing === null)
    this.#active = makeLayer()
  }

  /** How many overlay records lie in the range: what a read of the engine may have to make up for. */
  countIn(range: KeyRange): number {
    let count = 0
    for (const records of this.#layersFor(range.from)) {
      for (const key of records.keys()) if (key >= range.from && key < range.to) count += 1
    }
    return count
  }

  /** The smallest key in [from, to) under which there is something to be written; `to` when there is none. */
  firstPutIn(from: ByteString, to: ByteString): ByteString {
    let first = to
    for (const records of this.#layersFor(from)) {
      for (const [key, value] of records) if (value !== null && key >= from && key < first) first = key
    }
    return first
  }

  /**
   * Lays the overlay over engine records of the same range. `exhausted`: the engine had no more.
   * Undefined when deletions left fewer than `range.limit` and the engine may have more.
   */
  merge(
    range: KeyRange,
    fromEngine: readonly KeyValue[],
    exhausted: boolean,
  ): readonly KeyValue[] | undefined {
    const changed = this.#changesIn(range, exhausted ? null : (fromEngine.at(-1)?.key ?? range.from))
    if (changed.size === 0) return cut(fromEngine, range.limit, exhausted)
    const merged: KeyValue[] = []
    for (const record of fromEngine) if (!changed.has(record.key)) merged.push(record)
    for (const [key, value] of changed) if (value !== null) merged.push({ key, value })
    merged.sort((left, right) => (left.key < right.key ? -1 : 1))
    return cut(merged, range.limit, exhausted)
  }

  #changesIn(range: KeyRange, lastKey: ByteString | null): Records {
    const changed: Records = new Map()
    for (const records of this.#layersFor(range.from)) {
      for (const [key, value] of records) {
        if (key >= range.from && key < range.to && (lastKey === null || key <= lastKey))
          changed.set(key, value)
      }
    }
    return changed
  }

  /** Oldest first, so that newer layers overwrite. */
  #layersFor(key: ByteString): Records[] {
    const isMeta = isMetaKey(key)
    const layers = this.#flushing === null ? [this.#active] : [this.#flushing, this.#active]
    return layers.map((layer) => (isMeta ? layer.meta : layer.data))
  }
}

export function isMetaKey(key: ByteString): boolean {
  return key.charCodeAt(0) === META_CODE
}

function makeLayer(): Layer {
  return { data: new Map(), meta: new Map(), bytes: 0 }
}

function cut(
  records: readonly KeyValue[],
  limit: number,
  exhausted: boolean,
): readonly KeyValue[] | undefined {
  if (records.length >= limit) return records.length === limit ? records : records.slice(0, limit)
  return exhausted ? records : undefined
}
