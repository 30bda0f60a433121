/**
 * The values of key and member records: docs/formats/keyspace.md in code.
 *
 * What is stored for a key is a record and its trailer. A record is kept as the byte string it is
 * stored as and looked into in place, so that reading a string key makes nothing but slices. Unknown types, flags and versions stop
 * the process: they mean damage that checksums missed, or data of a newer version.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { readU32, readU64, u32Bytes, u64Bytes } from './record-keys.ts'

export const ValueType = { string: 1, hash: 2 } as const
export type ValueType = (typeof ValueType)[keyof typeof ValueType]
const { string: STRING, hash: HASH } = ValueType

/** No value: the key doesn't exist, but somebody watches whether it does (docs/design/0006-watch.md). */
const TRACE = 0
const TYPE_MASK = 0x0f
const HAS_EXPIRY = 0x10
/** The encoding of today; 0 was one without trailers, which was never released. */
const ENCODING = 0x40

/** The expiry of a key that has none. */
export const NO_EXPIRY = -1

export function recordType(record: ByteString): ValueType {
  const first = record.charCodeAt(0)
  const type = first & TYPE_MASK
  if ((first & ~(TYPE_MASK | HAS_EXPIRY)) !== ENCODING || (type !== STRING && type !== HASH))
    unknownFormat(first)
  return type as ValueType
}

// Apart: a text made for every record that is looked at would cost more than the looking.
function unknownFormat(firstByte: number): never {
  assert.fail(`key record of another format, or of an unknown type: first byte ${firstByte}`)
}

export function recordExpireMs(record: ByteString): number {
  return record.charCodeAt(0) & HAS_EXPIRY ? readU64(record, 1) : NO_EXPIRY
}

export function makeStringRecord(value: ByteString, expireMs: number): ByteString {
  return expireMs === NO_EXPIRY ? `\x41${value}` : `\x51${u64Bytes(expireMs)}${value}`
}

export function stringValue(record: ByteString): ByteString {
  return record.slice(valueOffset(record))
}

export function stringLength(record: ByteString): number {
  return record.length - valueOffset(record)
}

/** Keeps the revision of a key that doesn't exist, until `expireMs`. */
export function makeTraceRecord(expireMs: number): ByteString {
  return String.fromCharCode(TRACE | ENCODING | HAS_EXPIRY) + u64Bytes(expireMs)
}

export function isTrace(record: ByteString): boolean {
  return (record.charCodeAt(0) & TYPE_MASK) === TRACE
}

const TRAILER_BYTES = 8
const TWO_TO_32 = 0x1_0000_0000
const LEAVES_TRACE = 0x01

/**
 * What stands behind every key record. The revision is drawn anew by every command that changes the
 * key: equal revisions mean that nothing happened. When a key that leaves a trace is deleted, a trace of
 * it stays, because it was watched while it didn't exist.
 */
export function withTrailer(record: ByteString, revision: number, leavesTrace: boolean): ByteString {
  const bytes = u64Bytes(revision)
  return record + (leavesTrace ? String.fromCharCode(LEAVES_TRACE) + bytes.slice(1) : bytes)
}

/** The record of what is stored for a key. */
export function recordOfStored(stored: ByteString): ByteString {
  return stored.slice(0, -TRAILER_BYTES)
}

/** Makes nothing: this is read for every key that a command touches. */
export function revisionOfStored(stored: ByteString): number {
  const at = trailerOffset(stored)
  // The trailer's first byte holds its flags.
  return (readU32(stored, at) & 0x00ff_ffff) * TWO_TO_32 + readU32(stored, at + 4)
}

export function leavesTraceOfStored(stored: ByteString): boolean {
  const flags = stored.charCodeAt(trailerOffset(stored))
  assert((flags & ~LEAVES_TRACE) === 0, 'trailer of a newer format')
  return flags !== 0
}

function trailerOffset(stored: ByteString): number {
  const at = stored.length - TRAILER_BYTES
  assert(at > 0, 'a key record without a trailer')
  return at
}

export type HashHeader = {
  readonly version: number
  readonly count: number
}

export function makeHashRecord(header: HashHeader, expireMs: number): ByteString {
  assert(header.count > 0, 'a hash without members does not exist')
  const head = expireMs === NO_EXPIRY ? '\x42' : `\x52${u64Bytes(expireMs)}`
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
    ? String.fromCharCode(type | ENCODING) + value
    : String.fromCharCode(type | ENCODING | HAS_EXPIRY) + u64Bytes(expireMs) + value
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
