/**
 * Messages as bytes: docs/formats/peer-messages.md is the grammar.
 *
 * Bytes come from other machines: whatever is not exactly a message throws `MalformedBytes`, so that
 * the core meets only messages that a peer's core could have made. Decoded payloads are views of the
 * given bytes, not copies: who reuses its read buffer must copy first.
 */
import assert from 'node:assert/strict'
import type { ByteReader } from '../base/byte-reader.ts'
import { MalformedBytes } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, LogIndex, LogPosition, Term } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import { unreachable } from '../base/unreachable.ts'
import { decodeMembership } from './membership-codec.ts'
import type { Append, AppendReply, Message } from './message.ts'
import { MESSAGE_ENTRIES_MAX } from './message.ts'

const Kind = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  heartbeat: 7,
  heartbeatReply: 8,
  readIndex: 9,
  readIndexReply: 10,
  timeoutNow: 11,
  termRequest: 12,
  termReply: 13,
} as const satisfies Record<Message['kind'], number>

type Envelope = { readonly from: ReplicaId; readonly to: ReplicaId; readonly term: Term }

export function encodeMessage(message: Message, writer: ByteWriter): void {
  writer.u8(Kind[message.kind])
  writer.varint(message.from)
  writer.varint(message.to)
  writer.varint(message.term)
  writeBody(message, writer)
}

function writeBody(message: Message, writer: ByteWriter): void {
  switch (message.kind) {
    case 'preVote':
      return writePosition(writer, message.lastLog)
    case 'vote':
      writePosition(writer, message.lastLog)
      return writeBool(writer, message.isTransfer)
    case 'preVoteReply':
    case 'voteReply':
      return writeBool(writer, message.granted)
    case 'append':
      return writeAppend(writer, message)
    case 'appendReply':
      return writeAppendReply(writer, message)
    case 'heartbeat':
      writer.varint(message.commit)
      return writer.varint(message.round)
    case 'heartbeatReply':
      writer.varint(message.round)
      return writeBool(writer, message.isRepairing)
    case 'readIndex':
      return writer.varint(message.batch)
    case 'readIndexReply':
      writer.varint(message.batch)
      return writer.varint(message.index)
    case 'timeoutNow':
      return
    case 'termRequest':
      return writer.varint(message.number)
    case 'termReply':
      writer.varint(message.number)
      return writeBool(writer, message.isSure)
    default:
      return unreachable(message)
  }
}

/** Reads one message, to the end of the bytes. */
export function decodeMessage(reader: ByteReader): Message {
  const kind = reader.u8()
  const from = readReplica(reader)
  const to = readReplica(reader)
  if (from === to) throw new MalformedBytes(`message from replica ${from} to itself`)
  const envelope: Envelope = { from, to, term: reader.varint() as Term }
  const message = readBody(kind, envelope, reader)
  reader.expectEnd()
  return message
}

function readBody(kind: number, envelope: Envelope, reader: ByteReader): Message {
  switch (kind) {
    case Kind.preVote:
      return { kind: 'preVote', ...envelope, lastLog: readPosition(reader) }
    case Kind.preVoteReply:
      return { kind: 'preVoteReply', ...envelope, granted: readBool(reader) }
    case Kind.vote:
      return { kind: 'vote', ...envelope, lastLog: readPosition(reader), isTransfer: readBool(reader) }
    case Kind.voteReply:
      return { kind: 'voteReply', ...envelope, granted: readBool(reader) }
    case Kind.append:
      return readAppend(envelope, reader)
    case Kind.appendReply:
      return readAppendReply(envelope, reader)
    case Kind.heartbeat:
      return { kind: 'heartbeat', ...envelope, commit: readIndex(reader), round: reader.varint() }
    case Kind.heartbeatReply:
      return { kind: 'heartbeatReply', ...envelope, round: reader.varint(), isRepairing: readBool(reader) }
    case Kind.readIndex:
      return { kind: 'readIndex', ...envelope, batch: reader.varint() }
    case Kind.readIndexReply:
      return { kind: 'readIndexReply', ...envelope, batch: reader.varint(), index: readIndex(reader) }
    case Kind.timeoutNow:
      return { kind: 'timeoutNow', ...envelope }
    case Kind.termRequest:
      return { kind: 'termRequest', ...envelope, number: reader.varint() }
    case Kind.termReply:
      return { kind: 'termReply', ...envelope, number: reader.varint(), isSure: readBool(reader) }
    default:
      throw new MalformedBytes(`message kind ${kind} is not known`)
  }
}

function writeAppend(writer: ByteWriter, message: Append): void {
  const { entries, previous } = message
  assert(entries.length <= MESSAGE_ENTRIES_MAX, `an append of ${entries.length} entries`)
  writePosition(writer, previous)
  writer.varint(message.commit)
  writer.varint(entries.length)
  let expected = previous.index + 1
  for (const entry of entries) {
    assert(entry.index === expected, `entry ${entry.index} where ${expected} belongs`)
    expected++
    writer.varint(entry.term)
    writer.u8(entry.kind)
    writer.bytes(entry.payload)
  }
}

function readAppend(envelope: Envelope, reader: ByteReader): Append {
  const previous = readPosition(reader)
  const commit = readIndex(reader)
  const count = reader.varint()
  if (count > MESSAGE_ENTRIES_MAX) throw new MalformedBytes(`an append of ${count} entries`)
  const entries: Entry[] = []
  let { term } = previous
  for (let at = 1; at <= count; at++) {
    const entry = readEntry(reader, previous.index + at)
    if (entry.term < term) throw new MalformedBytes(`term ${entry.term} follows ${term}`)
    term = entry.term
    entries.push(entry)
  }
  if (term > envelope.term)
    throw new MalformedBytes(`an entry of term ${term} in a message of ${envelope.term}`)
  return { kind: 'append', ...envelope, previous, entries, commit }
}

function readEntry(reader: ByteReader, index: number): Entry {
  if (!Number.isSafeInteger(index)) throw new MalformedBytes(`entry index ${index}`)
  const term = reader.varint() as Term
  const kind = reader.u8()
  const payload = reader.bytes()
  if (kind === EntryKind.membership) decodeMembership(payload)
  else if (kind === EntryKind.empty) {
    if (payload.length !== 0) throw new MalformedBytes('an empty entry with a payload')
  } else if (kind !== EntryKind.command) throw new MalformedBytes(`entry kind ${kind} is not known`)
  return { index: index as LogIndex, term, kind, payload }
}

function writeAppendReply(writer: ByteWriter, message: AppendReply): void {
  writer.varint(message.index)
  writeBool(writer, message.isRepairing)
  writeBool(writer, message.conflict !== null)
  if (message.conflict !== null) writePosition(writer, message.conflict)
}

function readAppendReply(envelope: Envelope, reader: ByteReader): AppendReply {
  const index = readIndex(reader)
  const isRepairing = readBool(reader)
  const conflict = readBool(reader) ? readPosition(reader) : null
  if (conflict !== null && conflict.index > index)
    throw new MalformedBytes('a conflict beyond what was refused')
  return { kind: 'appendReply', ...envelope, index, conflict, isRepairing }
}

function writePosition(writer: ByteWriter, position: LogPosition): void {
  writer.varint(position.term)
  writer.varint(position.index)
}

function readPosition(reader: ByteReader): LogPosition {
  const term = reader.varint() as Term
  return { term, index: readIndex(reader) }
}

function writeBool(writer: ByteWriter, value: boolean): void {
  writer.u8(value ? 1 : 0)
}

function readBool(reader: ByteReader): boolean {
  const value = reader.u8()
  if (value > 1) throw new MalformedBytes(`${value} is neither true nor false`)
  return value === 1
}

function readIndex(reader: ByteReader): LogIndex {
  return reader.varint() as LogIndex
}

function readReplica(reader: ByteReader): ReplicaId {
  const id = reader.varint()
  if (id < 1) throw new MalformedBytes(`replica ${id}`)
  return id as ReplicaId
}
