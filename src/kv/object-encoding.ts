/**
 * OBJECT ENCODING in Redis' words. Redis' answer depends on how a value came about; ours only on
 * what it is: the encoding that Redis gives to a value written at once.
 */
import type { ByteString } from '../base/bytes.ts'
import { memberOf, readMemberRange } from './hashes.ts'
import { parseInteger } from './integers.ts'
import { hashHeader, recordType, stringValue, ValueType } from './record.ts'
import type { Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'

/** Redis' limits, as its configuration has them from the start. */
const EMBEDDED_BYTES_MAX = 44
const LISTPACK_FIELDS_MAX = 128
const LISTPACK_BYTES_MAX = 64

export function encodingOf(transaction: KvTransaction, key: ByteString): Reply | undefined {
  const entry = transaction.open(key)
  if (entry === undefined) return undefined
  if (entry.live === null) return null
  if (recordType(entry.live) === ValueType.string) return stringEncoding(stringValue(entry.live))
  const header = hashHeader(entry.live)
  if (header.count > LISTPACK_FIELDS_MAX) return 'hashtable'
  const members = readMemberRange(transaction, entry.slot, header)
  if (members === undefined) return undefined
  const isSmall = members?.every((member) => memberOf(member).every(isShort)) ?? false
  return isSmall ? 'listpack' : 'hashtable'
}

function stringEncoding(value: ByteString): string {
  if (parseInteger(value) !== null) return 'int'
  return value.length <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw'
}

function isShort(bytes: ByteString): boolean {
  return bytes.length <= LISTPACK_BYTES_MAX
}
