/**
 * One execution of one command: what it has read, what it lacks, what it writes.
 *
 * A command reads everything first. Reads that memory can't answer return undefined and are noted;
 * the command then returns undefined and runs again once they are there. Nothing of such a run
 * survives but the list of needs.
 *
 * Invariants kept here, so that no command can forget them: the key count follows every key record
 * that appears or vanishes, the index follows every change of an expiry, a hash that is replaced or
 * deleted leaves a garbage record, whatever changes a key draws a new revision for it.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type {
  Context,
  Found,
  KeyRange,
  KeyValue,
  MachineView,
  Need,
  Walk,
  WalkSource,
  Write,
} from '../base/machine.ts'
import { META_PARTITION } from '../base/machine.ts'
import {
  hashHeader,
  isTrace,
  leavesTraceOfStored,
  makeTraceRecord,
  NO_EXPIRY,
  recordExpireMs,
  recordOfStored,
  recordType,
  revisionOfStored,
  ValueType,
  withTrailer,
} from './record.ts'
import {
  expiryIndexKey,
  garbageKey,
  KEY_COUNT_KEY,
  keyRecordKey,
  readU64,
  u64Bytes,
  VERSION_COUNTER_KEY,
} from './record-keys.ts'
import type { Reply } from './reply.ts'
import { hashKey, slotOf } from './slot.ts'

/** A key as the running command sees it; one object per key and execution. */
export type KeyEntry = {
  readonly key: ByteString
  readonly slot: number
  readonly recordKey: ByteString
  /** The record as stored, also when it is past its expiry. Null for a trace. */
  stored: ByteString | null
  /** The record, null when there is none or it is past its expiry. */
  live: ByteString | null
  /** When the trace of a key that doesn't exist goes; NO_EXPIRY when there is none. */
  traceExpireMs: number
  leavesTrace: boolean
  /** Of the last change before this command; 0 when nothing is stored. */
  readonly revision: number
}

/** See `Walk` in base/machine.ts; waiting for logical time is this class's business. */
export type KvWalk = {
  readonly source: WalkSource
  readonly take: (page: readonly Found[]) => void
  readonly finish: () => Reply | undefined
}

export type KvLimits = {
  /** Longest string value. */
  readonly maxValueBytes: number
}

/** How long a WATCH of a key that doesn't exist can succeed; also how long its record stays. */
export const TRACE_MS = 3_600_000

const NO_WRITES: readonly Write[] = []

/** A key record lacks its trailer until the end, when the revision is known. */
type Missing = 'nothing' | 'trailer' | 'trailerOfTrace'
type DraftWrite = {
  readonly partition: number
  readonly key: ByteString
  value: ByteString | null
  missing: Missing
}

export class KvTransaction {
  readonly timeMs: number
  readonly seed: number
  readonly limits: KvLimits
  /** Whether what takes long may be answered by a `walk`: a query that stands alone. */
  readonly mayWalk: boolean
  readonly #view: MachineView
  readonly #clockMs: number
  #needTimeMs = 0
  #neededKeys: ByteString[] | null = null
  #neededRanges: KeyRange[] | null = null
  #writes: DraftWrite[] | null = null
  #clearsData = false
  #keyCountChange = 0
  #isStampDue = false
  #usesRevision = false
  #walk: KvWalk | null = null

  /** `clockMs`: the reader's clock for a query; the logical time itself for a log entry. */
  constructor(view: MachineView, context: Context, clockMs: number, limits: KvLimits, mayWalk = false) {
    this.mayWalk = mayWalk
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
    const bytes = this.get(recordKey)
    if (bytes === undefined) return undefined
    if (bytes === null) {
      return {
        key,
        slot,
        recordKey,
        stored: null,
        live: null,
        traceExpireMs: NO_EXPIRY,
        leavesTrace: false,
        revision: 0,
      }
    }
    const revision = revisionOfStored(bytes)
    const leavesTrace = leavesTraceOfStored(bytes)
    const record = recordOfStored(bytes)
    const isAbsent = isTrace(record)
    const stored = isAbsent ? null : record
    const live = isAbsent || this.#isPast(record) ? null : record
    const traceExpireMs = isAbsent ? recordExpireMs(record) : NO_EXPIRY
    return { key, slot, recordKey, stored, live, traceExpireMs, leavesTrace, revision }
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

  /** The record that clients see of what is stored for a key; null when there is none, or none any more. */
  visibleRecord(stored: ByteString | null): ByteString | null {
    return stored !== null && this.isVisible(stored) ? recordOfStored(stored) : null
  }

  /** Whether what a range read for a key is a value that clients see. */
  isVisible(stored: ByteString): boolean {
    return !isTrace(stored) && !this.#isPast(stored)
  }

  putRecord(entry: KeyEntry, record: ByteString): void {
    const before = entry.stored
    if (before === null) this.#keyCountChange++
    else this.#abandonMembers(entry.slot, before, record)
    this.#moveExpiry(entry, expiryOf(entry), recordExpireMs(record))
    this.#writeStamped(entry, record)
    entry.stored = record
    entry.live = record
    entry.traceExpireMs = NO_EXPIRY
  }

  /** Removes what is stored, expired or not. */
  removeRecord(entry: KeyEntry): void {
    if (entry.stored === null) return
    this.#abandonMembers(entry.slot, entry.stored, null)
    this.removeEmptied(entry)
  }

  /** Removes a key whose members are gone already, or go on under another key. */
  removeEmptied(entry: KeyEntry): void {
    assert(entry.stored !== null)
    this.#keyCountChange--
    if (entry.leavesTrace) this.#leaveTrace(entry)
    else {
      this.#moveExpiry(entry, expiryOf(entry), NO_EXPIRY)
      this.write(entry.slot, entry.recordKey, null)
    }
    entry.stored = null
    entry.live = null
  }

  /**
   * Makes sure that the key has a revision although it doesn't exist, and answers it. A trace that
   * would soon go is kept for longer. Undefined when the counter isn't in memory.
   */
  trace(entry: KeyEntry): number | undefined {
    assert(entry.live === null, 'only a key that does not exist is traced')
    const hasTrace = entry.traceExpireMs !== NO_EXPIRY
    if (hasTrace && !this.isTraceOld(entry)) return entry.revision
    if (hasTrace) {
      const expireMs = this.timeMs + TRACE_MS
      const trace = withTrailer(makeTraceRecord(expireMs), entry.revision, entry.leavesTrace)
      this.#moveExpiry(entry, entry.traceExpireMs, expireMs)
      this.write(entry.slot, entry.recordKey, trace)
      entry.traceExpireMs = expireMs
      return entry.revision
    }
    const revision = this.revision()
    if (revision === undefined) return undefined
    entry.leavesTrace = true
    if (entry.stored === null) this.#leaveTrace(entry)
    else this.removeRecord(entry)
    return revision
  }

  isTraceOld(entry: KeyEntry): boolean {
    return entry.traceExpireMs < this.timeMs + TRACE_MS / 2
  }

  removeTrace(entry: KeyEntry): void {
    assert(entry.stored === null && entry.traceExpireMs !== NO_EXPIRY)
    this.#moveExpiry(entry, entry.traceExpireMs, NO_EXPIRY)
    this.write(entry.slot, entry.recordKey, null)
    entry.traceExpireMs = NO_EXPIRY
  }

  /** The keys of the group, also those past their expiry. */
  keyCount(): number | undefined {
    return this.#counter(KEY_COUNT_KEY)
  }

  /**
   * The revision of all that this command changes, greater than every one before. It also names the
   * life of a hash that the command makes (at most one).
   */
  revision(): number | undefined {
    const last = this.lastRevision()
    if (last === undefined) return undefined
    this.#usesRevision = true
    return last + 1
  }

  /** The last one that was given away. */
  lastRevision(): number | undefined {
    return this.#counter(VERSION_COUNTER_KEY)
  }

  /** Every data record vanishes before the writes of this command. */
  clearData(): void {
    assert(this.#writes === null && this.#keyCountChange === 0, 'clear before anything else')
    this.#clearsData = true
    this.write(META_PARTITION, KEY_COUNT_KEY, null)
  }

  write(partition: number, recordKey: ByteString, value: ByteString | null): void {
    this.#draft({ partition, key: recordKey, value, missing: 'nothing' })
  }

  /** The answer is what comes of `walk`; the command returns undefined. */
  beginWalk(walk: KvWalk): undefined {
    assert(this.mayWalk && this.#walk === null)
    this.#walk = walk
  }

  /** For the host; null when the command is answered without one. */
  walk(): Walk<Reply> | null {
    const walk = this.#walk
    if (walk === null) return null
    return {
      kind: 'walk',
      source: walk.source,
      take: (page) => {
        walk.take(page)
        // Up to the reader's clock, so that its next attempt finds nothing more to wait for.
        return this.needTimeMs > this.timeMs ? { kind: 'needTime', timeMs: this.#clockMs } : null
      },
      finish: walk.finish,
    }
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

  /** Writes counters and trailers too; undefined when the counters aren't in memory. */
  finish(): readonly Write[] | undefined {
    if (this.#isStampDue || this.#usesRevision) {
      const revision = this.revision()
      if (revision !== undefined) this.#stamp(revision)
    }
    if (this.#keyCountChange !== 0) {
      const before = this.keyCount()
      if (before === undefined) return undefined
      const after = before + this.#keyCountChange
      assert(after >= 0, `key count would become ${after}`)
      this.write(META_PARTITION, KEY_COUNT_KEY, u64Bytes(after))
      this.#keyCountChange = 0
    }
    if (this.isWaiting) return undefined
    return this.#writes ?? NO_WRITES
  }

  #counter(recordKey: ByteString): number | undefined {
    const value = this.get(recordKey)
    if (value === undefined) return undefined
    return value === null ? 0 : readU64(value, 0)
  }

  #draft(write: DraftWrite): void {
    this.#writes ??= []
    this.#writes.push(write)
  }

  #writeStamped({ slot, recordKey, leavesTrace }: KeyEntry, record: ByteString): void {
    this.#isStampDue = true
    const missing = leavesTrace ? 'trailerOfTrace' : 'trailer'
    this.#draft({ partition: slot, key: recordKey, value: record, missing })
  }

  #stamp(revision: number): void {
    for (const write of this.#writes ?? []) {
      if (write.missing === 'nothing') continue
      assert(write.value !== null)
      write.value = withTrailer(write.value, revision, write.missing === 'trailerOfTrace')
      write.missing = 'nothing'
    }
    this.#isStampDue = false
    this.#usesRevision = false
    this.write(META_PARTITION, VERSION_COUNTER_KEY, u64Bytes(revision))
  }

  #leaveTrace(entry: KeyEntry): void {
    const expireMs = this.timeMs + TRACE_MS
    this.#moveExpiry(entry, expiryOf(entry), expireMs)
    this.#writeStamped(entry, makeTraceRecord(expireMs))
    entry.traceExpireMs = expireMs
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

/** When the index lets maintenance look at what is stored for the key. */
function expiryOf(entry: KeyEntry): number {
  return entry.stored === null ? entry.traceExpireMs : recordExpireMs(entry.stored)
}
