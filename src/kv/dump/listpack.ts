/**
 * Redis' listpack: total bytes u32, count u16, then entries, then 0xff. An entry is its encoding and
 * data, then its own length once more, backwards, in as many bytes as that takes.
 *
 *   0xxxxxxx  a number below 128          110xxxxx x   a number of 13 bits, signed
 *   10xxxxxx  so many bytes               1110xxxx x   so many bytes, 12 bits
 *   f0 u32    so many bytes               f1 f2 f3 f4  a signed number of 16, 24, 32, 64 bits
 */
import type { ByteString } from '../../base/bytes.ts'

const HEADER_BYTES = 6
const END = 0xff

/** Null when the bytes are no listpack. */
export function readListpack(bytes: ByteString): readonly ByteString[] | null {
  if (bytes.length <= HEADER_BYTES || littleEndian(bytes, 0, 4) !== BigInt(bytes.length)) return null
  const items: ByteString[] = []
  let at = HEADER_BYTES
  while (at < bytes.length && bytes.charCodeAt(at) !== END) {
    const entry = readEntry(bytes, at)
    if (entry === null) return null
    items.push(entry.item)
    at = entry.end + backLengthBytes(entry.end - at)
  }
  return at === bytes.length - 1 ? items : null
}

type Entry = { readonly item: ByteString; readonly end: number }

function readEntry(bytes: ByteString, at: number): Entry | null {
  const first = bytes.charCodeAt(at)
  if (first < 0x80) return { item: String(first), end: at + 1 }
  if (first < 0xc0) return text(bytes, at + 1, first & 0x3f)
  if (at + 1 >= bytes.length) return null
  const twelve = ((first & 0x0f) << 8) | bytes.charCodeAt(at + 1)
  if (first < 0xe0) {
    const thirteen = ((first & 0x1f) << 8) | bytes.charCodeAt(at + 1)
    return { item: String(thirteen >= 0x1000 ? thirteen - 0x2000 : thirteen), end: at + 2 }
  }
  if (first < 0xf0) return text(bytes, at + 2, twelve)
  if (at + 5 > bytes.length) return null
  if (first === 0xf0) return text(bytes, at + 5, Number(littleEndian(bytes, at + 1, 4)))
  const size = NUMBER_BYTES[first - 0xf1]
  if (size === undefined || at + 1 + size > bytes.length) return null
  return { item: String(BigInt.asIntN(size * 8, littleEndian(bytes, at + 1, size))), end: at + 1 + size }
}

const NUMBER_BYTES: readonly number[] = [2, 3, 4, 8]

function text(bytes: ByteString, from: number, length: number): Entry | null {
  const end = from + length
  return end > bytes.length ? null : { item: bytes.slice(from, end), end }
}

function backLengthBytes(length: number): number {
  if (length < 128) return 1
  if (length < 16_384) return 2
  if (length < 2_097_152) return 3
  return length < 268_435_456 ? 4 : 5
}

function littleEndian(bytes: ByteString, at: number, size: number): bigint {
  let value = 0n
  for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes.charCodeAt(at + index))
  return value
}
