/**
 * The log form of the key machine's commands.
 *
 *   command  := kind:u8 body
 *   1 client            args
 *   2 tagged client     length:varint=16 id startedMs:varint sequence:varint lowestUnacknowledged:varint args
 *   3 advanceTime
 *   4 expireDue         limit:varint
 *   5 collectGarbage    limit:varint
 *   6 expireSessions    limit:varint
 *   7 transaction       transaction
 *   8 tagged transaction   the tag as in 2, transaction
 *   transaction := watches:varint (length:varint key revision:varint)* commands:varint args*
 *   args     := count:varint (length:varint bytes)*
 *
 * Bytes that are none of this throw `MalformedBytes`: a log entry that passed its checksum and still
 * can't be decoded was written by a newer build.
 */
import assert from 'node:assert/strict'
import { type ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import type { ByteString } from '../base/bytes.ts'
import { unreachable } from '../base/unreachable.ts'
import type { KvCommand, SessionTag, TransactionCommand, WatchedKey } from './command.ts'
import { SESSION_ID_BYTES } from './record-keys.ts'

/** Redis' own limit on the arguments of one command. */
export const ARGUMENTS_MAX = 1_048_576
/** Commands of one transaction, and keys that it watches. More would hold up everybody else for too long. */
export const TRANSACTION_COMMANDS_MAX = 16_384
export const WATCHED_KEYS_MAX = 16_384

const CommandCode = {
  client: 1,
  tagged: 2,
  advanceTime: 3,
  expireDue: 4,
  collectGarbage: 5,
  expireSessions: 6,
  transaction: 7,
  taggedTransaction: 8,
} as const

export function encodeCommand(command: KvCommand, writer: ByteWriter): void {
  switch (command.kind) {
    case 'client':
      if (command.session === null) {
        writer.u8(CommandCode.client)
      } else {
        writer.u8(CommandCode.tagged)
        encodeTag(command.session, writer)
      }
      encodeArguments(command.args, writer)
      return
    case 'transaction':
      if (command.session === null) {
        writer.u8(CommandCode.transaction)
      } else {
        writer.u8(CommandCode.taggedTransaction)
        encodeTag(command.session, writer)
      }
      encodeTransaction(command, writer)
      return
    case 'advanceTime':
      writer.u8(CommandCode.advanceTime)
      return
    case 'expireDue':
    case 'collectGarbage':
    case 'expireSessions':
      assert(command.limit > 0, 'maintenance without a limit')
      writer.u8(CommandCode[command.kind])
      writer.varint(command.limit)
      return
    default:
      unreachable(command)
  }
}

export function decodeCommand(reader: ByteReader): KvCommand {
  const code = reader.u8()
  switch (code) {
    case CommandCode.client:
      return { kind: 'client', args: decodeArguments(reader), session: null }
    case CommandCode.tagged: {
      const session = decodeTag(reader)
      return { kind: 'client', args: decodeArguments(reader), session }
    }
    case CommandCode.transaction:
      return decodeTransaction(reader, null)
    case CommandCode.taggedTransaction:
      return decodeTransaction(reader, decodeTag(reader))
    case CommandCode.advanceTime:
      return { kind: 'advanceTime' }
    case CommandCode.expireDue:
      return { kind: 'expireDue', limit: decodeLimit(reader) }
    case CommandCode.collectGarbage:
      return { kind: 'collectGarbage', limit: decodeLimit(reader) }
    case CommandCode.expireSessions:
      return { kind: 'expireSessions', limit: decodeLimit(reader) }
    default:
      throw new MalformedBytes(`unknown command code ${code}`)
  }
}

function encodeTransaction({ watches, commands }: TransactionCommand, writer: ByteWriter): void {
  assert(watches.length <= WATCHED_KEYS_MAX && commands.length <= TRANSACTION_COMMANDS_MAX)
  writer.varint(watches.length)
  for (const { key, revision } of watches) {
    writer.byteString(key)
    writer.varint(revision)
  }
  writer.varint(commands.length)
  for (const args of commands) encodeArguments(args, writer)
}

function decodeTransaction(reader: ByteReader, session: SessionTag | null): TransactionCommand {
  const watchCount = reader.varint()
  if (watchCount > WATCHED_KEYS_MAX) throw new MalformedBytes(`transaction that watches ${watchCount} keys`)
  const watches: WatchedKey[] = []
  while (watches.length < watchCount) watches.push({ key: reader.byteString(), revision: reader.varint() })
  const count = reader.varint()
  if (count > TRANSACTION_COMMANDS_MAX) throw new MalformedBytes(`transaction of ${count} commands`)
  const commands: (readonly ByteString[])[] = []
  while (commands.length < count) commands.push(decodeArguments(reader))
  return { kind: 'transaction', watches, commands, session }
}

function encodeTag(tag: SessionTag, writer: ByteWriter): void {
  assert(tag.id.length === SESSION_ID_BYTES, 'a session id has 16 bytes')
  assert(tag.sequence >= 1 && tag.lowestUnacknowledged >= 1, 'sequences begin at 1')
  writer.byteString(tag.id)
  writer.varint(tag.startedMs)
  writer.varint(tag.sequence)
  writer.varint(tag.lowestUnacknowledged)
}

function decodeTag(reader: ByteReader): SessionTag {
  const id = reader.byteString()
  if (id.length !== SESSION_ID_BYTES) throw new MalformedBytes(`session id of ${id.length} bytes`)
  const startedMs = reader.varint()
  const sequence = reader.varint()
  const lowestUnacknowledged = reader.varint()
  if (sequence === 0 || lowestUnacknowledged === 0) throw new MalformedBytes('sequence 0 of a session')
  return { id, startedMs, sequence, lowestUnacknowledged }
}

function encodeArguments(args: readonly ByteString[], writer: ByteWriter): void {
  assert(args.length > 0 && args.length <= ARGUMENTS_MAX)
  writer.varint(args.length)
  for (let index = 0; index < args.length; index++) writer.byteString(args[index] as ByteString)
}

function decodeArguments(reader: ByteReader): readonly ByteString[] {
  const count = reader.varint()
  if (count === 0 || count > ARGUMENTS_MAX) throw new MalformedBytes(`command of ${count} arguments`)
  const args: ByteString[] = []
  for (let index = 0; index < count; index++) args.push(reader.byteString())
  return args
}

function decodeLimit(reader: ByteReader): number {
  const limit = reader.varint()
  if (limit === 0) throw new MalformedBytes('maintenance without a limit')
  return limit
}
