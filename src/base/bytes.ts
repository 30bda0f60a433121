/**
 * Byte strings: the form in which keys and values travel through the pure machines.
 *
 * A `ByteString` is a JavaScript string whose every char code is 0–255: one char is one byte
 * (latin1). V8 keeps such strings at one byte per char, compares them bytewise with `<`, hashes
 * them for `Map`, slices and joins them without copying, and latin1 is byte-exact, so binary
 * data is safe. Text becomes a byte string only through `utf8ToBytes`: a plain string literal
 * with a char above U+00FF is not one.
 */
import { Buffer } from 'node:buffer'

export type ByteString = string

export const EMPTY_BYTES: ByteString = ''

/** Where two trips through a buffer become cheaper than a loop over the chars. */
const LONG_TEXT_CHARS = 128

/** The UTF-8 bytes of `text`, one char per byte. */
export function utf8ToBytes(text: string): ByteString {
  return isShortAscii(text) ? text : Buffer.from(text, 'utf8').latin1Slice()
}

function isShortAscii(text: string): boolean {
  if (text.length > LONG_TEXT_CHARS) return false
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false
  }
  return true
}

/** The text whose UTF-8 bytes are `bytes`; invalid sequences become U+FFFD. For messages and logs only. */
export function bytesToUtf8(bytes: ByteString): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

export function bytesToBuffer(bytes: ByteString): Buffer {
  return Buffer.from(bytes, 'latin1')
}

export function bufferToBytes(buffer: Buffer): ByteString {
  return buffer.latin1Slice(0, buffer.length)
}

/** True when every char is one byte; for assertions at the edges, not for hot paths. */
export function isByteString(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    if (value.charCodeAt(index) > 0xff) return false
  }
  return true
}
