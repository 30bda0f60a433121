/**
 * One execution of one command: what it has read, what it lacks, what it writes.
 *
 * A command reads everything first. Reads that memory can't answer return undefined and are noted;
 * the command then returns undefined and runs again once they are there. Nothing of such a run
 * survives but the list of needs.
 *
 * Invariants kept here, so that no command can forget them: the key count follows every key record
 * that appears or vanishes, the index follows every change of an expiry, a hash that is replaced or
 * deleted leaves a garbage record.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { Context, KeyRange, KeyValue, MachineView, Need, Write } from '../base/machine.ts'
import { META_PARTITION } from '../base/machine.ts'
import { hashHeader, NO_EXPIRY, recordExpireMs, recordType, ValueType } from './record.ts'
import {
  expiryIndexKey,
  garbageKey,
  KEY_COUNT_KEY,
  keyRecordKey,
  readU64,
  u64Bytes,
  VERSION_COUNTER_KEY,
} from './record-keys.ts'
import { hashKey, slotOf } from './slot.ts'

/** A key as the running command sees it; one object per key and execution. */
export type KeyEntry = {
  readonly key: ByteString
  readonly slot: number
  readonly recordKey: ByteString
  /** The record as stored, also when it is past its expiry. */
  stored: ByteString | null
  /** The record, null when there is none or it is past its expiry. */
  live: ByteString | null
}

export type KvLimits = {
  /** Longest string value. */
  readonly maxValueBytes: number
}

const NO_WRITES: readonly Write[] = []

export class KvTransaction {
  readonly timeMs: number
  readonly seed: number
  readonly limits: KvLimits
  readonly #view: MachineView
  readonly #clockMs: number
  #needTimeMs = 0
  #neededKeys: ByteString[] | null = null
  #neededRanges: KeyRange[] | null = null
  #writes: Write[] | null = null
  #clearsData = false
  #keyCountChange = 0

  /** `clockMs`: the reader's clock for a query; the logical time itself for a log entry. */
  constructor(view: MachineView, context: Context, clockMs: number, limits: KvLimits) {
    this.#view = view
    this.timeMs = context.timeMs
    this.seed = context.seed
    this.limits = limits
    this.#clockMs = clockMs
  }

  /** Null when absent, undefined when it isn't in memory (and is now noted as needed). */
  get(recordKey: ByteString): ByteString | null | undefined {
    const value = this.#view.get(recordKey)
    if (value === undefined) {
      this.#neededKeys ??= []
      this.#neededKeys.push(recordKey)
    }
    return value
  }

  range(range: KeyRange): readonly KeyValue[] | undefined {
    assert(range.limit > 0 && range.from < range.to)
    const records = this.#view.range(range)
    if (records === undefined) {
      this.#neededRanges ??= []
      this.#neededRanges.push(range)
      return undefined
    }
    assert(records.length <= range.limit)
    return records
  }

  /** Must be called at most once per key and execution: `openAll` for several keys. */
  open(key: ByteString): KeyEntry | undefined {
    const slot = slotOf(key)
    const recordKey = keyRecordKey(slot, hashKey(key), key)
    const stored = this.get(recordKey)
    if (stored === undefined) return undefined
    return { key, slot, recordKey, stored, live: stored !== null && this.#isPast(stored) ? null : stored }
  }

  /** In the order of `keys`; equal keys share one entry. */
  openAll(keys: readonly ByteString[]): readonly KeyEntry[] | undefined {
    const entries: KeyEntry[] = []
    const byKey = new Map<ByteString, KeyEntry>()
    for (const key of keys) {
      const entry = byKey.get(key) ?? this.open(key)
      if (entry === undefined) continue
      byKey.set(key, entry)
      entries.push(entry)
    }
    return entries.length === keys.length ? entries : undefined
  }

  /** Whether a record read by range is past its expiry. */
  isPast(record: ByteString): boolean {
    return this.#isPast(record)
  }

  putRecord(entry: KeyEntry, record: ByteString): void {
    const before = entry.stored
    if (before === null) this.#keyCountChange++
    else this.#abandonMembers(entry.slot, before, record)
    this.#moveExpiry(entry, before === null ? NO_EXPIRY : recordExpireMs(before), recordExpireMs(record))
    this.write(entry.slot, entry.recordKey, record)
    entry.stored = record
    entry.live = record
  }

  /** Removes what is stored, expired or not. */
  removeRecord(entry: KeyEntry): void {
    if (entry.stored === null) return
    this.#abandonMembers(entry.slot, entry.stored, null)
    this.removeEmptied(entry)
  }

  /** Removes a key whose members are gone already. */
  removeEmptied(entry: KeyEntry): void {
    const before = entry.stored
    assert(before !== null)
    this.#keyCountChange--
    this.#moveExpiry(entry, recordExpireMs(before), NO_EXPIRY)
    this.write(entry.slot, entry.recordKey, null)
    entry.stored = null
    entry.live = null
  }

  /** The keys of the group, also those past their expiry. */
  keyCount(): number | undefined {
    return this.#counter(KEY_COUNT_KEY)
  }

  /** A version no value of this group ever had. At most one per execution. */
  newVersion(): number | undefined {
    const last = this.#counter(VERSION_COUNTER_KEY)
    if (last === undefined) return undefined
    this.write(META_PARTITION, VERSION_COUNTER_KEY, u64Bytes(last + 1))
    return last + 1
  }

  /** Every data record vanishes before the writes of this command. */
  clearData(): void {
    assert(this.#writes === null && this.#keyCountChange === 0, 'clear before anything else')
    this.#clearsData = true
    this.write(META_PARTITION, KEY_COUNT_KEY, null)
  }

  write(partition: number, recordKey: ByteString, value: ByteString | null): void {
    this.#writes ??= []
    this.#writes.push({ partition, key: recordKey, value })
  }

  get isWaiting(): boolean {
    return this.#neededKeys !== null || this.#neededRanges !== null
  }

  need(): Need {
    assert(this.isWaiting, 'a command stopped although nothing was missing')
    return { kind: 'need', keys: this.#neededKeys ?? [], ranges: this.#neededRanges ?? [] }
  }

  /** The time logical time must reach before a query may be answered; 0 when it may be. */
  get needTimeMs(): number {
    return this.#needTimeMs
  }

  get clearsData(): boolean {
    return this.#clearsData
  }

  /** Writes the key count too; undefined when that isn't in memory. */
  finish(): readonly Write[] | undefined {
    if (this.#keyCountChange !== 0) {
      const before = this.keyCount()
      if (before === undefined) return undefined
      const after = before + this.#keyCountChange
      assert(after >= 0, `key count would become ${after}`)
      this.write(META_PARTITION, KEY_COUNT_KEY, u64Bytes(after))
      this.#keyCountChange = 0
    }
    return this.#writes ?? NO_WRITES
  }

  #counter(recordKey: ByteString): number | undefined {
    const value = this.get(recordKey)
    if (value === undefined) return undefined
    return value === null ? 0 : readU64(value, 0)
  }

  #isPast(record: ByteString): boolean {
    const expireMs = recordExpireMs(record)
    if (expireMs === NO_EXPIRY) return false
    if (expireMs <= this.timeMs) return true
    if (expireMs <= this.#clockMs && expireMs > this.#needTimeMs) this.#needTimeMs = expireMs
    return false
  }

  #moveExpiry(entry: KeyEntry, before: number, after: number): void {
    if (before === after) return
    if (before !== NO_EXPIRY) this.write(entry.slot, expiryIndexKey(before, entry.slot, entry.key), null)
    if (after !== NO_EXPIRY) this.write(entry.slot, expiryIndexKey(after, entry.slot, entry.key), '')
  }

  #abandonMembers(slot: number, before: ByteString, after: ByteString | null): void {
    if (recordType(before) !== ValueType.hash) return
    const version = hashHeader(before).version
    const isKept =
      after !== null && recordType(after) === ValueType.hash && hashHeader(after).version === version
    if (!isKept) this.write(slot, garbageKey(slot, version), '')
  }
}
