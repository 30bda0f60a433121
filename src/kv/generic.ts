/** What several commands on keys of any type share. */
import type { ByteString } from '../base/bytes.ts'
import { unreachable } from '../base/unreachable.ts'
import { SYNTAX_ERROR } from './errors.ts'
import { recordType, ValueType } from './record.ts'
import { keyRecordKey } from './record-keys.ts'
import { OK, type Reply } from './reply.ts'
import { hashKey, slotOf } from './slot.ts'
import type { KvTransaction } from './transaction.ts'
import { LONG_READ_RECORDS, walkKeys } from './whole-range.ts'

/** The name TYPE answers. */
export function typeName(record: ByteString): string {
  const type = recordType(record)
  switch (type) {
    case ValueType.string:
      return 'string'
    case ValueType.hash:
      return 'hash'
    default:
      return unreachable(type)
  }
}

/** DEL and UNLINK. */
export function deleteKeys(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const entries = transaction.openAll(args.slice(1))
  if (entries === undefined) return undefined
  let count = 0
  for (const entry of entries) {
    if (entry.live !== null) count++
    transaction.removeRecord(entry)
  }
  return count
}

/** FLUSHALL and FLUSHDB. Always at once, so ASYNC and SYNC mean the same. */
export function flush(transaction: KvTransaction, args: readonly ByteString[]): Reply {
  const option = args[1]?.toLowerCase()
  const isValid = args.length === 1 || (args.length === 2 && (option === 'async' || option === 'sync'))
  if (!isValid) return SYNTAX_ERROR
  transaction.clearData()
  return OK
}

/** EXISTS and TOUCH. */
export function countExisting(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  let count = 0
  if (isLongRead(transaction, args)) {
    const take = (stored: ByteString | null): void => {
      if (transaction.visibleRecord(stored) !== null) count++
    }
    return walkKeys(transaction, recordKeysOf(args), take, () => count)
  }
  const entries = transaction.openAll(args.slice(1))
  if (entries === undefined) return undefined
  for (const entry of entries) if (entry.live !== null) count++
  return count
}

/** Whether it is better to look at the keys, or fields, of a query a few at a time. */
export function isLongRead(transaction: KvTransaction, args: readonly ByteString[]): boolean {
  return transaction.mayWalk && args.length > LONG_READ_RECORDS
}

/** Of a command whose arguments are all keys. */
export function* recordKeysOf(args: readonly ByteString[]): Generator<ByteString, void> {
  for (let at = 1; at < args.length; at++) {
    const key = args[at] as ByteString
    yield keyRecordKey(slotOf(key), hashKey(key), key)
  }
}
