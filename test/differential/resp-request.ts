import type { ByteString } from '../../src/base/bytes.ts'

/** A request as clients send it: an array of bulk strings. */
export function encodeRequest(args: readonly ByteString[]): ByteString {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}
