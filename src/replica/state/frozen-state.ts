/**
 * The whole state as it was at one applied index, for reads that take longer than a turn
 * (base/machine.ts, `Walk`). All of it is in a snapshot of the engine, so nothing that is applied,
 * flushed, cleared or installed meanwhile can overtake it.
 *
 * Failure model: errors of the engine reach the caller. Whoever opens one must close it: until then
 * the engine keeps what it covers on disk.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../base/bytes.ts'
import type { Found, KeyRange, KeyValue, MachineView } from '../../base/machine.ts'
import type { EngineSnapshot } from '../../env/engine.ts'
import { isSameRange } from './engine-fetch.ts'
import {
  APPLIED_KEY,
  type AppliedRecord,
  decodeApplied,
  type EngineKeys,
  makeEngineKeys,
} from './engine-records.ts'

type ReadRange = { readonly range: KeyRange; readonly records: readonly KeyValue[] }

export class FrozenState implements MachineView {
  readonly applied: AppliedRecord
  readonly #snapshot: EngineSnapshot
  readonly #keys: EngineKeys
  readonly #values = new Map<ByteString, ByteString | null>()
  readonly #ranges: ReadRange[] = []

  private constructor(snapshot: EngineSnapshot, applied: AppliedRecord) {
    this.#snapshot = snapshot
    this.applied = applied
    this.#keys = makeEngineKeys(applied.epochs)
  }

  /** The snapshot is closed with it, also when this fails. */
  static async open(snapshot: EngineSnapshot): Promise<FrozenState> {
    try {
      const [encoded] = await snapshot.getMany([APPLIED_KEY])
      if (typeof encoded !== 'string') throw new Error('the engine has no applied record to read under')
      return new FrozenState(snapshot, decodeApplied(encoded))
    } catch (error) {
      await snapshot.close()
      throw error
    }
  }

  get(key: ByteString): ByteString | null | undefined {
    return this.#values.get(key)
  }

  range(range: KeyRange): readonly KeyValue[] | undefined {
    return this.#ranges.find((read) => isSameRange(read.range, range))?.records
  }

  /** Reads what a query needs; what earlier rounds have read stays. */
  async fulfil(keys: readonly ByteString[], ranges: readonly KeyRange[]): Promise<void> {
    const [found, read] = await Promise.all([
      this.#snapshot.getMany(keys.map((key) => this.#keys.of(key))),
      Promise.all(ranges.map(({ from, to, limit }) => this.page(from, to, limit))),
    ])
    assert(found.length === keys.length && read.length === ranges.length)
    for (const [at, key] of keys.entries()) this.#values.set(key, found[at] ?? null)
    for (const [at, range] of ranges.entries())
      this.#ranges.push({ range, records: read[at] as readonly KeyValue[] })
  }

  async page(from: ByteString, to: ByteString, limit: number): Promise<readonly KeyValue[]> {
    const keys = this.#keys
    const found = await this.#snapshot.range({ from: keys.of(from), to: keys.of(to), limit })
    return found.map(({ key, value }) => ({ key: keys.machineKeyOf(key), value }))
  }

  async values(keys: readonly ByteString[]): Promise<readonly Found[]> {
    const found = await this.#snapshot.getMany(keys.map((key) => this.#keys.of(key)))
    return keys.map((key, at) => ({ key, value: found[at] ?? null }))
  }

  close(): Promise<void> {
    return this.#snapshot.close()
  }
}
