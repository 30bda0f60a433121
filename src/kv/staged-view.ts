/**
 * The state as a command inside a transaction sees it: what lies below, and over it what the
 * commands before it have written. Nothing of it is anywhere else until the whole transaction is done.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { type KeyRange, type KeyValue, type MachineView, META_PREFIX, type Write } from '../base/machine.ts'
import { versionOfMemberKey } from './record-keys.ts'

export class StagedView implements MachineView {
  readonly #below: MachineView
  readonly #writes = new Map<ByteString, Write>()
  /** The keys of `#writes`, ascending. */
  readonly #keys: ByteString[] = []
  #clearsData = false
  /** Lives of hashes from this one on began in this transaction: below there is nothing of them. */
  #firstNewVersion = Number.POSITIVE_INFINITY

  constructor(below: MachineView) {
    this.#below = below
  }

  /** All that was written, one write for each key. */
  get writes(): readonly Write[] {
    return [...this.#writes.values()]
  }

  get clearsData(): boolean {
    return this.#clearsData
  }

  /** Call it once, as soon as the last version given away before the transaction is known. */
  beginVersionsAfter(lastVersion: number): void {
    this.#firstNewVersion = lastVersion + 1
  }

  stage(writes: readonly Write[], clearsData: boolean): void {
    if (clearsData) this.#clear()
    for (const write of writes) {
      if (!this.#writes.has(write.key)) this.#keys.splice(this.#positionOf(write.key), 0, write.key)
      this.#writes.set(write.key, write)
    }
  }

  get(key: ByteString): ByteString | null | undefined {
    const write = this.#writes.get(key)
    if (write !== undefined) return write.value
    return this.#hidesBelow(key) ? null : this.#below.get(key)
  }

  /**
   * As many more are read below as may be missing there, so that what is left still fills `limit`:
   * a record that was written since, and stands in the place of one below, can't push one out.
   */
  range(range: KeyRange): readonly KeyValue[] | undefined {
    const staged = this.#stagedIn(range)
    const below = this.#hidesBelow(range.from) ? [] : this.#below.range(this.belowRange(range))
    if (below === undefined) return undefined
    const merged: KeyValue[] = []
    let next = 0
    const takeStagedUpTo = (end: ByteString | null): void => {
      for (; next < staged.length; next++) {
        const { key, value } = staged[next] as Write
        if (end !== null && key > end) return
        if (value !== null) merged.push({ key, value })
      }
    }
    for (const record of below) {
      takeStagedUpTo(record.key)
      if (!this.#writes.has(record.key)) merged.push(record)
    }
    takeStagedUpTo(null)
    return merged.slice(0, range.limit)
  }

  /** What is read below for a range. */
  belowRange(range: KeyRange): KeyRange {
    const missing = this.#stagedIn(range).reduce((count, { value }) => count + (value === null ? 1 : 0), 0)
    return missing === 0 ? range : { ...range, limit: range.limit + missing }
  }

  #stagedIn({ from, to }: KeyRange): readonly Write[] {
    const keys = this.#keys.slice(this.#positionOf(from), this.#positionOf(to))
    return keys.map((key) => this.#writes.get(key) as Write)
  }

  #hidesBelow(key: ByteString): boolean {
    if (this.#clearsData && !key.startsWith(META_PREFIX)) return true
    const version = versionOfMemberKey(key)
    return version !== null && version >= this.#firstNewVersion
  }

  #clear(): void {
    this.#clearsData = true
    for (const key of this.#keys) if (!key.startsWith(META_PREFIX)) this.#writes.delete(key)
    const kept = this.#keys.filter((key) => key.startsWith(META_PREFIX))
    this.#keys.splice(0, this.#keys.length, ...kept)
    assert(this.#keys.length === this.#writes.size)
  }

  /** Of the first key that is not below `key`. */
  #positionOf(key: ByteString): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as ByteString) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
