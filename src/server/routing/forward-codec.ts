/**
 * Commands sent on to another node and what came of them (request kind `forward`).
 *
 *   request  = group varint, isWrite u8, term varint, count varint,
 *              count × command in the machine's encoding
 *   response = term varint, leader varint (0: unknown), both as the answering node knows them now,
 *              then count × outcome in the order of the request
 *   outcome  = 0, reply in the machine's encoding | 1 not leader | 2 not committed | 3 unknown
 *            | 4 overloaded | 5 unhealthy, reason bytes | 6 reply too large
 *
 * A response holds about `RESPONSE_BYTES_MAX`: what no longer fits is answered `unknown`, and its
 * sender asks again.
 */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { bytesToUtf8, utf8ToBytes } from '../../base/bytes.ts'
import { type GroupId, makeGroupId, makeReplicaId, type ReplicaId } from '../../base/ids.ts'
import { unreachable } from '../../base/unreachable.ts'
import type { Failure } from '../../replica/outcome.ts'
import { FRAME_BYTES_MAX } from '../../replica/transport/frame.ts'

export type ForwardHeader = {
  readonly group: GroupId
  readonly isWrite: boolean
  /** Writes are refused by a leader of another term; 0 is nobody's: it only asks who leads. */
  readonly term: number
}

export type Answer<Reply> =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'replyTooLarge' }
  | Failure

export type Answers<Reply> = {
  readonly term: number
  readonly leader: ReplicaId | null
  readonly answers: readonly Answer<Reply>[]
}

export const RESPONSE_BYTES_MAX = 16 * 1024 * 1024
/** One reply may be larger, up to what a frame takes. */
const REPLY_BYTES_MAX = FRAME_BYTES_MAX - RESPONSE_BYTES_MAX - 1024 * 1024

const REPLY = 0
const NOT_LEADER = 1
const NOT_COMMITTED = 2
const UNKNOWN = 3
const OVERLOADED = 4
const UNHEALTHY = 5
const REPLY_TOO_LARGE = 6

export function writeRequestHeader(writer: ByteWriter, header: ForwardHeader, count: number): void {
  writer.varint(header.group)
  writer.u8(header.isWrite ? 1 : 0)
  writer.varint(header.term)
  writer.varint(count)
}

export function readRequestHeader(reader: ByteReader): {
  readonly header: ForwardHeader
  readonly count: number
} {
  const group = makeGroupId(reader.varint())
  const isWrite = reader.u8() === 1
  const term = reader.varint()
  return { header: { group, isWrite, term }, count: reader.varint() }
}

export function writeAnswers<Reply>(
  writer: ByteWriter,
  term: number,
  leader: ReplicaId | null,
  answers: readonly Answer<Reply>[],
  encodeReply: (reply: Reply, writer: ByteWriter) => void,
): void {
  writer.varint(term)
  writer.varint(leader ?? 0)
  const start = writer.length
  for (const answer of answers) {
    const isFull = writer.length - start > RESPONSE_BYTES_MAX
    if (answer.kind === 'reply' && !isFull) writeReply(writer, answer.reply, encodeReply)
    else writer.u8(answer.kind === 'reply' ? UNKNOWN : codeOf(answer))
    if (answer.kind === 'unhealthy') writer.byteString(utf8ToBytes(answer.reason))
  }
}

function writeReply<Reply>(
  writer: ByteWriter,
  reply: Reply,
  encodeReply: (reply: Reply, writer: ByteWriter) => void,
): void {
  const at = writer.length
  writer.u8(REPLY)
  encodeReply(reply, writer)
  if (writer.length - at <= REPLY_BYTES_MAX) return
  writer.truncate(at)
  writer.u8(REPLY_TOO_LARGE)
}

function codeOf(failure: Failure | { readonly kind: 'replyTooLarge' }): number {
  switch (failure.kind) {
    case 'notLeader':
      return NOT_LEADER
    case 'notCommitted':
      return NOT_COMMITTED
    case 'unknown':
      return UNKNOWN
    case 'overloaded':
      return OVERLOADED
    case 'unhealthy':
      return UNHEALTHY
    case 'replyTooLarge':
      return REPLY_TOO_LARGE
    default:
      return unreachable(failure)
  }
}

/** All of them, or MalformedBytes. */
export function readAnswers<Reply>(
  reader: ByteReader,
  count: number,
  decodeReply: (reader: ByteReader) => Reply,
): Answers<Reply> {
  const term = reader.varint()
  const leaderNumber = reader.varint()
  const leader = leaderNumber === 0 ? null : makeReplicaId(leaderNumber)
  const answers: Answer<Reply>[] = []
  while (answers.length < count) answers.push(readAnswer(reader, leader, decodeReply))
  reader.expectEnd()
  return { term, leader, answers }
}

function readAnswer<Reply>(
  reader: ByteReader,
  leader: ReplicaId | null,
  decodeReply: (reader: ByteReader) => Reply,
): Answer<Reply> {
  const code = reader.u8()
  switch (code) {
    case REPLY:
      return { kind: 'reply', reply: decodeReply(reader) }
    case NOT_LEADER:
      return { kind: 'notLeader', leader }
    case NOT_COMMITTED:
      return { kind: 'notCommitted' }
    case UNKNOWN:
      return { kind: 'unknown' }
    case OVERLOADED:
      return { kind: 'overloaded' }
    case UNHEALTHY:
      return { kind: 'unhealthy', reason: bytesToUtf8(reader.byteString()) }
    case REPLY_TOO_LARGE:
      return { kind: 'replyTooLarge' }
    default:
      throw new MalformedBytes(`unknown outcome ${code}`)
  }
}
