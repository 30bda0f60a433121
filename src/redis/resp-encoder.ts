/**
 * Replies as bytes on the wire, for RESP2 and RESP3.
 *
 *   reply      RESP2              RESP3
 *   string     $len               $len
 *   integer    :n                 :n
 *   nil        $-1                _
 *   array      *n                 *n
 *   status     +text              +text
 *   error      -text              -text
 *   map        *2n                %n
 *   set        *n                 ~n
 *   pairs      *2n                *n of *2
 *   double     $len               ,text
 *   boolean    :1 :0              #t #f
 *   verbatim   $len               =len+4 txt:…
 *   nil array  *-1                _
 *
 * Everything is built by joining latin1 strings: V8 makes ropes of them and flattens once, when
 * the connection writes, which is cheaper than filling buffers reply by reply.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import { unreachable } from '../base/unreachable.ts'
import { type MapReply, OK, type PairsReply, type Reply, type SetReply } from '../kv/reply.ts'

export type RespVersion = 2 | 3

/** Nesting of arrays in one reply; no command of ours comes near. */
export const MAX_REPLY_DEPTH = 32

/** Elements, or kilobytes, from which on a reply is sent in pieces. */
const LARGE_WEIGHT = 512
const PIECE_BYTES = 32 * 1024

/** Takes pieces of output in order. */
export type Append = (bytes: ByteString) => void

/** The first lines of short strings: of most values there are. */
const SHORT_HEADERS: readonly ByteString[] = Array.from({ length: 1024 }, (_, length) => `$${length}\r\n`)

export function encodeReply(reply: Reply, protocol: RespVersion): ByteString {
  const scalar = encodeScalar(reply, protocol)
  if (scalar !== null) return scalar
  let bytes = ''
  appendReply(reply, protocol, (piece) => {
    bytes += piece
  })
  return bytes
}

/** As `encodeReply`, but handed over part by part. */
export function appendReply(reply: Reply, protocol: RespVersion, append: Append): void {
  appendNested(reply, protocol, append, 0)
}

/** As `encodeReply`, but in pieces of some kilobytes, made as they are asked for: for large replies. */
export function* piecesOf(reply: Reply, protocol: RespVersion): Generator<ByteString, void> {
  yield* nestedPieces(reply, protocol, 0)
}

/** Whether a reply is so large that it is better sent in pieces. Looks at no more of it than that takes. */
export function isLarge(reply: Reply): boolean {
  if (typeof reply === 'string') return reply.length >= LARGE_WEIGHT * 1_024
  return reply !== null && typeof reply === 'object' && weigh(reply, LARGE_WEIGHT) >= LARGE_WEIGHT
}

/** The bytes of a reply that holds no other replies; null for arrays, maps and sets. */
export function encodeScalar(reply: Reply, protocol: RespVersion): ByteString | null {
  if (typeof reply === 'string') return `${SHORT_HEADERS[reply.length] ?? `$${reply.length}\r\n`}${reply}\r\n`
  if (reply === null) return protocol === 2 ? '$-1\r\n' : '_\r\n'
  if (typeof reply === 'number') {
    assert(Number.isSafeInteger(reply), 'an integer reply is not a safe integer')
    return `:${reply}\r\n`
  }
  if (typeof reply === 'bigint') return `:${reply}\r\n`
  if (reply === OK) return '+OK\r\n'
  if (!('kind' in reply)) return null
  switch (reply.kind) {
    case 'status':
      assert(!/[\r\n]/.test(reply.text), 'a status reply is one line')
      return `+${reply.text}\r\n`
    case 'error':
      return `-${errorLine(reply.text)}\r\n`
    case 'double':
      return protocol === 2 ? `$${reply.text.length}\r\n${reply.text}\r\n` : `,${reply.text}\r\n`
    case 'boolean':
      return protocol === 2 ? (reply.value ? ':1\r\n' : ':0\r\n') : reply.value ? '#t\r\n' : '#f\r\n'
    case 'verbatim':
      return protocol === 2
        ? `$${reply.text.length}\r\n${reply.text}\r\n`
        : `=${reply.text.length + 4}\r\n${reply.format}:${reply.text}\r\n`
    case 'nilArray':
      return protocol === 2 ? '*-1\r\n' : '_\r\n'
    case 'map':
    case 'pairs':
    case 'set':
      return null
    default:
      return unreachable(reply)
  }
}

function appendNested(reply: Reply, protocol: RespVersion, append: Append, depth: number): void {
  assert(depth < MAX_REPLY_DEPTH, 'reply nested too deeply')
  const scalar = encodeScalar(reply, protocol)
  if (scalar !== null) {
    append(scalar)
    return
  }
  const nested = reply as NestedReply
  append(headerOf(nested, protocol))
  if (!('kind' in nested)) {
    for (const member of nested) appendNested(member, protocol, append, depth + 1)
  } else if (nested.kind === 'set') {
    for (const member of nested.members) appendNested(member, protocol, append, depth + 1)
  } else {
    for (const [key, value] of nested.entries) {
      if (protocol === 3 && nested.kind === 'pairs') append('*2\r\n')
      appendNested(key, protocol, append, depth + 1)
      appendNested(value, protocol, append, depth + 1)
    }
  }
}

function* nestedPieces(reply: Reply, protocol: RespVersion, depth: number): Generator<ByteString, void> {
  assert(depth < MAX_REPLY_DEPTH, 'reply nested too deeply')
  if (typeof reply === 'string') {
    yield `$${reply.length}\r\n`
    for (let at = 0; at < reply.length; at += PIECE_BYTES) yield reply.slice(at, at + PIECE_BYTES)
    yield '\r\n'
    return
  }
  const scalar = encodeScalar(reply, protocol)
  if (scalar !== null) {
    yield scalar
    return
  }
  const members = membersOf(reply as NestedReply)
  let piece = headerOf(reply as NestedReply, protocol)
  const isPaired =
    protocol === 3 && 'kind' in (reply as NestedReply) && (reply as PairsReply).kind === 'pairs'
  const append = (bytes: ByteString): void => {
    piece += bytes
  }
  let isFirst = true
  for (const member of members) {
    if (isPaired && isFirst) piece += '*2\r\n'
    isFirst = !isFirst
    if (isLarge(member)) {
      yield piece
      piece = ''
      yield* nestedPieces(member, protocol, depth + 1)
    } else appendNested(member, protocol, append, depth + 1)
    if (piece.length < PIECE_BYTES) continue
    yield piece
    piece = ''
  }
  yield piece
}

type NestedReply = readonly Reply[] | MapReply | PairsReply | SetReply

function headerOf(reply: NestedReply, protocol: RespVersion): ByteString {
  if (!('kind' in reply)) return `*${reply.length}\r\n`
  if (reply.kind === 'set') return `${protocol === 2 ? '*' : '~'}${reply.members.length}\r\n`
  if (protocol === 2) return `*${reply.entries.length * 2}\r\n`
  return `${reply.kind === 'map' ? '%' : '*'}${reply.entries.length}\r\n`
}

/** Keys and values of entries alternate. */
function membersOf(reply: NestedReply): Iterable<Reply> {
  if (!('kind' in reply)) return reply
  return reply.kind === 'set' ? reply.members : alternating(reply.entries)
}

function* alternating(entries: readonly (readonly [Reply, Reply])[]): Generator<Reply, void> {
  for (const [key, value] of entries) {
    yield key
    yield value
  }
}

/** One for each element and each kilobyte; not more than about `enough`. */
function weigh(reply: Reply, enough: number): number {
  if (typeof reply === 'string') return 1 + reply.length / 1_024
  if (reply === null || typeof reply !== 'object') return 1
  if ('kind' in reply && reply.kind !== 'map' && reply.kind !== 'pairs' && reply.kind !== 'set') {
    return 'text' in reply ? 1 + reply.text.length / 1_024 : 1
  }
  let weight = 1
  for (const member of membersOf(reply)) {
    weight += weigh(member, enough - weight)
    if (weight >= enough) break
  }
  return weight
}

// Errors quote what the client sent; a line end in there would end the reply early.
function errorLine(text: ByteString): ByteString {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text
}
