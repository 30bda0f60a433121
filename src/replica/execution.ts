/**
 * Runs one command of a machine against the state, with the fetch-and-run-again rounds of the
 * machine contract (base/machine.ts). Used for entries being applied and for reads alike.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue, MachineView, Need } from '../base/machine.ts'
import { NEED_ROUNDS_MAX } from '../base/machine.ts'
import type { Fetched } from './state/engine-fetch.ts'
import type { StateStore } from './state/state-store.ts'

/** What one view holds of values that were fetched for commands before the present one. */
const LEFT_KEYS_MAX = 1_024
const LEFT_BYTES_MAX = 8 * 1024 * 1024
const NO_RANGES: Fetched['ranges'] = []

/** Memory first, then what was fetched for this command, or for those before it and is still good. */
export class ExecutionView implements MachineView {
  readonly #store: StateStore
  #fetched: Fetched | null = null
  #fetchedBytes = 0
  #rounds = 0

  constructor(store: StateStore) {
    this.#store = store
  }

  get fetched(): Fetched | null {
    return this.#fetched
  }

  /** Of the values; a measure of what a trip brings. */
  get fetchedBytes(): number {
    return this.#fetchedBytes
  }

  get(key: ByteString): ByteString | null | undefined {
    const known = this.#store.get(key)
    if (known !== undefined || this.#fetched === null) return known
    return this.#fetched.values.get(key)
  }

  range(range: KeyRange): readonly KeyValue[] | undefined {
    return this.#fetched === null ? undefined : this.#store.mergeRange(range, this.#fetched)
  }

  /**
   * Before the next command. Values that are left are its too: they were fetched for it ahead, and a
   * small cache may have kept none of them. Ranges are not: what was written since may have used them up.
   */
  reset(): void {
    this.#rounds = 0
    const fetched = this.#fetched
    if (fetched === null) return
    if (fetched.values.size > LEFT_KEYS_MAX || this.#fetchedBytes > LEFT_BYTES_MAX) this.#hold(null)
    else if (fetched.ranges.length > 0) this.#fetched = { ...fetched, ranges: NO_RANGES }
  }

  /** Drops what was fetched if a flush or clear came since; the command then needs it anew. */
  refresh(): void {
    if (this.#fetched !== null && !this.#store.isCurrent(this.#fetched)) this.#hold(null)
  }

  /** Fetches what is needed, keeping what earlier rounds fetched. */
  async fulfil(keys: readonly ByteString[], ranges: readonly KeyRange[]): Promise<void> {
    this.#rounds += 1
    assert(
      this.#rounds <= NEED_ROUNDS_MAX,
      `the machine asked for data ${this.#rounds} times for one command`,
    )
    const before = this.#fetched
    const more = await this.#store.fetch(keys, ranges)
    if (before === null || !this.#store.isCurrent(before) || before.flushCount !== more.flushCount) {
      this.#hold(more)
      return
    }
    const values = new Map(before.values)
    for (const [key, value] of more.values) values.set(key, value)
    this.#hold({ ...more, values, ranges: [...before.ranges, ...more.ranges] })
  }

  #hold(fetched: Fetched | null): void {
    this.#fetched = fetched
    this.#fetchedBytes = 0
    for (const value of fetched?.values.values() ?? []) this.#fetchedBytes += value?.length ?? 0
  }
}

export function needOf(keys: readonly ByteString[]): Need {
  return { kind: 'need', keys, ranges: [] }
}
