/**
 * Redis' glob patterns, as KEYS and SCAN MATCH use them: `*`, `?`, `[abc]`, `[^a-z]`, `\x`.
 *
 * Time is at most pattern × subject: after a mismatch only the last `*` is tried again one byte
 * further, which is enough, because whatever an earlier `*` could still take, the last one can take too. So no pattern,
 * however hostile, takes exponential time.
 */
import type { ByteString } from '../base/bytes.ts'

const STAR = 0x2a
const QUESTION = 0x3f
const OPENING = 0x5b
const CLOSING = 0x5d
const CARET = 0x5e
const DASH = 0x2d
const BACKSLASH = 0x5c

const NO_STAR = -1

export function matchesGlob(pattern: ByteString, subject: ByteString): boolean {
  let at = 0
  let subjectAt = 0
  let afterStar = NO_STAR
  let starTook = 0
  while (subjectAt < subject.length) {
    if (at < pattern.length) {
      if (pattern.charCodeAt(at) === STAR) {
        afterStar = ++at
        starTook = subjectAt
        continue
      }
      const end = elementEnd(pattern, at)
      if (elementMatches(pattern, at, end, subject.charCodeAt(subjectAt))) {
        at = end
        subjectAt++
        continue
      }
    }
    if (afterStar === NO_STAR) return false
    at = afterStar
    subjectAt = ++starTook
  }
  while (pattern.charCodeAt(at) === STAR) at++
  return at >= pattern.length
}

/** True when the pattern matches everything, so that nobody needs to look. */
export function matchesEverything(pattern: ByteString): boolean {
  return pattern === '*'
}

/** The index behind the element (a class, an escape, or one byte) that begins at `at`. */
function elementEnd(pattern: ByteString, at: number): number {
  const first = pattern.charCodeAt(at)
  if (first === BACKSLASH && at + 1 < pattern.length) return at + 2
  if (first !== OPENING) return at + 1
  let index = at + 1
  if (pattern.charCodeAt(index) === CARET) index++
  while (index < pattern.length) {
    const byte = pattern.charCodeAt(index)
    if (byte === BACKSLASH && index + 1 < pattern.length) index += 2
    else if (byte === CLOSING) return index + 1
    else if (index + 2 < pattern.length && pattern.charCodeAt(index + 1) === DASH) index += 3
    else index++
  }
  // A class that is never closed ends with the pattern.
  return pattern.length
}

function elementMatches(pattern: ByteString, at: number, end: number, byte: number): boolean {
  const first = pattern.charCodeAt(at)
  if (first === QUESTION) return true
  if (first === OPENING) return classMatches(pattern, at + 1, end, byte)
  if (first === BACKSLASH && at + 1 < pattern.length) return pattern.charCodeAt(at + 1) === byte
  return first === byte
}

function classMatches(pattern: ByteString, from: number, end: number, byte: number): boolean {
  let index = from
  const isNegated = pattern.charCodeAt(index) === CARET
  if (isNegated) index++
  let isMember = false
  while (index < end) {
    const one = pattern.charCodeAt(index)
    if (one === BACKSLASH && index + 1 < end) {
      if (pattern.charCodeAt(index + 1) === byte) isMember = true
      index += 2
    } else if (one === CLOSING) {
      break
    } else if (index + 2 < end && pattern.charCodeAt(index + 1) === DASH) {
      const other = pattern.charCodeAt(index + 2)
      if (byte >= Math.min(one, other) && byte <= Math.max(one, other)) isMember = true
      index += 3
    } else {
      if (one === byte) isMember = true
      index++
    }
  }
  return isMember !== isNegated
}
