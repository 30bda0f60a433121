/**
 * What is known of the applied state without asking the engine: the writes that are not in it yet, the values
 * that were read or written lately, the state hash, and under which epochs the engine has the rest.
 *
 * Synchronous: it makes the engine's batches as data; `state-store.ts` decides when one may be written and
 * what may happen meanwhile.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../base/bytes.ts'
import { type KeyRange, type KeyValue, META_PARTITION, type Write } from '../../base/machine.ts'
import type { EngineOperation } from '../../env/engine.ts'
import { EmptyStretches } from './empty-stretches.ts'
import { type Fetched, type FetchedRange, fetchedValue, isSameRange } from './engine-fetch.ts'
import {
  APPLIED_KEY,
  type AppliedRecord,
  dataEpochs,
  type EngineKeys,
  encodeApplied,
  makeEngineKeys,
  supersededRanges,
} from './engine-records.ts'
import { type Layer, Overlay } from './overlay.ts'
import type { StoredHash } from './stored-hash.ts'
import { ValueCache } from './value-cache.ts'

/** One write of the engine: what was applied up to an entry's end. */
export type Batch = {
  readonly operations: readonly EngineOperation[]
  readonly layer: Layer
  readonly keys: EngineKeys
}

const NO_KEYS: readonly ByteString[] = []

export class StateMemory {
  readonly #overlay = new Overlay()
  readonly #cache: ValueCache
  readonly #emptyStretches = new EmptyStretches()
  #hash: StoredHash
  #keys: EngineKeys
  #nextEpoch: number
  /** Data epochs whose records the next batch removes. */
  #clearedEpochs: number[] = []

  constructor(found: { readonly applied: AppliedRecord; readonly hash: StoredHash }, cacheBytes: number) {
    const { epochs } = found.applied
    this.#cache = new ValueCache(cacheBytes)
    this.#hash = found.hash
    this.#keys = makeEngineKeys(epochs)
    this.#nextEpoch = Math.max(epochs.data, epochs.meta) + 1
  }

  get keys(): EngineKeys {
    return this.#keys
  }

  get bytes(): number {
    return this.#overlay.activeBytes + this.#cache.bytes
  }

  /** Of what the next batch will hold. */
  get activeBytes(): number {
    return this.#overlay.activeBytes
  }

  get activeRecords(): number {
    return this.#overlay.activeRecords
  }

  /** A batch was begun and has not ended. */
  get isFlushing(): boolean {
    return this.#overlay.isFlushing
  }

  digest(): string {
    return this.#hash.digest()
  }

  /** undefined: not known in memory. */
  get(key: ByteString): ByteString | null | undefined {
    const value = this.#overlay.get(key)
    return value !== undefined ? value : this.#cache.get(key)
  }

  /** A range that was fetched, as it is now; undefined when the fetch does not cover it any more. */
  mergeRange(range: KeyRange, fetched: Fetched): readonly KeyValue[] | undefined {
    for (const candidate of fetched.ranges) {
      if (isSameRange(candidate.range, range)) {
        return this.#overlay.merge(range, candidate.records, candidate.exhausted)
      }
    }
    return undefined
  }

  changesIn(range: KeyRange): number {
    return this.#overlay.countIn(range)
  }

  beginOf(range: KeyRange): ByteString {
    return this.#emptyStretches.beginOf(range.from, range.to)
  }

  /** Only what is current: no flush began since the fetch. */
  keep(fetched: Fetched): void {
    for (const [key, value] of fetched.values) {
      if (this.#overlay.get(key) === undefined) this.#cache.set(key, value)
    }
  }

  /** The old value of every write must be known: see `unknownOldValues`. */
  write(writes: readonly Write[], clearsData: boolean, fetched: Fetched | null): void {
    const metaBefore = clearsData ? this.#metaValues(writes, fetched) : null
    if (clearsData) this.#clearData()
    for (const write of writes) {
      const known = this.#oldValue(write, clearsData, fetched)
      const before = known !== undefined ? known : metaBefore?.get(write.key)
      assert(before !== undefined, 'a write without its old value would spoil the state hash')
      if (before === write.value) continue
      if (before !== null) this.#hash.subtract(write.partition, write.key, before)
      if (write.value !== null) this.#hash.add(write.partition, write.key, write.value)
      if (write.value !== null) this.#emptyStretches.put(write.key)
      this.#overlay.set(write.key, write.value)
    }
    if (!clearsData) for (const range of fetched?.ranges ?? []) this.#learnStretch(range)
  }

  /** Keys whose old value is needed and not in memory. */
  unknownOldValues(
    writes: readonly Write[],
    clearsData: boolean,
    fetched: Fetched | null,
  ): readonly ByteString[] {
    let unknown: ByteString[] | null = null
    for (const write of writes) {
      if (this.#knowsOldValue(write, clearsData, fetched)) continue
      unknown ??= []
      unknown.push(write.key)
    }
    return unknown ?? NO_KEYS
  }

  /** For records that are not part of the state yet, and for the data after a clear. */
  allocateEpoch(): number {
    this.#nextEpoch += 1
    return this.#nextEpoch - 1
  }

  /** Everything written since the last batch; it keeps answering reads until `endBatch`. */
  beginBatch(applied: AppliedRecord): Batch {
    const layer = this.#overlay.beginFlush()
    return { operations: this.#operationsFor(layer, applied, this.#keys), layer, keys: this.#keys }
  }

  /** The engine has it. */
  endBatch({ layer, keys }: Batch): void {
    for (const [key, value] of layer.meta) this.#cache.set(key, value)
    if (keys === this.#keys) for (const [key, value] of layer.data) this.#cache.set(key, value)
    this.#overlay.endFlush()
  }

  /** What makes the records under `applied.epochs` the state, and removes what is then garbage. */
  installOperations(applied: AppliedRecord, hash: StoredHash): readonly EngineOperation[] {
    const operations: EngineOperation[] = supersededRanges(this.#keys.epochs, applied.epochs).map(
      (range) => ({ kind: 'deleteRange', ...range }),
    )
    operations.push(...hash.takeAll())
    operations.push({ kind: 'put', key: APPLIED_KEY, value: encodeApplied(applied, true) })
    return operations
  }

  /** The engine holds another state now: nothing that is known of the old one counts. */
  install(applied: AppliedRecord, hash: StoredHash): void {
    this.#overlay.reset()
    this.#cache.clear()
    this.#emptyStretches.clear()
    this.#hash = hash
    this.#keys = makeEngineKeys(applied.epochs)
    this.#clearedEpochs = []
  }

  #knowsOldValue(write: Write, clearsData: boolean, fetched: Fetched | null): boolean {
    if (clearsData && write.partition !== META_PARTITION) return true
    if (this.#overlay.get(write.key) !== undefined || this.#cache.has(write.key)) return true
    return fetched !== null && fetchedValue(fetched, write.key) !== undefined
  }

  #oldValue(write: Write, clearsData: boolean, fetched: Fetched | null): ByteString | null | undefined {
    // After a clear nothing is left of the data but what this very command has written again.
    if (clearsData && write.partition !== META_PARTITION) return this.#overlay.get(write.key) ?? null
    // Looking one up must not make room for it at the cost of another that was found known before.
    const changed = this.#overlay.get(write.key)
    const known = changed !== undefined ? changed : this.#cache.peek(write.key)
    return known !== undefined || fetched === null ? known : fetchedValue(fetched, write.key)
  }

  /** Of a range that an entry has read: entries delete what they have read. */
  #learnStretch({ range, records, exhausted }: FetchedRange): void {
    const left = records.find(({ key }) => this.#overlay.get(key) !== null)
    const end = left?.key ?? (exhausted ? range.to : (records.at(-1)?.key ?? range.from))
    this.#emptyStretches.learn(range.from, this.#overlay.firstPutIn(range.from, end))
  }

  /** Bookkeeping outlives a clearing, but the cache, which may be all that knows it, does not. */
  #metaValues(
    writes: readonly Write[],
    fetched: Fetched | null,
  ): Map<ByteString, ByteString | null | undefined> {
    const values = new Map<ByteString, ByteString | null | undefined>()
    for (const write of writes) {
      if (write.partition === META_PARTITION) values.set(write.key, this.#oldValue(write, true, fetched))
    }
    return values
  }

  #clearData(): void {
    this.#clearedEpochs.push(this.#keys.epochs.data)
    this.#keys = makeEngineKeys({ data: this.allocateEpoch(), meta: this.#keys.epochs.meta })
    this.#overlay.clearData()
    this.#cache.clear()
    this.#emptyStretches.clear()
    this.#hash.clearData()
  }

  #operationsFor(layer: Layer, applied: AppliedRecord, keys: EngineKeys): EngineOperation[] {
    const operations: EngineOperation[] = []
    for (const epoch of this.#clearedEpochs)
      operations.push({ kind: 'deleteRange', ...dataEpochs(epoch, epoch + 1) })
    this.#clearedEpochs = []
    for (const records of [layer.meta, layer.data]) {
      for (const [key, value] of records) {
        const engineKey = keys.of(key)
        operations.push(
          value === null ? { kind: 'delete', key: engineKey } : { kind: 'put', key: engineKey, value },
        )
      }
    }
    operations.push(...this.#hash.takeChanges())
    operations.push({ kind: 'put', key: APPLIED_KEY, value: encodeApplied(applied) })
    return operations
  }
}
