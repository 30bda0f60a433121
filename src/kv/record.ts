/**
 * The values of key and member records: docs/formats/keyspace.md in code.
 *
 * A record is kept as the byte string it is stored as and looked into in place, so that reading
 * a string key makes nothing but the slice of its value. Unknown types, flags and versions stop
 * the process: they mean damage that checksums missed, or data of a newer version.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { readU32, readU64, u32Bytes, u64Bytes } from './record-keys.ts'

export const ValueType = { string: 1, hash: 2 } as const
export type ValueType = (typeof ValueType)[keyof typeof ValueType]

const TYPE_MASK = 0x0f
const HAS_EXPIRY = 0x10
const KNOWN_BITS = TYPE_MASK | HAS_EXPIRY

/** The expiry of a key that has none. */
export const NO_EXPIRY = -1

export function recordType(record: ByteString): ValueType {
  const first = record.charCodeAt(0)
  const type = first & TYPE_MASK
  assert((first & ~KNOWN_BITS) === 0, `key record of a newer format: first byte ${first}`)
  assert(type === ValueType.string || type === ValueType.hash, `unknown value type ${type}`)
  return type
}

export function recordExpireMs(record: ByteString): number {
  return record.charCodeAt(0) & HAS_EXPIRY ? readU64(record, 1) : NO_EXPIRY
}

export function makeStringRecord(value: ByteString, expireMs: number): ByteString {
  return expireMs === NO_EXPIRY ? `\x01${value}` : `\x11${u64Bytes(expireMs)}${value}`
}

export function stringValue(record: ByteString): ByteString {
  return record.slice(valueOffset(record))
}

export function stringLength(record: ByteString): number {
  return record.length - valueOffset(record)
}

export type HashHeader = {
  readonly version: number
  readonly count: number
}

export function makeHashRecord(header: HashHeader, expireMs: number): ByteString {
  assert(header.count > 0, 'a hash without members does not exist')
  const head = expireMs === NO_EXPIRY ? '\x02' : `\x12${u64Bytes(expireMs)}`
  return head + u64Bytes(header.version) + u32Bytes(header.count)
}

export function hashHeader(record: ByteString): HashHeader {
  assert(recordType(record) === ValueType.hash)
  const at = valueOffset(record)
  assert(record.length === at + 12, 'hash record of a wrong length')
  const header = { version: readU64(record, at), count: readU32(record, at + 8) }
  assert(header.count > 0, 'a hash without members does not exist')
  return header
}

/** The same value with another expiry. */
export function withExpiry(record: ByteString, expireMs: number): ByteString {
  const type = recordType(record)
  const value = record.slice(valueOffset(record))
  return expireMs === NO_EXPIRY
    ? String.fromCharCode(type) + value
    : String.fromCharCode(type | HAS_EXPIRY) + u64Bytes(expireMs) + value
}

export function makeMember(value: ByteString): ByteString {
  return `\x00${value}`
}

export function memberValue(member: ByteString): ByteString {
  assert(member.charCodeAt(0) === 0, 'member of a newer format')
  return member.slice(1)
}

function valueOffset(record: ByteString): number {
  return record.charCodeAt(0) & HAS_EXPIRY ? 9 : 1
}
