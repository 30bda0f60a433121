/**
 * The record of a session: docs/formats/keyspace.md, "Sessions", in code. What it means and when
 * it changes is `session.ts`' business.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { type ByteString, EMPTY_BYTES } from '../base/bytes.ts'
import { readU16, readU32, readU64 } from './record-keys.ts'

export const SESSION_REPLIES_MAX = 4_096
/** Longer replies get a record of their own. */
const INLINE_REPLY_BYTES_MAX = 32
/** With more runs than these the record itself would grow too long to be rewritten by each command. */
const INLINE_RUNS_MAX = 64

const HEADER_BYTES = 26
const RUN_HEADER_BYTES = 13
const TWO_TO_32 = 0x1_0000_0000

/** Sequences first … first + length − 1 and the stored reply to each; empty: in records of their own. */
export type Run = { readonly first: number; readonly length: number; readonly reply: ByteString }

export type SessionRecord = {
  readonly lowest: number
  readonly activeMs: number
  /** The time under which the idle index holds the session. */
  readonly indexedMs: number
  /** Ascending and disjoint. */
  readonly runs: readonly Run[]
}

/** Whether a stored reply may stand in the session record. */
export function fitsInline(runs: readonly Run[], reply: ByteString): boolean {
  assert(reply.length > 0)
  return reply.length <= INLINE_REPLY_BYTES_MAX && runs.length < INLINE_RUNS_MAX
}

export function findRun(runs: readonly Run[], sequence: number): Run | null {
  for (const run of runs) {
    if (sequence >= run.first && sequence < run.first + run.length) return run
  }
  return null
}

/** How many sequences of the runs are at least `lowest`. */
export function countFrom(runs: readonly Run[], lowest: number): number {
  let count = 0
  for (const { first, length } of runs) count += Math.max(0, first + length - Math.max(first, lowest))
  return count
}

export function dropBelow(runs: readonly Run[], lowest: number): readonly Run[] {
  const first = runs[0]
  if (first === undefined || first.first >= lowest) return runs
  const kept: Run[] = []
  for (const run of runs) {
    const from = Math.max(run.first, lowest)
    const end = run.first + run.length
    if (from < end) kept.push({ first: from, length: end - from, reply: run.reply })
  }
  return kept
}

/** Adds a sequence; runs that touch and share their reply become one. */
export function withSequence(runs: readonly Run[], sequence: number, reply: ByteString): readonly Run[] {
  assert(findRun(runs, sequence) === null)
  let index = runs.length
  while (index > 0 && (runs[index - 1] as Run).first > sequence) index--
  const before = runs[index - 1]
  const after = runs[index]
  const joinsBefore =
    before !== undefined && before.first + before.length === sequence && before.reply === reply
  const joinsAfter = after !== undefined && after.first === sequence + 1 && after.reply === reply
  const first = joinsBefore ? before.first : sequence
  const end = joinsAfter ? after.first + after.length : sequence + 1
  const joined = { first, length: end - first, reply }
  return [
    ...runs.slice(0, joinsBefore ? index - 1 : index),
    joined,
    ...runs.slice(joinsAfter ? index + 1 : index),
  ]
}

export function formatSession(session: SessionRecord): ByteString {
  assert(session.runs.length <= SESSION_REPLIES_MAX)
  let size = HEADER_BYTES
  for (const run of session.runs) size += RUN_HEADER_BYTES + run.reply.length
  const bytes = Buffer.allocUnsafe(size)
  putU64(bytes, session.lowest, 0)
  putU64(bytes, session.activeMs, 8)
  putU64(bytes, session.indexedMs, 16)
  bytes.writeUInt16BE(session.runs.length, 24)
  let at = HEADER_BYTES
  for (const { first, length, reply } of session.runs) {
    putU64(bytes, first, at)
    bytes.writeUInt32BE(length, at + 8)
    bytes[at + 12] = reply.length
    if (reply.length > 0) bytes.latin1Write(reply, at + RUN_HEADER_BYTES, reply.length)
    at += RUN_HEADER_BYTES + reply.length
  }
  assert(at === size)
  return bytes.latin1Slice(0, size)
}

export function parseSession(bytes: ByteString): SessionRecord {
  const count = readU16(bytes, 24)
  const runs: Run[] = []
  let at = HEADER_BYTES
  for (let index = 0; index < count; index++) {
    const first = readU64(bytes, at)
    const length = readU32(bytes, at + 8)
    const end = at + RUN_HEADER_BYTES + bytes.charCodeAt(at + 12)
    assert(end <= bytes.length && length > 0, 'session record ends within a run')
    const reply = end === at + RUN_HEADER_BYTES ? EMPTY_BYTES : bytes.slice(at + RUN_HEADER_BYTES, end)
    runs.push({ first, length, reply })
    at = end
  }
  assert(at === bytes.length, 'session record of a wrong length')
  return { lowest: readU64(bytes, 0), activeMs: readU64(bytes, 8), indexedMs: readU64(bytes, 16), runs }
}

function putU64(bytes: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0)
  bytes.writeUInt32BE(Math.floor(value / TWO_TO_32), at)
  bytes.writeUInt32BE(value % TWO_TO_32, at + 4)
}
