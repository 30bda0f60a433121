/**
 * The stored form of replies: what a session remembers, and what peers send each other.
 *
 *   reply := tag:u8 body
 *   0 nil                          5 error      text
 *   1 bulk string  bytes           6 array      count reply*
 *   2 integer ≥ 0  varint          7 map        count (reply reply)*
 *   3 integer < 0  varint of -n-1  8 set        count reply*
 *   4 status       text            9 double     text
 *   10 false   11 true   12 verbatim format:u8 text   13 nil array
 *   14 big integer  its decimal text                  15 the status OK
 *   16 pairs      count (reply reply)*
 *
 * counts and lengths are varints. Nesting is limited, so hostile bytes can't exhaust the stack.
 */
import { type ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { unreachable } from '../base/unreachable.ts'
import { EMPTY_ARRAY, error, NIL_ARRAY, OK, type Reply, status } from './reply.ts'

const DEPTH_MAX = 32

const ReplyTag = {
  nil: 0,
  bulk: 1,
  positive: 2,
  negative: 3,
  status: 4,
  error: 5,
  array: 6,
  map: 7,
  set: 8,
  double: 9,
  false: 10,
  true: 11,
  verbatim: 12,
  nilArray: 13,
  bigInteger: 14,
  ok: 15,
  pairs: 16,
} as const

const VERBATIM_FORMATS = ['txt', 'mkd'] as const

export function encodeReply(reply: Reply, writer: ByteWriter, depth: number = 0): void {
  if (depth > DEPTH_MAX) throw new Error(`reply nested deeper than ${DEPTH_MAX}`)
  if (reply === null) {
    writer.u8(ReplyTag.nil)
  } else if (typeof reply === 'string') {
    writer.u8(ReplyTag.bulk)
    writer.byteString(reply)
  } else if (typeof reply === 'number') {
    writer.u8(reply >= 0 ? ReplyTag.positive : ReplyTag.negative)
    writer.varint(reply >= 0 ? reply : -(reply + 1))
  } else if (typeof reply === 'bigint') {
    writer.u8(ReplyTag.bigInteger)
    writer.byteString(reply.toString())
  } else if (isArray(reply)) {
    writer.u8(ReplyTag.array)
    encodeReplies(reply, writer, depth)
  } else {
    encodeObject(reply, writer, depth)
  }
}

type ObjectReply = Exclude<Reply, string | number | bigint | null | readonly Reply[]>

function encodeObject(reply: ObjectReply, writer: ByteWriter, depth: number): void {
  switch (reply.kind) {
    case 'status':
      if (reply.text === OK.text) return writer.u8(ReplyTag.ok)
      writer.u8(ReplyTag.status)
      return writer.byteString(reply.text)
    case 'error':
      writer.u8(ReplyTag.error)
      return writer.byteString(reply.text)
    case 'map':
    case 'pairs':
      writer.u8(ReplyTag[reply.kind])
      writer.varint(reply.entries.length)
      for (const [key, value] of reply.entries) {
        encodeReply(key, writer, depth + 1)
        encodeReply(value, writer, depth + 1)
      }
      return
    case 'set':
      writer.u8(ReplyTag.set)
      return encodeReplies(reply.members, writer, depth)
    case 'double':
      writer.u8(ReplyTag.double)
      return writer.byteString(reply.text)
    case 'boolean':
      return writer.u8(reply.value ? ReplyTag.true : ReplyTag.false)
    case 'verbatim':
      writer.u8(ReplyTag.verbatim)
      writer.u8(VERBATIM_FORMATS.indexOf(reply.format))
      return writer.byteString(reply.text)
    case 'nilArray':
      return writer.u8(ReplyTag.nilArray)
    default:
      unreachable(reply)
  }
}

function encodeReplies(replies: readonly Reply[], writer: ByteWriter, depth: number): void {
  writer.varint(replies.length)
  for (const reply of replies) encodeReply(reply, writer, depth + 1)
}

export function decodeReply(reader: ByteReader, depth: number = 0): Reply {
  if (depth > DEPTH_MAX) throw new MalformedBytes(`reply nested deeper than ${DEPTH_MAX}`)
  const tag = reader.u8()
  switch (tag) {
    case ReplyTag.nil:
      return null
    case ReplyTag.bulk:
      return reader.byteString()
    case ReplyTag.positive:
      return reader.varint()
    case ReplyTag.negative:
      return -reader.varint() - 1
    case ReplyTag.bigInteger:
      return BigInt(reader.byteString())
    case ReplyTag.ok:
      return OK
    case ReplyTag.status:
      return status(reader.byteString())
    case ReplyTag.error:
      return error(reader.byteString())
    case ReplyTag.array:
      return decodeReplies(reader, depth)
    case ReplyTag.map:
      return { kind: 'map', entries: decodeEntries(reader, depth) }
    case ReplyTag.pairs:
      return { kind: 'pairs', entries: decodeEntries(reader, depth) }
    case ReplyTag.set:
      return { kind: 'set', members: decodeReplies(reader, depth) }
    case ReplyTag.double:
      return { kind: 'double', text: reader.byteString() }
    case ReplyTag.false:
    case ReplyTag.true:
      return { kind: 'boolean', value: tag === ReplyTag.true }
    case ReplyTag.verbatim:
      return { kind: 'verbatim', format: decodeFormat(reader), text: reader.byteString() }
    case ReplyTag.nilArray:
      return NIL_ARRAY
    default:
      throw new MalformedBytes(`unknown reply tag ${tag}`)
  }
}

function decodeReplies(reader: ByteReader, depth: number): readonly Reply[] {
  const count = decodeCount(reader)
  if (count === 0) return EMPTY_ARRAY
  const replies: Reply[] = []
  for (let index = 0; index < count; index++) replies.push(decodeReply(reader, depth + 1))
  return replies
}

function decodeEntries(reader: ByteReader, depth: number): readonly (readonly [Reply, Reply])[] {
  const count = decodeCount(reader)
  const entries: [Reply, Reply][] = []
  for (let index = 0; index < count; index++) {
    const key = decodeReply(reader, depth + 1)
    entries.push([key, decodeReply(reader, depth + 1)])
  }
  return entries
}

/** Every element takes a byte at least, so a count above the bytes that remain is a lie. */
function decodeCount(reader: ByteReader): number {
  const count = reader.varint()
  if (count > reader.remaining) throw new MalformedBytes(`${count} elements in ${reader.remaining} bytes`)
  return count
}

function decodeFormat(reader: ByteReader): (typeof VERBATIM_FORMATS)[number] {
  const format = VERBATIM_FORMATS[reader.u8()]
  if (format === undefined) throw new MalformedBytes('unknown verbatim format')
  return format
}

function isArray(reply: Exclude<Reply, string | number | bigint | null>): reply is readonly Reply[] {
  return Array.isArray(reply)
}
