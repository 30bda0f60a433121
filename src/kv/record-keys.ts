/**
 * The keys of all records: docs/formats/keyspace.md in code. Only this file knows prefixes and
 * offsets. Its parsers are given records of our own machine: a key that doesn't fit is a bug or
 * damage, so they assert.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { SLOT_COUNT } from '../base/ids.ts'
import { type KeyRange, META_PARTITION, META_PREFIX } from '../base/machine.ts'
import { hashKey } from './slot.ts'

const KEY_PREFIX = 'd'
const MEMBER_PREFIX = 'm'
const EXPIRY_PREFIX = 'x'
const GARBAGE_PREFIX = 'g'
const SESSION_PREFIX = `${META_PREFIX}s`
const REPLY_PREFIX = `${META_PREFIX}r`
const IDLE_PREFIX = `${META_PREFIX}t`

export const KEY_COUNT_KEY: ByteString = `${META_PREFIX}c`
export const VERSION_COUNTER_KEY: ByteString = `${META_PREFIX}v`

export const SESSION_ID_BYTES = 16
const KEY_RECORD_HEADER_BYTES = 7
const TWO_TO_32 = 0x1_0000_0000

const SLOT_BYTES: readonly ByteString[] = Array.from({ length: SLOT_COUNT + 1 }, (_, slot) =>
  String.fromCharCode(slot >>> 8, slot & 0xff),
)

/** Slot numbers, and SLOT_COUNT as the bound above the last. */
function slotBytes(slot: number): ByteString {
  const bytes = SLOT_BYTES[slot]
  return bytes ?? assert.fail(`not a slot: ${slot}`)
}

export function u64Bytes(value: number): ByteString {
  if (!(Number.isSafeInteger(value) && value >= 0)) notUnsigned(value)
  const high = Math.floor(value / TWO_TO_32)
  return String.fromCharCode(
    high >>> 24,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    (value >>> 24) & 0xff,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  )
}

export function u32Bytes(value: number): ByteString {
  if (value >>> 0 !== value) notUnsigned(value)
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}

// Apart: a text made for every number that is written would cost more than the writing.
function notUnsigned(value: number): never {
  assert.fail(`not an unsigned integer of its length: ${value}`)
}

export function readU16(bytes: ByteString, at: number): number {
  assert(at + 2 <= bytes.length, 'record ends within a u16')
  return (bytes.charCodeAt(at) << 8) | bytes.charCodeAt(at + 1)
}

export function readU32(bytes: ByteString, at: number): number {
  assert(at + 4 <= bytes.length, 'record ends within a u32')
  return uncheckedU32(bytes, at)
}

export function readU64(bytes: ByteString, at: number): number {
  assert(at + 8 <= bytes.length, 'record ends within a u64')
  const value = uncheckedU32(bytes, at) * TWO_TO_32 + uncheckedU32(bytes, at + 4)
  assert(Number.isSafeInteger(value), 'u64 exceeds 2^53')
  return value
}

function uncheckedU32(bytes: ByteString, at: number): number {
  return (
    ((bytes.charCodeAt(at) << 24) |
      (bytes.charCodeAt(at + 1) << 16) |
      (bytes.charCodeAt(at + 2) << 8) |
      bytes.charCodeAt(at + 3)) >>>
    0
  )
}

/** The partition of any record of this machine. */
export function partitionOf(recordKey: ByteString): number {
  const prefix = recordKey[0]
  if (prefix === META_PREFIX) return META_PARTITION
  if (prefix === EXPIRY_PREFIX) return readU16(recordKey, 9)
  assert(
    prefix === KEY_PREFIX || prefix === MEMBER_PREFIX || prefix === GARBAGE_PREFIX,
    'a record of no known kind',
  )
  return readU16(recordKey, 1)
}

export function keyRecordKey(slot: number, hash: number, key: ByteString): ByteString {
  const head = String.fromCharCode(
    0x64,
    slot >>> 8,
    slot & 0xff,
    hash >>> 24,
    (hash >>> 16) & 0xff,
    (hash >>> 8) & 0xff,
    hash & 0xff,
  )
  return head + key
}

/** The key whose record this is. */
export function keyOfKeyRecord(recordKey: ByteString): ByteString {
  assert(recordKey.startsWith(KEY_PREFIX) && recordKey.length >= KEY_RECORD_HEADER_BYTES)
  return recordKey.slice(KEY_RECORD_HEADER_BYTES)
}

/** slot · 2^32 + hash: where the key stands in SCAN's order. */
export function positionOfKeyRecord(recordKey: ByteString): number {
  assert(recordKey.startsWith(KEY_PREFIX) && recordKey.length >= KEY_RECORD_HEADER_BYTES)
  return readU16(recordKey, 1) * TWO_TO_32 + readU32(recordKey, 3)
}

export const SCAN_POSITION_END = SLOT_COUNT * TWO_TO_32

export function scanPositionOfSlot(slot: number): number {
  assert(slot >= 0 && slot <= SLOT_COUNT)
  return slot * TWO_TO_32
}

export function keyRecordRange(from: number, to: number, limit: number): KeyRange {
  assert(from >= 0 && from <= to && to <= SCAN_POSITION_END)
  return { from: keyRecordBound(from), to: keyRecordBound(to), limit }
}

function keyRecordBound(position: number): ByteString {
  return KEY_PREFIX + slotBytes(Math.floor(position / TWO_TO_32)) + u32Bytes(position % TWO_TO_32)
}

/** What all members of one life of a hash begin with. */
export function memberPrefix(slot: number, version: number): ByteString {
  return MEMBER_PREFIX + slotBytes(slot) + u64Bytes(version)
}

/** Members stand in the order of their hashes, so that HSCAN's cursor can be a number. */
export function memberKey(prefix: ByteString, field: ByteString): ByteString {
  return prefix + u32Bytes(hashKey(field)) + field
}

const MEMBER_KEY_HEADER_BYTES = 15

export function fieldOfMemberKey(recordKey: ByteString): ByteString {
  assert(recordKey.startsWith(MEMBER_PREFIX) && recordKey.length >= MEMBER_KEY_HEADER_BYTES)
  return recordKey.slice(MEMBER_KEY_HEADER_BYTES)
}

/** The hash of its field: where a member stands in HSCAN's order. */
export function positionOfMember(recordKey: ByteString): number {
  return readU32(recordKey, MEMBER_KEY_HEADER_BYTES - 4)
}

export const MEMBER_POSITION_END = TWO_TO_32

/** The members from a position on. */
export function memberRangeFrom(slot: number, version: number, position: number, limit: number): KeyRange {
  assert(position >= 0 && position < MEMBER_POSITION_END)
  const { to } = memberRange(slot, version, limit)
  return { from: memberPrefix(slot, version) + u32Bytes(position), to, limit }
}

export function memberRange(slot: number, version: number, limit: number): KeyRange {
  return { from: memberPrefix(slot, version), to: memberPrefix(slot, version + 1), limit }
}

/** The life of a hash that a member key, or the bound of a member range, belongs to; null: not a member's. */
export function versionOfMemberKey(key: ByteString): number | null {
  return key.startsWith(MEMBER_PREFIX) ? readU64(key, 3) : null
}

export function expiryIndexKey(expireMs: number, slot: number, key: ByteString): ByteString {
  return EXPIRY_PREFIX + u64Bytes(expireMs) + slotBytes(slot) + key
}

/** The index records with `expireMs <= timeMs`, the oldest first. */
export function expiryIndexRange(timeMs: number, limit: number): KeyRange {
  return { from: EXPIRY_PREFIX, to: EXPIRY_PREFIX + u64Bytes(timeMs + 1), limit }
}

export function keyOfExpiryIndex(indexKey: ByteString): ByteString {
  assert(indexKey.startsWith(EXPIRY_PREFIX) && indexKey.length >= 11)
  return indexKey.slice(11)
}

export function garbageKey(slot: number, version: number): ByteString {
  return GARBAGE_PREFIX + slotBytes(slot) + u64Bytes(version)
}

export function garbageRange(limit: number): KeyRange {
  return { from: GARBAGE_PREFIX, to: 'h', limit }
}

export function parseGarbageKey(key: ByteString): { readonly slot: number; readonly version: number } {
  assert(key.startsWith(GARBAGE_PREFIX) && key.length === 11)
  return { slot: readU16(key, 1), version: readU64(key, 3) }
}

export function sessionKey(slot: number, id: ByteString): ByteString {
  assert(id.length === SESSION_ID_BYTES, 'a session id has 16 bytes')
  return SESSION_PREFIX + slotBytes(slot) + id
}

export function sessionReplyKey(slot: number, id: ByteString, sequence: number): ByteString {
  assert(id.length === SESSION_ID_BYTES, 'a session id has 16 bytes')
  return REPLY_PREFIX + slotBytes(slot) + id + u64Bytes(sequence)
}

export function sessionIdleKey(activeMs: number, slot: number, id: ByteString): ByteString {
  assert(id.length === SESSION_ID_BYTES, 'a session id has 16 bytes')
  return IDLE_PREFIX + u64Bytes(activeMs) + slotBytes(slot) + id
}

/** The idle index of sessions last indexed at or before `timeMs`, the longest idle first. */
export function sessionIdleRange(timeMs: number, limit: number): KeyRange {
  return { from: IDLE_PREFIX, to: IDLE_PREFIX + u64Bytes(timeMs + 1), limit }
}

export function parseSessionIdleKey(key: ByteString): { readonly slot: number; readonly id: ByteString } {
  assert(key.startsWith(IDLE_PREFIX) && key.length === 12 + SESSION_ID_BYTES)
  return { slot: readU16(key, 10), id: key.slice(12) }
}
