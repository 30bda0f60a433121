/**
 * Reads replies of either RESP version, keeping the type of each, so that `:1` and `$1` differ.
 * For tests: plain rather than fast.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../../src/base/bytes.ts'

export type WireReply =
  /** `type` is the byte on the wire: + - : $ _ , # = ( */
  | { readonly type: string; readonly text: ByteString | null }
  /** `type`: * ~ %; members of a map are its keys and values in turn. */
  | { readonly type: string; readonly members: readonly WireReply[] }

type Parsed = { readonly reply: WireReply; readonly end: number }

/** The reply that begins at `start`; null when it is not complete. */
export function parseReply(bytes: ByteString, start: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return null
  const type = bytes[start] as string
  const line = bytes.slice(start + 1, lineEnd)
  const next = lineEnd + 2
  switch (type) {
    case '+':
    case '-':
    case ':':
    case ',':
    case '#':
    case '(':
    case '_':
      return { reply: { type, text: line }, end: next }
    case '$':
    case '=': {
      const length = Number(line)
      if (length < 0) return { reply: { type, text: null }, end: next }
      if (bytes.length < next + length + 2) return null
      assert.equal(bytes.slice(next + length, next + length + 2), '\r\n')
      return { reply: { type, text: bytes.slice(next, next + length) }, end: next + length + 2 }
    }
    case '*':
    case '~':
    case '%': {
      const count = Number(line)
      if (count < 0) return { reply: { type, text: null }, end: next }
      return parseMembers(bytes, next, type, type === '%' ? count * 2 : count)
    }
    default:
      throw new Error(`not a reply at ${start}: ${JSON.stringify(bytes.slice(start, start + 80))}`)
  }
}

function parseMembers(bytes: ByteString, start: number, type: string, count: number): Parsed | null {
  const members: WireReply[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    const parsed = parseReply(bytes, at)
    if (parsed === null) return null
    members.push(parsed.reply)
    at = parsed.end
  }
  return { reply: { type, members }, end: at }
}

export function isError(reply: WireReply): boolean {
  return reply.type === '-'
}
