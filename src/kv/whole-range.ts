/**
 * Reads a range that may be larger than one read should be (KEYS, HGETALL), in as few rounds of the
 * machine contract as possible: normally one.
 *
 * The answer of such a command is built in memory as a whole, as Redis builds it, and keeps the
 * process busy meanwhile; SCAN is the command that doesn't.
 */
import type { KeyRange, KeyValue } from '../base/machine.ts'
import type { KvTransaction } from './transaction.ts'

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
