/**
 * Encodes and decodes what command entries carry (docs/formats/entry-payload.md).
 *
 * A payload that does not decode throws `MalformedBytes`: the replica must stop applying, since
 * skipping an entry that other replicas understand would make it diverge.
 */
import assert from 'node:assert/strict'
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { Machine } from '../base/machine.ts'
import { NO_MARKS, type ProposalMark, readMarks, writeMarks } from './forwarding/proposal-mark.ts'

const KIND_COMMANDS = 1
const KIND_CHECK = 2
const KIND_VERSION = 3
/** Commands of which some came from other nodes' gateways. */
const KIND_MARKED = 4
const HEADER_BYTES_MAX = 32
const COMMAND_BYTES_GUESS = 64

export type EntryPayload<Command> =
  | {
      readonly kind: 'commands'
      readonly timeMs: number
      readonly seed: number
      readonly commands: readonly Command[]
      /** Which of them gateways on other nodes sent, and wait for. */
      readonly marks: readonly ProposalMark[]
    }
  | { readonly kind: 'check'; readonly timeMs: number }
  | { readonly kind: 'version'; readonly timeMs: number; readonly machineVersion: number }

/** `bytesAbout`: of all commands, if known; the log keeps the buffer, so it should not be much larger. */
export function encodePayload<Command>(
  machine: Pick<Machine<Command, unknown>, 'encode'>,
  payload: EntryPayload<Command>,
  bytesAbout = payload.kind === 'commands' ? payload.commands.length * COMMAND_BYTES_GUESS : 0,
): Uint8Array {
  const writer = new ByteWriter(HEADER_BYTES_MAX + bytesAbout)
  switch (payload.kind) {
    case 'commands':
      assert(payload.commands.length > 0)
      writer.u8(payload.marks.length === 0 ? KIND_COMMANDS : KIND_MARKED)
      writer.u64(payload.timeMs)
      writer.u32(payload.seed)
      writer.varint(payload.commands.length)
      if (payload.marks.length > 0) writeMarks(writer, payload.marks)
      for (const command of payload.commands) machine.encode(command, writer)
      break
    case 'check':
      writer.u8(KIND_CHECK)
      writer.u64(payload.timeMs)
      break
    case 'version':
      writer.u8(KIND_VERSION)
      writer.u64(payload.timeMs)
      writer.varint(payload.machineVersion)
      break
  }
  return writer.takeBytes()
}

export function decodePayload<Command>(
  machine: Pick<Machine<Command, unknown>, 'decode'>,
  bytes: Uint8Array,
): EntryPayload<Command> {
  const reader = new ByteReader(bytes)
  const kind = reader.u8()
  const timeMs = reader.u64()
  const payload = decodeBody(machine, kind, timeMs, reader)
  reader.expectEnd()
  return payload
}

function decodeBody<Command>(
  machine: Pick<Machine<Command, unknown>, 'decode'>,
  kind: number,
  timeMs: number,
  reader: ByteReader,
): EntryPayload<Command> {
  if (kind === KIND_CHECK) return { kind: 'check', timeMs }
  if (kind === KIND_VERSION) return { kind: 'version', timeMs, machineVersion: reader.varint() }
  if (kind !== KIND_COMMANDS && kind !== KIND_MARKED) throw new MalformedBytes(`unknown payload kind ${kind}`)
  const seed = reader.u32()
  const count = reader.varint()
  // A command takes at least one byte: a count beyond that is damage, not a reason to allocate.
  if (count === 0 || count > reader.remaining)
    throw new MalformedBytes(`${count} commands in ${reader.remaining} bytes`)
  const marks = kind === KIND_MARKED ? readMarks(reader, count) : NO_MARKS
  const commands: Command[] = []
  for (let ordinal = 0; ordinal < count; ordinal++) commands.push(machine.decode(reader))
  return { kind: 'commands', timeMs, seed, commands, marks }
}

/** Whether the payload asks for a comparison of states, without decoding it. */
export function isCheckPayload(bytes: Uint8Array): boolean {
  return bytes[0] === KIND_CHECK
}

/** The seed of command `ordinal`: one multiply-mix round, so that neighbours share no pattern. */
export function commandSeed(entrySeed: number, ordinal: number): number {
  let mixed = (entrySeed + Math.imul(ordinal + 1, 0x9e37_79b1)) >>> 0
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b)
  return (mixed ^ (mixed >>> 13)) >>> 0
}
