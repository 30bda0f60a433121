/** What the string commands share: reading, writing and counting in string values. */
import type { ByteString } from '../base/bytes.ts'
import { INCREMENT_OVERFLOW, NOT_AN_INTEGER, STRING_TOO_LONG, WRONG_TYPE, wrongArity } from './errors.ts'
import { type ExpireUnit, parsePositiveExpireMs } from './expire-time.ts'
import { addIntegers, parseInteger, type RedisInteger } from './integers.ts'
import { makeStringRecord, NO_EXPIRY, recordExpireMs, recordType, stringValue, ValueType } from './record.ts'
import { type ErrorReply, OK, type Reply } from './reply.ts'
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

/** SETEX and PSETEX: key time value. */
export function setWithExpiry(
  transaction: KvTransaction,
  args: readonly ByteString[],
  unit: ExpireUnit,
): Reply | undefined {
  const value = args[3] as ByteString
  const expireMs = parsePositiveExpireMs(
    args[2] as ByteString,
    unit,
    transaction.timeMs,
    args[0] as ByteString,
  )
  if (typeof expireMs !== 'number') return expireMs
  if (isTooLong(transaction, value.length)) return STRING_TOO_LONG
  const entry = transaction.open(args[1] as ByteString)
  if (entry === undefined) return undefined
  transaction.putRecord(entry, makeStringRecord(value, expireMs))
  return OK
}

/** MSET and MSETNX: answers 1, or 0 when the keys are not as they must be. */
export function setMany(
  transaction: KvTransaction,
  args: readonly ByteString[],
  mayWrite: (entries: readonly KeyEntry[]) => boolean,
): 0 | 1 | ErrorReply | undefined {
  if (args.length % 2 === 0) return wrongArity(args[0] as ByteString)
  const keys: ByteString[] = []
  for (let index = 1; index < args.length; index += 2) {
    if (isTooLong(transaction, (args[index + 1] as ByteString).length)) return STRING_TOO_LONG
    keys.push(args[index] as ByteString)
  }
  const entries = transaction.openAll(keys)
  if (entries === undefined) return undefined
  if (!mayWrite(entries)) return 0
  entries.forEach((entry, index) => {
    transaction.putRecord(entry, makeStringRecord(args[2 * index + 2] as ByteString, NO_EXPIRY))
  })
  return 1
}
