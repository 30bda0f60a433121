/**
 * What the hash commands share. A hash is a header in its key record (version, count) and one
 * record per field under (slot, version): the header is read first, then the fields it leads to.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyValue } from '../base/machine.ts'
import {
  HASH_VALUE_NOT_A_FLOAT,
  HASH_VALUE_NOT_AN_INTEGER,
  INCREMENT_OVERFLOW,
  NAN_OR_INFINITY,
  NOT_A_FLOAT,
  NOT_AN_INTEGER,
  STRING_TOO_LONG,
  VALUE_NAN_OR_INFINITY,
  WRONG_TYPE,
  wrongArity,
} from './errors.ts'
import { addIntegers, parseInteger } from './integers.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from './long-double.ts'
import {
  type HashHeader,
  hashHeader,
  makeHashRecord,
  makeMember,
  memberValue,
  NO_EXPIRY,
  recordExpireMs,
  recordType,
  ValueType,
} from './record.ts'
import { fieldOfMemberKey, memberKey, memberPrefix, memberRange } from './record-keys.ts'
import { type ErrorReply, error, type Reply } from './reply.ts'
import { isTooLong } from './strings.ts'
import type { KeyEntry, KvTransaction } from './transaction.ts'
import { answerRange, LONG_READ_RECORDS, readAll, walkKeys } from './whole-range.ts'

export const TOO_MANY_FIELDS = error('ERR too many fields for one reply')

type OpenHash = {
  readonly entry: KeyEntry
  /** Null when the key doesn't exist. */
  readonly header: HashHeader | null
}

export function openHash(transaction: KvTransaction, key: ByteString): OpenHash | ErrorReply | undefined {
  const entry = transaction.open(key)
  if (entry === undefined) return undefined
  if (entry.live === null) return { entry, header: null }
  if (recordType(entry.live) !== ValueType.hash) return WRONG_TYPE
  return { entry, header: hashHeader(entry.live) }
}

/** The value of a field; null when it is absent. */
export function readField(
  transaction: KvTransaction,
  key: ByteString,
  field: ByteString,
): ByteString | null | ErrorReply | undefined {
  const hash = openHash(transaction, key)
  if (hash === undefined || 'kind' in hash) return hash
  if (hash.header === null) return null
  const member = transaction.get(memberKey(memberPrefix(hash.entry.slot, hash.header.version), field))
  return typeof member === 'string' ? memberValue(member) : member
}

/** The values in the order of `fields`; null for one that is absent. */
export function readFields(
  transaction: KvTransaction,
  key: ByteString,
  fields: readonly ByteString[],
): Reply | undefined {
  const hash = openHash(transaction, key)
  if (hash === undefined || 'kind' in hash) return hash
  if (hash.header === null) return fields.map(() => null)
  const prefix = memberPrefix(hash.entry.slot, hash.header.version)
  if (transaction.mayWalk && fields.length > LONG_READ_RECORDS) {
    const values: Reply[] = []
    const take = (member: ByteString | null): void => {
      values.push(member === null ? null : memberValue(member))
    }
    return walkKeys(transaction, memberKeysOf(prefix, fields), take, () => values)
  }
  const members = readMemberRecords(transaction, prefix, fields)
  return members?.map((member) => (member === null ? null : memberValue(member)))
}

function* memberKeysOf(prefix: ByteString, fields: readonly ByteString[]): Generator<ByteString, void> {
  for (const field of fields) yield memberKey(prefix, field)
}

export type Member = readonly [field: ByteString, value: ByteString]

/** Small hashes are answered in the order of their fields' bytes; sorting large ones would take too long. */
const SORTED_FIELDS_MAX = 512

/** Makes something of every field and its value, and the reply of all that. */
export function answerMembers<Item>(
  transaction: KvTransaction,
  key: ByteString,
  itemOf: (member: Member) => Item,
  answer: (items: Item[]) => Reply | undefined,
): Reply | undefined {
  const hash = openHash(transaction, key)
  if (hash === undefined || 'kind' in hash) return hash
  if (hash.header === null) return answer([])
  const { version, count } = hash.header
  const members: Member[] = []
  const items: Item[] = []
  const take = (record: KeyValue): void => {
    if (count > SORTED_FIELDS_MAX) items.push(itemOf(memberOf(record)))
    else members.push(memberOf(record))
  }
  const finish = (): Reply | undefined => {
    if (members.length > 0) {
      members.sort(([one], [other]) => (one < other ? -1 : 1))
      for (const member of members.splice(0)) items.push(itemOf(member))
    }
    assert(items.length === count, `hash of ${count} fields has ${items.length}`)
    return answer(items)
  }
  return answerRange(transaction, memberRange(hash.entry.slot, version, 1), count, take, finish)
}

/** The records of all members; null when there are too many for one command. */
export function readMemberRange(
  transaction: KvTransaction,
  slot: number,
  { version, count }: HashHeader,
): readonly KeyValue[] | null | undefined {
  const records = readAll(transaction, memberRange(slot, version, 1), count)
  if (records === undefined || records === null) return records
  assert(records.length === count, `hash of ${count} fields has ${records.length}`)
  return records
}

export function memberOf(record: KeyValue): Member {
  return [fieldOfMemberKey(record.key), memberValue(record.value)]
}

/** HSET and HMSET: answers how many fields are new. */
export function setFields(
  transaction: KvTransaction,
  args: readonly ByteString[],
): number | ErrorReply | undefined {
  if (args.length % 2 === 1) return wrongArity(args[0] as ByteString)
  const values = new Map<ByteString, ByteString>()
  for (let index = 2; index < args.length; index += 2) {
    const value = args[index + 1] as ByteString
    if (isTooLong(transaction, value.length)) return STRING_TOO_LONG
    values.set(args[index] as ByteString, value)
  }
  return putFields(transaction, args[1] as ByteString, values)
}

/** HINCRBY key field increment */
export function incrementField(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const increment = parseInteger(args[3] as ByteString)
  if (increment === null) return NOT_AN_INTEGER
  const field = args[2] as ByteString
  const before = readField(transaction, args[1] as ByteString, field)
  if (before !== null && typeof before !== 'string') return before
  const number = before === null ? 0 : parseInteger(before)
  if (number === null) return HASH_VALUE_NOT_AN_INTEGER
  const sum = addIntegers(number, increment)
  if (sum === null) return INCREMENT_OVERFLOW
  const added = putFields(transaction, args[1] as ByteString, new Map([[field, String(sum)]]))
  return typeof added === 'number' ? sum : added
}

/** HINCRBYFLOAT key field increment */
export function incrementFieldByFloat(
  transaction: KvTransaction,
  args: readonly ByteString[],
): Reply | undefined {
  const increment = parseLongDouble(args[3] as ByteString)
  if (increment === null) return NOT_A_FLOAT
  if (increment === 'infinity') return VALUE_NAN_OR_INFINITY
  const field = args[2] as ByteString
  const before = readField(transaction, args[1] as ByteString, field)
  if (before !== null && typeof before !== 'string') return before
  const number = parseLongDouble(before ?? '0')
  if (number === null) return HASH_VALUE_NOT_A_FLOAT
  const sum = number === 'infinity' ? null : addLongDoubles(number, increment)
  if (sum === null) return NAN_OR_INFINITY
  const text = formatLongDouble(sum)
  const added = putFields(transaction, args[1] as ByteString, new Map([[field, text]]))
  return typeof added === 'number' ? text : added
}

/** HSETNX key field value */
export function setFieldIfAbsent(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const field = args[2] as ByteString
  const value = args[3] as ByteString
  if (isTooLong(transaction, value.length)) return STRING_TOO_LONG
  const before = readField(transaction, args[1] as ByteString, field)
  if (typeof before === 'string') return 0
  return before === null ? putFields(transaction, args[1] as ByteString, new Map([[field, value]])) : before
}

/** HDEL: answers how many fields there were. A hash without fields vanishes. */
export function deleteFields(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const hash = openHash(transaction, args[1] as ByteString)
  if (hash === undefined || 'kind' in hash) return hash
  if (hash.header === null) return 0
  const { entry, header } = hash
  const fields = [...new Set(args.slice(2))]
  const prefix = memberPrefix(entry.slot, header.version)
  const members = readMemberRecords(transaction, prefix, fields)
  if (members === undefined) return undefined
  let removed = 0
  fields.forEach((field, index) => {
    if (members[index] === null) return
    transaction.write(entry.slot, memberKey(prefix, field), null)
    removed++
  })
  if (removed > 0) putCount(transaction, entry, header, header.count - removed)
  return removed
}

function putFields(
  transaction: KvTransaction,
  key: ByteString,
  values: ReadonlyMap<ByteString, ByteString>,
): number | ErrorReply | undefined {
  const hash = openHash(transaction, key)
  if (hash === undefined || 'kind' in hash) return hash
  const { entry } = hash
  const version = hash.header?.version ?? transaction.revision()
  if (version === undefined) return undefined
  const prefix = memberPrefix(entry.slot, version)
  let added = values.size
  if (hash.header !== null) {
    const members = readMemberRecords(transaction, prefix, [...values.keys()])
    if (members === undefined) return undefined
    added = 0
    for (const member of members) if (member === null) added++
  }
  for (const [field, value] of values)
    transaction.write(entry.slot, memberKey(prefix, field), makeMember(value))
  const before = hash.header?.count ?? 0
  putCount(transaction, entry, { version, count: before }, before + added)
  return added
}

function putCount(transaction: KvTransaction, entry: KeyEntry, header: HashHeader, count: number): void {
  assert(count >= 0)
  if (count === 0) {
    transaction.removeEmptied(entry)
    return
  }
  const expireMs = entry.live === null ? NO_EXPIRY : recordExpireMs(entry.live)
  transaction.putRecord(entry, makeHashRecord({ version: header.version, count }, expireMs))
}

/** In the order of `fields`; all that are missing from memory are asked for at once. */
function readMemberRecords(
  transaction: KvTransaction,
  prefix: ByteString,
  fields: readonly ByteString[],
): readonly (ByteString | null)[] | undefined {
  const members: (ByteString | null)[] = []
  for (const field of fields) {
    const member = transaction.get(memberKey(prefix, field))
    if (member !== undefined) members.push(member)
  }
  return members.length === fields.length ? members : undefined
}
