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
import { OK, type Reply } from '../kv/reply.ts'

export type RespVersion = 2 | 3

/** Nesting of arrays in one reply; no command of ours comes near. */
export const MAX_REPLY_DEPTH = 32

/** Takes pieces of output in order. */
export type Append = (bytes: ByteString) => void

export function encodeReply(reply: Reply, protocol: RespVersion): ByteString {
  const scalar = encodeScalar(reply, protocol)
  if (scalar !== null) return scalar
  let bytes = ''
  appendReply(reply, protocol, (piece) => {
    bytes += piece
  })
  return bytes
}

/** As `encodeReply`, but in pieces, for replies that may not fit into one string. */
export function appendReply(reply: Reply, protocol: RespVersion, append: Append): void {
  appendNested(reply, protocol, append, 0)
}

/** The bytes of a reply that holds no other replies; null for arrays, maps and sets. */
export function encodeScalar(reply: Reply, protocol: RespVersion): ByteString | null {
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`
  if (reply === null) return protocol === 2 ? '$-1\r\n' : '_\r\n'
  if (typeof reply === 'number') {
    assert(Number.isSafeInteger(reply), `integer reply ${reply} is not a safe integer`)
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
  assert(typeof reply === 'object' && reply !== null)
  if (!('kind' in reply)) {
    append(`*${reply.length}\r\n`)
    for (const member of reply) appendNested(member, protocol, append, depth + 1)
  } else if (reply.kind === 'map') {
    append(protocol === 2 ? `*${reply.entries.length * 2}\r\n` : `%${reply.entries.length}\r\n`)
    for (const [key, value] of reply.entries) {
      appendNested(key, protocol, append, depth + 1)
      appendNested(value, protocol, append, depth + 1)
    }
  } else if (reply.kind === 'pairs') {
    append(`*${protocol === 2 ? reply.entries.length * 2 : reply.entries.length}\r\n`)
    for (const [key, value] of reply.entries) {
      if (protocol === 3) append('*2\r\n')
      appendNested(key, protocol, append, depth + 1)
      appendNested(value, protocol, append, depth + 1)
    }
  } else {
    assert(reply.kind === 'set')
    append(`${protocol === 2 ? '*' : '~'}${reply.members.length}\r\n`)
    for (const member of reply.members) appendNested(member, protocol, append, depth + 1)
  }
}

// Errors quote what the client sent; a line end in there would end the reply early.
function errorLine(text: ByteString): ByteString {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text
}
