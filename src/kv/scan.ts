/**
 * SCAN and KEYS: walks over the key records in the order (slot, hash, key).
 *
 * A cursor is the position of the next call, nothing is remembered between calls
 * (docs/formats/keyspace.md, "SCAN's cursor").
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue } from '../base/machine.ts'
import { INVALID_CURSOR, NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts'
import { typeName } from './generic.ts'
import { matchesEverything, matchesGlob } from './glob.ts'
import { parseInteger } from './integers.ts'
import { keyOfKeyRecord, keyRecordRange, positionOfKeyRecord, SCAN_POSITION_END } from './record-keys.ts'
import type { ErrorReply, Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'
import { answerRange } from './whole-range.ts'

const COUNT_DEFAULT = 10
/** COUNT is a hint; more than this is not read at once. */
const COUNT_MAX = 5_000
/** Keys of one slot with one hash; so many don't happen. */
const SAME_HASH_MAX = 16_000_000
/** How far RANDOMKEY looks for a key among expired ones. */
const RANDOM_PAGE_RECORDS = 32
const RANDOM_PAGES_MAX = 16
/** A cursor of Redis is 64 bits, so a longer text is none. */
const CURSOR_DIGITS_MAX = 20
const CURSOR_MAX = 0xffff_ffff_ffff_ffffn

type ScanOptions = {
  readonly count: number
  readonly pattern: ByteString | null
  readonly type: string | null
  readonly withValues: boolean
}

/** `args[1]` is the cursor; options begin at `optionsAt`; keys at or beyond `end` belong to somebody else. */
export function scanKeys(
  transaction: KvTransaction,
  args: readonly ByteString[],
  optionsAt: number,
  end: number,
): Reply | undefined {
  assert(end > 0 && end <= SCAN_POSITION_END)
  const cursor = parseCursor(args[1] as ByteString)
  if (cursor === null) return INVALID_CURSOR
  const options = parseScanOptions(args, optionsAt, 'keys')
  if ('kind' in options) return options
  const after = end === SCAN_POSITION_END ? 0 : end
  if (cursor >= end) return [String(after), []]
  const page = readPositions(transaction, options.count, positionOfKeyRecord, (limit) =>
    keyRecordRange(cursor, end, limit),
  )
  if (page === undefined) return undefined
  const keys = page.records.filter((record) => isWanted(transaction, record, options)).map(keyOf)
  return [String(page.next ?? after), keys]
}

export function allKeys(transaction: KvTransaction, pattern: ByteString): Reply | undefined {
  const count = transaction.keyCount()
  if (count === undefined) return undefined
  const options = {
    count,
    pattern: matchesEverything(pattern) ? null : pattern,
    type: null,
    withValues: false,
  }
  const keys: ByteString[] = []
  const take = (record: KeyValue): void => {
    if (isWanted(transaction, record, options)) keys.push(keyOf(record))
  }
  return answerRange(transaction, keyRecordRange(0, SCAN_POSITION_END, 1), count, take, () => keys)
}

/** Some key that is not past its expiry, from a place that the seed decides; null when there is none near. */
export function randomKey(transaction: KvTransaction): Reply | undefined {
  const start = Math.floor((transaction.seed / 0x1_0000_0000) * SCAN_POSITION_END)
  assert(start >= 0 && start < SCAN_POSITION_END)
  const behind = firstLiveKey(transaction, keyRecordRange(start, SCAN_POSITION_END, RANDOM_PAGE_RECORDS))
  if (behind !== null || start === 0) return behind
  return firstLiveKey(transaction, keyRecordRange(0, start, RANDOM_PAGE_RECORDS))
}

function firstLiveKey(transaction: KvTransaction, range: KeyRange): ByteString | null | undefined {
  let from = range.from
  for (let page = 0; page < RANDOM_PAGES_MAX; page++) {
    const records = transaction.range({ ...range, from })
    if (records === undefined) return undefined
    const live = records.find((record) => transaction.isVisible(record.value))
    if (live !== undefined) return keyOf(live)
    if (records.length < range.limit) return null
    from = `${(records[records.length - 1] as KeyValue).key}\x00`
  }
  return null
}

/** About `count` records, only whole positions; `next` is null at the end. */
export function readPositions(
  transaction: KvTransaction,
  count: number,
  positionOf: (recordKey: ByteString) => number,
  rangeOf: (limit: number) => KeyRange,
): { readonly records: readonly KeyValue[]; readonly next: number | null } | undefined {
  for (let limit = count + 1; ; limit *= 2) {
    assert(limit <= SAME_HASH_MAX, 'millions of keys with one hash')
    const records = transaction.range(rangeOf(limit))
    if (records === undefined) return undefined
    if (records.length < limit) return { records, next: null }
    // The last position may go on behind the limit, so it is left for the next call,
    // unless nothing else was found.
    const last = positionOf((records[limit - 1] as KeyValue).key)
    let complete = limit - 1
    while (complete > 0 && positionOf((records[complete - 1] as KeyValue).key) === last) complete--
    if (complete > 0) return { records: records.slice(0, complete), next: last }
  }
}

function isWanted(transaction: KvTransaction, record: KeyValue, options: ScanOptions): boolean {
  if (!transaction.isVisible(record.value)) return false
  if (options.type !== null && typeName(record.value) !== options.type) return false
  return options.pattern === null || matchesGlob(options.pattern, keyOfKeyRecord(record.key))
}

function keyOf(record: KeyValue): ByteString {
  return keyOfKeyRecord(record.key)
}

/** What C's strtoul accepts, as Redis reads cursors with it; beyond our positions means the end. */
export function parseCursor(text: ByteString): number | null {
  const first = text[0]
  const isSigned = first === '-' || first === '+'
  const digits = isSigned ? text.slice(1) : text
  if (isSigned && digits.length === 0) return null
  let significantFrom = 0
  while (digits[significantFrom] === '0') significantFrom++
  const significant = digits.slice(significantFrom)
  for (let index = 0; index < significant.length; index++) {
    const byte = significant.charCodeAt(index)
    if (byte < 0x30 || byte > 0x39) return null
  }
  if (significant.length === 0) return 0
  if (significant.length > CURSOR_DIGITS_MAX || BigInt(significant) > CURSOR_MAX) return null
  if (first === '-') return SCAN_POSITION_END
  return Math.min(Number(significant), SCAN_POSITION_END)
}

export function parseScanOptions(
  args: readonly ByteString[],
  from: number,
  what: 'keys' | 'fields',
): ScanOptions | ErrorReply {
  let withValues = true
  let count = COUNT_DEFAULT
  let pattern: ByteString | null = null
  let type: string | null = null
  for (let index = from; index < args.length; index += 2) {
    const option = (args[index] as ByteString).toLowerCase()
    const value = args[index + 1]
    if (option === 'novalues' && what === 'fields') {
      withValues = false
      index--
      continue
    }
    if (value === undefined) return SYNTAX_ERROR
    if (option === 'count') {
      const parsed = parseInteger(value)
      if (parsed === null) return NOT_AN_INTEGER
      if (parsed < 1) return SYNTAX_ERROR
      count = Math.min(Number(parsed), COUNT_MAX)
    } else if (option === 'match') {
      pattern = matchesEverything(value) ? null : value
    } else if (option === 'type' && what === 'keys') {
      type = value.toLowerCase()
    } else {
      return SYNTAX_ERROR
    }
  }
  return { count, pattern, type, withValues }
}
