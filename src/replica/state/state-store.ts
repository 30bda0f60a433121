/**
 * The applied state of one group: memory (state-memory.ts) over engine, and when the engine may be written.
 *
 * Reads that memory can't answer say so (undefined) and are fetched asynchronously. What was
 * fetched is good only while nothing was flushed since the fetch began: every change made
 * meanwhile is then still in the overlay, which always wins. Otherwise the fetch is repeated.
 *
 * Flushes begin at entry boundaries only, whoever asks for them, and each batch carries the applied
 * record and the state hash, so that whatever prefix of the batches a crash leaves is a state that
 * some log index had.
 *
 * Failure model: an engine error stops the store for good (`failure`); nothing is applied on top of
 * a write that may be missing. The group is opened again from the engine and the log.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../base/bytes.ts'
import type { LogIndex, LogPosition } from '../../base/log-entry.ts'
import type { KeyRange, KeyValue, Write } from '../../base/machine.ts'
import type { Engine, EngineSnapshot } from '../../env/engine.ts'
import { type Fetched, fetchOnce } from './engine-fetch.ts'
import {
  APPLIED_KEY,
  type AppliedRecord,
  dataEpochs,
  type EngineKeys,
  encodeApplied,
  makeEngineKeys,
  metaEpochs,
} from './engine-records.ts'
import { FrozenState } from './frozen-state.ts'
import { type Batch, StateMemory } from './state-memory.ts'
import type { StoredHash } from './stored-hash.ts'

export type StateStoreLimits = {
  /** A flush begins at this many records or bytes. */
  readonly flushRecords: number
  readonly flushBytes: number
  /**
   * Applying waits when a flush is under way and the overlay holds this much, or twice
   * `flushRecords`: what piles up meanwhile is the next batch, and a batch is one call of the engine.
   */
  readonly overlayBytesMax: number
  readonly cacheBytes: number
}

/** A fetch that was overtaken by a flush this often makes the flushes wait for it. */
const FREE_ATTEMPTS = 3
/** After that only a clearing of all data can overtake it. */
const FETCH_ATTEMPTS_MAX = 100
/** Records of one batch when atomicity does not matter. */
const STAGED_RECORDS_PER_BATCH = 1_000

export type FlushPoint = { readonly position: LogPosition; readonly membership: Uint8Array }

export class StateStore {
  readonly #engine: Engine
  readonly #limits: StateStoreLimits
  readonly #memory: StateMemory
  readonly #onFlushed: () => void
  readonly #onFailure: (error: unknown) => void
  #applied: AppliedRecord
  /** Of the newest command that has written, which may be of the entry after `#applied`. */
  #timeMs: number
  /** What the newest batch in the engine covers. */
  #flushed: FlushPoint
  #flushCount = 0
  /** Some commands of the entry after `#applied` have written: nothing may be flushed now. */
  #isMidEntry = false
  /** A flush was asked for and could not begin. */
  #isFlushWanted = false
  /** Fetches that no flush may overtake. */
  #holds = 0
  #isInstalling = false
  /** In the engine with the mark of an installed snapshot; null once a batch without the mark was begun. */
  #installed: AppliedRecord | null = null
  #isStopped = false
  #failure: Error | null = null
  #idle: (() => void)[] = []

  constructor(
    engine: Engine,
    found: { readonly applied: AppliedRecord; readonly hash: StoredHash },
    limits: StateStoreLimits,
    callbacks: { readonly onFlushed: () => void; readonly onFailure: (error: unknown) => void },
  ) {
    this.#engine = engine
    this.#limits = limits
    this.#memory = new StateMemory(found, limits.cacheBytes)
    this.#applied = found.applied
    this.#timeMs = found.applied.timeMs
    this.#flushed = { position: found.applied.position, membership: found.applied.membership }
    this.#onFlushed = callbacks.onFlushed
    this.#onFailure = callbacks.onFailure
  }

  get applied(): AppliedRecord {
    return this.#applied
  }

  /** Logical time of the state as reads see it: that of the newest command in it. */
  get timeMs(): number {
    return this.#timeMs
  }

  get flushed(): FlushPoint {
    return this.#flushed
  }

  get failure(): Error | null {
    return this.#failure
  }

  get memoryBytes(): number {
    return this.#memory.bytes
  }

  /** True when applying must wait for the flush under way, or for a fetch that holds it back. */
  get isFull(): boolean {
    if (!this.#memory.isFlushing && this.#holds === 0) return false
    return (
      this.#memory.activeBytes >= this.#limits.overlayBytesMax ||
      this.#memory.activeRecords >= 2 * this.#limits.flushRecords
    )
  }

  digest(): string {
    return this.#memory.digest()
  }

  /** undefined: not known in memory. */
  get(key: ByteString): ByteString | null | undefined {
    return this.#memory.get(key)
  }

  /** A range that was fetched, as it is now; undefined when the fetch does not cover it any more. */
  mergeRange(range: KeyRange, fetched: Fetched): readonly KeyValue[] | undefined {
    return this.#memory.mergeRange(range, fetched)
  }

  isCurrent(fetched: Fetched): boolean {
    // While a snapshot is installed the engine holds neither state.
    if (this.#isInstalling) return false
    return fetched.flushCount === this.#flushCount && fetched.keys === this.#memory.keys
  }

  /** Reads from the engine until no flush came between. What it returns is current when it resolves. */
  async fetch(keys: readonly ByteString[], ranges: readonly KeyRange[]): Promise<Fetched> {
    for (let attempt = 0; attempt < FREE_ATTEMPTS; attempt++) {
      await this.#installEnd()
      const fetched = await fetchOnce(this.#engine, this.#memory, this.#flushCount, keys, ranges)
      if (this.#keep(fetched)) return fetched
    }
    this.#holds += 1
    try {
      for (let attempt = 0; attempt < FETCH_ATTEMPTS_MAX; attempt++) {
        await this.#installEnd()
        await this.#flushEnd()
        const fetched = await fetchOnce(this.#engine, this.#memory, this.#flushCount, keys, ranges)
        if (this.#keep(fetched)) return fetched
      }
    } finally {
      this.#holds -= 1
      this.#release()
    }
    throw new Error(`read of ${keys.length} keys was overtaken ${FETCH_ATTEMPTS_MAX} times`)
  }

  /** False when it is outdated already. */
  #keep(fetched: Fetched): boolean {
    if (!this.isCurrent(fetched)) return false
    this.#memory.keep(fetched)
    return true
  }

  /** The last hold ended: applying may go on, and flushes. */
  #release(): void {
    if (this.#holds > 0 || this.#isStopped || this.#failure !== null) return
    if (this.#isFlushWanted) this.flush()
    this.#onFlushed()
  }

  /** The old value of every write must be known: see `unknownOldValues`. */
  write(writes: readonly Write[], clearsData: boolean, fetched: Fetched | null, timeMs: number): void {
    assert(this.#failure === null && !this.#isInstalling)
    assert(timeMs >= this.#timeMs, 'logical time never runs backwards')
    this.#isMidEntry = true
    this.#timeMs = timeMs
    this.#memory.write(writes, clearsData, fetched)
  }

  /** Keys whose old value is needed and not in memory: fetch them, then write. */
  unknownOldValues(
    writes: readonly Write[],
    clearsData: boolean,
    fetched: Fetched | null,
  ): readonly ByteString[] {
    return this.#memory.unknownOldValues(writes, clearsData, fetched)
  }

  /** Call after all writes of an entry: from here on a flush may begin. */
  finishEntry(position: LogPosition, timeMs: number, machineVersion: number, membership: Uint8Array): void {
    assert(position.index === this.#applied.position.index + 1, 'entries are applied one by one')
    assert(timeMs >= this.#timeMs, 'logical time never runs backwards')
    assert(machineVersion >= this.#applied.machineVersion, 'the machine version never falls')
    assert(!this.#isInstalling)
    this.#applied = { position, timeMs, machineVersion, epochs: this.#memory.keys.epochs, membership }
    this.#timeMs = timeMs
    this.#isMidEntry = false
    const isDue =
      this.#isFlushWanted ||
      this.#memory.activeRecords >= this.#limits.flushRecords ||
      this.#memory.activeBytes >= this.#limits.flushBytes
    if (isDue) this.flush()
  }

  /** Starts writing what is applied to the engine: now, or as soon as that is possible. */
  flush(): void {
    if (this.#failure !== null || this.#isStopped) return
    if (this.#applied.position.index === this.#flushed.position.index) return
    this.#isFlushWanted = this.#memory.isFlushing || this.#isMidEntry || this.#holds > 0 || this.#isInstalling
    if (this.#isFlushWanted) return
    const applied = this.#applied
    this.#installed = null
    const batch = this.#memory.beginBatch(applied)
    const { operations } = batch
    this.#engine.write(operations).then(
      () => this.#endFlush(batch, applied),
      (error) => this.#fail(error),
    )
  }

  /** Resolves when everything applied up to now is in the engine (not necessarily synced). */
  async flushAll(): Promise<void> {
    const target = this.#applied.position.index
    while (this.#failure === null && !this.#isStopped && this.#flushed.position.index < target) {
      this.flush()
      await this.#nextChange()
    }
    if (this.#failure !== null) throw this.#failure
    if (this.#flushed.position.index < target) throw new Error('the state store was stopped')
  }

  /** Makes everything in the engine durable; what it covers may leave the log. */
  async persist(): Promise<FlushPoint> {
    await this.flushAll()
    const point = this.#flushed
    try {
      await this.#engine.persist()
    } catch (error) {
      // The engine takes no more writes after this.
      this.#fail(error)
      throw error
    }
    return point
  }

  /** A frozen view of the engine together with what it covers, for sending a snapshot. */
  async snapshot(): Promise<{ readonly view: EngineSnapshot; readonly keys: EngineKeys }> {
    await this.flushAll()
    // The applied record inside the view tells what it covers: a flush may have come between.
    return { view: await this.#engine.snapshot(), keys: this.#memory.keys }
  }

  /** As `snapshot`, to be read under the epochs of what it covers. */
  async freeze(): Promise<FrozenState> {
    const { view } = await this.snapshot()
    return FrozenState.open(view)
  }

  /** For records that are not part of the state yet: see `install`. */
  allocateEpoch(): number {
    return this.#memory.allocateEpoch()
  }

  /** Writes received records under an epoch that nothing reads yet. */
  async stage(epoch: number, records: readonly KeyValue[]): Promise<void> {
    const keys = makeEngineKeys({ data: epoch, meta: epoch })
    for (let at = 0; at < records.length; at += STAGED_RECORDS_PER_BATCH) {
      const batch = records.slice(at, at + STAGED_RECORDS_PER_BATCH)
      await this.#engine.write(batch.map(({ key, value }) => ({ kind: 'put', key: keys.of(key), value })))
    }
  }

  /** Removes what was staged under an epoch that will never become the state. */
  async discardStaged(epoch: number): Promise<void> {
    assert(
      epoch !== this.#memory.keys.epochs.data && epoch !== this.#memory.keys.epochs.meta,
      'the state itself',
    )
    await this.#engine.write([
      { kind: 'deleteRange', ...dataEpochs(epoch, epoch + 1) },
      { kind: 'deleteRange', ...metaEpochs(epoch, epoch + 1) },
    ])
  }

  /**
   * Makes what was staged under `applied.epochs` the state: one batch, durable when it returns.
   * Nothing may be applied from the call until it settles; what was applied in part is forgotten.
   */
  async install(applied: AppliedRecord, hash: StoredHash): Promise<void> {
    assert(applied.position.index > this.#applied.position.index, 'a snapshot never takes the state back')
    assert(!this.#isInstalling, 'one snapshot at a time')
    this.#isInstalling = true
    // A confirmation that comes from now on would take the engine back to a state that is about to go.
    this.#installed = null
    await this.#flushEnd()
    if (this.#failure !== null) throw this.#failure
    const operations = this.#memory.installOperations(applied, hash)
    try {
      await this.#engine.write(operations)
      await this.#engine.persist()
    } catch (error) {
      this.#fail(error)
      throw error
    }
    this.#becomeInstalled(applied, hash)
  }

  /**
   * The log has the base record of the snapshot at `index`: a log that ends before it from now on has lost
   * something. Syncs take their time: meanwhile the state may be another snapshot's.
   */
  confirmInstall(index: LogIndex): void {
    const installed = this.#installed
    if (installed?.position.index !== index || this.#failure !== null || this.#isStopped) return
    this.#installed = null
    this.#engine
      .write([{ kind: 'put', key: APPLIED_KEY, value: encodeApplied(installed) }])
      .catch((error: unknown) => this.#fail(error))
  }

  /**
   * Call when nothing is applied any more. Writes what was applied whole; a part of an entry stays
   * out, the log has it. Afterwards nothing is flushed, and whoever waits for a flush is told.
   */
  async stop(): Promise<void> {
    if (this.#failure === null && !this.#isMidEntry && !this.#isInstalling) await this.flushAll()
    this.#isStopped = true
    this.#wakeIdle()
    await this.#flushEnd()
  }

  async #flushEnd(): Promise<void> {
    while (this.#memory.isFlushing && this.#failure === null) await this.#nextChange()
  }

  async #installEnd(): Promise<void> {
    while (this.#isInstalling && this.#failure === null) await this.#nextChange()
    if (this.#failure !== null && this.#isInstalling) throw this.#failure
  }

  /** A flush or an install ended, or will not. */
  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #becomeInstalled(applied: AppliedRecord, hash: StoredHash): void {
    this.#memory.install(applied, hash)
    this.#applied = applied
    this.#installed = applied
    this.#timeMs = applied.timeMs
    this.#flushed = { position: applied.position, membership: applied.membership }
    this.#flushCount += 1
    this.#isMidEntry = false
    this.#isFlushWanted = false
    this.#isInstalling = false
    this.#wakeIdle()
  }

  #endFlush(batch: Batch, applied: AppliedRecord): void {
    this.#memory.endBatch(batch)
    this.#flushCount += 1
    this.#flushed = { position: applied.position, membership: applied.membership }
    this.#wakeIdle()
    if (this.#isFlushWanted) this.flush()
    this.#onFlushed()
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return
    this.#failure = error instanceof Error ? error : new Error(String(error))
    this.#wakeIdle()
    this.#onFailure(error)
  }

  #wakeIdle(): void {
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }
}
