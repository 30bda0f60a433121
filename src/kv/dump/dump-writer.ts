/**
 * A value as Redis' DUMP gives it: its RDB form, the version of that format, a checksum. Always the
 * plainest form, which every Redis reads: strings in full, hashes as pairs.
 *
 *   payload  := type:u8 value version:u16-little-endian crc64:8
 *   string   := length bytes                      type 0
 *   hash     := length (string string)*           type 4
 *   length   := 00xxxxxx | 01xxxxxx xxxxxxxx | 10000000 u32-big-endian
 */
import type { ByteString } from '../../base/bytes.ts'
import { u32Bytes } from '../record-keys.ts'
import { crc64 } from './crc64.ts'

export const RdbType = { string: 0, hash: 4, hashListpack: 16 } as const
/** What redis-server 7.0 writes, and the newest it reads. */
export const RDB_VERSION = 10

export function dumpString(value: ByteString): ByteString {
  return seal(String.fromCharCode(RdbType.string) + formatString(value))
}

export function dumpHash(members: readonly (readonly [field: ByteString, value: ByteString])[]): ByteString {
  const pairs = members.map(([field, value]) => formatString(field) + formatString(value))
  return seal(String.fromCharCode(RdbType.hash) + formatLength(members.length) + pairs.join(''))
}

function seal(body: ByteString): ByteString {
  const bytes = `${body}${String.fromCharCode(RDB_VERSION & 0xff, RDB_VERSION >>> 8)}`
  return bytes + crc64(bytes)
}

function formatString(bytes: ByteString): ByteString {
  return formatLength(bytes.length) + bytes
}

function formatLength(length: number): ByteString {
  if (length < 0x40) return String.fromCharCode(length)
  if (length < 0x4000) return String.fromCharCode(0x40 | (length >>> 8), length & 0xff)
  return `\x80${u32Bytes(length)}`
}
