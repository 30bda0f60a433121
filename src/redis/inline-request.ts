/**
 * Inline requests: a command typed as one line of text (telnet, `redis-cli` over a pipe, health
 * checks of load balancers) instead of a RESP array. Quoting as Redis 7.0 does it:
 *
 *   "…"  with \n \r \t \b \a \xHH, and \c for any other char c;   '…' with \' only;
 *   a closing quote must be followed by white space or the end of the line.
 *
 * One deliberate difference: Redis stops at a NUL byte and then waits for ever; here NUL is a
 * byte like any other.
 */
import type { ByteString } from '../base/bytes.ts'

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }
const HEX_PAIR = /^[0-9a-fA-F]{2}$/

/** The words of `line` (without its line end), or null when quotes are unbalanced. */
export function splitInlineRequest(line: ByteString): ByteString[] | null {
  const words: ByteString[] = []
  let at = 0
  for (;;) {
    while (isSpace(line[at])) at++
    if (at >= line.length) return words
    const word = readWord(line, at)
    if (word === null) return null
    words.push(word.text)
    at = word.end
  }
}

type Word = { readonly text: ByteString; readonly end: number }

function readWord(line: ByteString, start: number): Word | null {
  let text = ''
  let at = start
  while (at < line.length) {
    const char = line[at] as string
    if (char === '"' || char === "'") {
      const quoted = char === '"' ? readDoubleQuoted(line, at + 1) : readSingleQuoted(line, at + 1)
      if (quoted === null) return null
      if (quoted.end < line.length && !isSpace(line[quoted.end])) return null
      return { text: text + quoted.text, end: quoted.end }
    }
    if (endsWord(char)) break
    text += char
    at++
  }
  return { text, end: at }
}

/** `start` is behind the opening quote; `end` of the result is behind the closing one. */
function readDoubleQuoted(line: ByteString, start: number): Word | null {
  let text = ''
  for (let at = start; at < line.length; ) {
    const char = line[at] as string
    if (char === '"') return { text, end: at + 1 }
    const hex = char === '\\' && line[at + 1] === 'x' ? line.slice(at + 2, at + 4) : ''
    if (HEX_PAIR.test(hex)) {
      text += String.fromCharCode(Number.parseInt(hex, 16))
      at += 4
    } else if (char === '\\' && at + 1 < line.length) {
      const escaped = line[at + 1] as string
      text += ESCAPES[escaped] ?? escaped
      at += 2
    } else {
      text += char
      at++
    }
  }
  return null
}

function readSingleQuoted(line: ByteString, start: number): Word | null {
  let text = ''
  for (let at = start; at < line.length; ) {
    const char = line[at] as string
    if (char === "'") return { text, end: at + 1 }
    if (char === '\\' && line[at + 1] === "'") {
      text += "'"
      at += 2
    } else {
      text += char
      at++
    }
  }
  return null
}

// White space between words and behind closing quotes (C's isspace).
function isSpace(char: string | undefined): boolean {
  return char !== undefined && (char === ' ' || (char >= '\t' && char <= '\r'))
}

// Inside a word only these end it: vertical tab and form feed are part of the word, as in Redis.
function endsWord(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r'
}
