/**
 * Reads a range that may be larger than one read should be (KEYS, HGETALL).
 *
 * A query that stands alone is a walk as soon as there is much to read: the host shows it the range in
 * pages, with other work between them. What belongs to an entry of the log, because it writes or stands
 * in a transaction, must run at once: its records are read in as few rounds of the machine contract as
 * possible, normally one, and commands that only read are refused where that would hold up everybody.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue } from '../base/machine.ts'
import { type ErrorReply, error, type Reply } from './reply.ts'
import type { KvTransaction, KvWalk } from './transaction.ts'

/** From here on a walk; below, one page costs less. */
export const LONG_READ_RECORDS = 2_000
/** Of one answer: it is built in memory as a whole, as in Redis. */
const LONG_READ_RECORDS_MAX = 16_000_000
const LONG_READ_BYTES_MAX = 512 * 1024 * 1024
/** What a command of a transaction may read: so much is read and answered in a few milliseconds. */
export const TRANSACTION_READ_RECORDS_MAX = 10_000

const TOO_LONG = error(
  `ERR the answer has more than ${LONG_READ_RECORDS_MAX} elements or ${LONG_READ_BYTES_MAX} bytes: ` +
    'read it in parts, with SCAN or HSCAN',
)
const TOO_LONG_IN_TRANSACTION = error(
  `ERR a command of a transaction reads at most ${TRANSACTION_READ_RECORDS_MAX} keys or fields: ` +
    'send it outside of MULTI, or read in parts with SCAN or HSCAN',
)

/** Records of one range read. */
const PAGE_RECORDS_MAX = 1_048_576
/** Pages of one command: below the rounds the host allows. */
export const PAGES_MAX = 48

/**
 * All records of a range of about `expectedCount` records (its limit is ours to choose). Null when
 * there are too many for one command.
 */
export function readAll(
  transaction: KvTransaction,
  range: KeyRange,
  expectedCount: number,
  pageRecordsMax: number = PAGE_RECORDS_MAX,
): readonly KeyValue[] | null | undefined {
  // A power of two, so that a count that grows between two rounds seldom asks for another range.
  let limit = 16
  while (limit <= expectedCount && limit * 2 <= pageRecordsMax) limit *= 2
  const pages: (readonly KeyValue[])[] = []
  let from = range.from
  for (let page = 0; page < PAGES_MAX; page++) {
    const records = transaction.range({ from, to: range.to, limit })
    if (records === undefined) return undefined
    pages.push(records)
    if (records.length < limit) return pages.length === 1 ? records : pages.flat()
    // The smallest key after the last one.
    from = `${(records[records.length - 1] as KeyValue).key}\x00`
  }
  return null
}

/**
 * Shows every record of a range of about `expectedCount` records to `take`; the reply is what `finish`
 * then makes of them. Of a walk `finish` may return undefined, to be called again.
 */
export function answerRange(
  transaction: KvTransaction,
  range: KeyRange,
  expectedCount: number,
  take: (record: KeyValue) => void,
  finish: () => Reply | undefined,
): Reply | undefined {
  if (transaction.mayWalk && expectedCount >= LONG_READ_RECORDS) {
    return transaction.beginWalk(makeWalk(range, take, finish))
  }
  if (expectedCount > TRANSACTION_READ_RECORDS_MAX) return TOO_LONG_IN_TRANSACTION
  const records = readAll(transaction, range, expectedCount)
  if (records === undefined) return undefined
  if (records === null) return TOO_LONG_IN_TRANSACTION
  for (const record of records) take(record)
  return finishNow(finish)
}

/**
 * For work without reading: the reply is what `finish` makes in one or more calls. Of a query that stands alone
 * each of them has a turn of its own, where `isLong`.
 */
export function answerInParts(
  transaction: KvTransaction,
  isLong: boolean,
  finish: () => Reply | undefined,
): Reply | undefined {
  if (!transaction.mayWalk || !isLong) return finishNow(finish)
  return transaction.beginWalk({ source: { kind: 'nothing' }, take: () => {}, finish })
}

function finishNow(finish: () => Reply | undefined): Reply {
  let reply = finish()
  while (reply === undefined) reply = finish()
  return reply
}

function makeWalk(
  range: KeyRange,
  take: (record: KeyValue) => void,
  finish: () => Reply | undefined,
): KvWalk {
  let records = 0
  let bytes = 0
  let refusal: ErrorReply | null = null
  return {
    source: { kind: 'range', from: range.from, to: range.to },
    take: (page) => {
      if (refusal !== null) return
      records += page.length
      for (const { key, value } of page) {
        assert(value !== null, 'a range has no records that are not there')
        bytes += key.length + value.length
        take({ key, value })
      }
      if (records > LONG_READ_RECORDS_MAX || bytes > LONG_READ_BYTES_MAX) refusal = TOO_LONG
    },
    finish: () => refusal ?? finish(),
  }
}

/**
 * Shows what is stored under each of many record keys to `take`, in their order. Only where `mayWalk`, and only
 * worth while for more than `LONG_READ_RECORDS`; the keys are made as they are needed.
 */
export function walkKeys(
  transaction: KvTransaction,
  recordKeys: Iterator<ByteString>,
  take: (stored: ByteString | null) => void,
  finish: () => Reply,
): undefined {
  let bytes = 0
  return transaction.beginWalk({
    source: { kind: 'keys', keys: recordKeys },
    take: (page) => {
      if (bytes > LONG_READ_BYTES_MAX) return
      for (const { value } of page) {
        bytes += value?.length ?? 0
        take(value)
      }
    },
    finish: () => (bytes > LONG_READ_BYTES_MAX ? TOO_LONG : finish()),
  })
}
