/** What the string commands share: reading, writing and counting in string values. */
import type { ByteString } from '../base/bytes.ts'
import { INCREMENT_OVERFLOW, NOT_AN_INTEGER, WRONG_TYPE } from './errors.ts'
import { addIntegers, parseInteger, type RedisInteger } from './integers.ts'
import { makeStringRecord, NO_EXPIRY, recordExpireMs, recordType, stringValue, ValueType } from './record.ts'
import type { ErrorReply, Reply } from './reply.ts'
import type { KeyEntry, KvTransaction } from './transaction.ts'

/** The value of a string key, null when there is none, or the error that it is something else. */
export function stringOf(entry: KeyEntry): ByteString | null | ErrorReply {
  if (entry.live === null) return null
  if (recordType(entry.live) !== ValueType.string) return WRONG_TYPE
  return stringValue(entry.live)
}

export function isTooLong(transaction: KvTransaction, bytes: number): boolean {
  return bytes > transaction.limits.maxValueBytes
}

/** Writes a string and keeps the expiry that the key has. */
export function putStringKeepingExpiry(transaction: KvTransaction, entry: KeyEntry, value: ByteString): void {
  const expireMs = entry.live === null ? NO_EXPIRY : recordExpireMs(entry.live)
  transaction.putRecord(entry, makeStringRecord(value, expireMs))
}

/** INCR and its relatives. */
export function incrementString(
  transaction: KvTransaction,
  key: ByteString,
  increment: RedisInteger,
): Reply | undefined {
  const entry = transaction.open(key)
  if (entry === undefined) return undefined
  const before = stringOf(entry)
  if (before !== null && typeof before !== 'string') return before
  const number = before === null ? 0 : parseInteger(before)
  if (number === null) return NOT_AN_INTEGER
  const sum = addIntegers(number, increment)
  if (sum === null) return INCREMENT_OVERFLOW
  putStringKeepingExpiry(transaction, entry, String(sum))
  return sum
}

export function stringsAreTooLong(
  transaction: KvTransaction,
  args: readonly ByteString[],
  from: number,
): boolean {
  for (let index = from; index < args.length; index++) {
    if (isTooLong(transaction, (args[index] as ByteString).length)) return true
  }
  return false
}
