/** RENAME, RENAMENX and COPY: the value of one key becomes that of another, with its expiry. */
import type { ByteString } from '../base/bytes.ts'
import type { KeyValue } from '../base/machine.ts'
import { readMemberRange, TOO_MANY_FIELDS } from './hashes.ts'
import { hashHeader, makeHashRecord, recordExpireMs, recordType, ValueType } from './record.ts'
import { fieldOfMemberKey, memberKey, memberPrefix } from './record-keys.ts'
import { type ErrorReply, error } from './reply.ts'
import type { KeyEntry, KvTransaction } from './transaction.ts'

const NO_SUCH_KEY = error('ERR no such key')

/** Answers whether it was renamed. */
export function renameKey(
  transaction: KvTransaction,
  from: ByteString,
  to: ByteString,
  mayReplace: boolean,
): boolean | ErrorReply | undefined {
  const entries = openBoth(transaction, from, to)
  if (entries === undefined) return undefined
  const [source, target] = entries
  if (source.live === null) return NO_SUCH_KEY
  if (source === target) return mayReplace
  if (!mayReplace && target.live !== null) return false
  const isMovable = source.slot === target.slot || recordType(source.live) !== ValueType.hash
  if (isMovable) {
    // The members of a hash lie under their slot and version: they need not move.
    transaction.putRecord(target, source.live)
    transaction.removeEmptied(source)
    return true
  }
  const copied = copyHash(transaction, source, target)
  if (copied === true) transaction.removeRecord(source)
  return copied
}

/** Answers whether it was copied. */
export function copyKey(
  transaction: KvTransaction,
  from: ByteString,
  to: ByteString,
  mayReplace: boolean,
): boolean | ErrorReply | undefined {
  const entries = openBoth(transaction, from, to)
  if (entries === undefined) return undefined
  const [source, target] = entries
  if (source.live === null || (!mayReplace && target.live !== null)) return false
  if (recordType(source.live) === ValueType.hash) return copyHash(transaction, source, target)
  transaction.putRecord(target, source.live)
  return true
}

function openBoth(
  transaction: KvTransaction,
  from: ByteString,
  to: ByteString,
): readonly [KeyEntry, KeyEntry] | undefined {
  return transaction.openAll([from, to]) as readonly [KeyEntry, KeyEntry] | undefined
}

function copyHash(
  transaction: KvTransaction,
  source: KeyEntry,
  target: KeyEntry,
): true | ErrorReply | undefined {
  const record = source.live as ByteString
  const header = hashHeader(record)
  const version = transaction.revision()
  const members = readMemberRange(transaction, source.slot, header)
  if (version === undefined || members === undefined) return undefined
  if (members === null) return TOO_MANY_FIELDS
  const prefix = memberPrefix(target.slot, version)
  for (const { key, value } of members as readonly KeyValue[]) {
    transaction.write(target.slot, memberKey(prefix, fieldOfMemberKey(key)), value)
  }
  const copy = makeHashRecord({ version, count: header.count }, recordExpireMs(record))
  transaction.putRecord(target, copy)
  return true
}
