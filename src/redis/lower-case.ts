import type { ByteString } from '../base/bytes.ts'

/** ASCII only: `toLowerCase` would change bytes above 0x7f, which mean nothing as characters here. */
export function lowerCase(bytes: ByteString): ByteString {
  return bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
