/**
 * Runs one command of a machine against the state, with the fetch-and-run-again rounds of the
 * machine contract (base/machine.ts). Used for entries being applied and for reads alike.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue, MachineView, Need } from '../base/machine.ts'
import { NEED_ROUNDS_MAX } from '../base/machine.ts'
import type { Fetched, StateStore } from './state-store.ts'

/** Memory first, then what was fetched for this command. */
export class ExecutionView implements MachineView {
  readonly #store: StateStore
  #fetched: Fetched | null = null
  #rounds = 0

  constructor(store: StateStore) {
    this.#store = store
  }

  get fetched(): Fetched | null {
    return this.#fetched
  }

  /** Of the values; a measure of what a trip brings. */
  get fetchedBytes(): number {
    let bytes = 0
    for (const value of this.#fetched?.values.values() ?? []) bytes += value?.length ?? 0
    return bytes
  }

  get(key: ByteString): ByteString | null | undefined {
    const known = this.#store.get(key)
    if (known !== undefined || this.#fetched === null) return known
    return this.#fetched.values.get(key)
  }

  range(range: KeyRange): readonly KeyValue[] | undefined {
    return this.#fetched === null ? undefined : this.#store.mergeRange(range, this.#fetched)
  }

  /** Before the next command: nothing fetched, nothing counted. */
  reset(): void {
    this.#fetched = null
    this.#rounds = 0
  }

  /** Drops what was fetched if a flush or clear came since; the command then needs it anew. */
  refresh(): void {
    if (this.#fetched !== null && !this.#store.isCurrent(this.#fetched)) this.#fetched = null
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
      this.#fetched = more
      return
    }
    const values = new Map(before.values)
    for (const [key, value] of more.values) values.set(key, value)
    this.#fetched = { ...more, values, ranges: [...before.ranges, ...more.ranges] }
  }
}

export function needOf(keys: readonly ByteString[]): Need {
  return { kind: 'need', keys, ranges: [] }
}
