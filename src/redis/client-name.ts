import type { ByteString } from '../base/bytes.ts'

/** What CLIENT LIST can show in one line of words: printable ASCII without spaces. */
export function isClientName(name: ByteString): boolean {
  return /^[!-~]*$/.test(name)
}
