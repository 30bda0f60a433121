/**
 * Exactly-once for retries: rules and proof are in docs/formats/keyspace.md, "Sessions".
 *
 * A session record lists the sequences whose replies are stored, so a first arrival, by far the
 * commonest case, is recognised from one record that is nearly always in memory. The replies have records of
 * their own: only a repeat reads one.
 */
import assert from 'node:assert/strict'
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { type ByteString, bufferToBytes, bytesToBuffer } from '../base/bytes.ts'
import { META_PARTITION } from '../base/machine.ts'
import type { SessionTag } from './command.ts'
import {
  parseSessionIdleKey,
  readU16,
  readU32,
  readU64,
  sessionIdleKey,
  sessionIdleRange,
  sessionKey,
  sessionReplyKey,
  u32Bytes,
  u64Bytes,
} from './record-keys.ts'
import { error, type Reply } from './reply.ts'
import { decodeReply, encodeReply } from './reply-codec.ts'
import type { KvTransaction } from './transaction.ts'

const HOUR_MS = 3_600_000
export const SESSION_IDLE_MAX_MS = 24 * HOUR_MS
/** How far a gateway's clock may be off the group's time before its new sessions are refused. */
export const SESSION_CLOCK_TOLERANCE_MS = HOUR_MS
export const SESSION_REPLIES_MAX = 4_096
/** How far the idle index may lag behind, so that few commands have to move it. */
const IDLE_INDEX_LAG_MS = 60_000

export const SESSION_EXPIRED = error(
  'SESSIONEXPIRED the session is unknown here and too old to be opened: the command was not executed now and may ' +
    'have been before; open a new session',
)
export const SESSION_FORGOTTEN = error(
  'SESSIONFORGOTTEN the outcome of this command was acknowledged before and is no longer stored: it was not ' +
    'executed again',
)
export const SESSION_FULL = error(
  'SESSIONFULL the session has 4096 replies that were never acknowledged: the command was not executed; ' +
    'acknowledge replies or open a new session',
)

/** Sequences first … first + length − 1. */
type Run = { readonly first: number; readonly length: number }

type SessionRecord = {
  readonly lowest: number
  readonly activeMs: number
  /** 0 when the idle index does not hold the session yet. */
  readonly indexedMs: number
  /** Ascending, disjoint, not adjacent. */
  readonly runs: readonly Run[]
}

/** A session at the command that runs now: `finish` stores its reply. */
export type OpenSession = {
  readonly tag: SessionTag
  readonly slot: number
  readonly record: SessionRecord
}

export type SessionVerdict =
  | { readonly kind: 'execute'; readonly session: OpenSession }
  | { readonly kind: 'answer'; readonly reply: Reply }

const HEADER_BYTES = 26
const RUN_BYTES = 12

/** Whether the tagged command is to run; undefined when that isn't known in memory. Writes nothing. */
export function beginSession(
  transaction: KvTransaction,
  tag: SessionTag,
  slot: number,
): SessionVerdict | undefined {
  assert(tag.sequence >= 1 && tag.lowestUnacknowledged >= 1)
  const stored = transaction.get(sessionKey(slot, tag.id))
  if (stored === undefined) return undefined
  if (stored === null) {
    if (!mayOpen(tag, transaction.timeMs)) return { kind: 'answer', reply: SESSION_EXPIRED }
    const record = { lowest: tag.lowestUnacknowledged, activeMs: 0, indexedMs: 0, runs: [] }
    if (tag.sequence < record.lowest) return { kind: 'answer', reply: SESSION_FORGOTTEN }
    return { kind: 'execute', session: { tag, slot, record } }
  }
  const record = parseSession(stored)
  if (tag.sequence < record.lowest) return { kind: 'answer', reply: SESSION_FORGOTTEN }
  if (holds(record.runs, tag.sequence)) {
    const bytes = transaction.get(sessionReplyKey(slot, tag.id, tag.sequence))
    if (bytes === undefined) return undefined
    assert(bytes !== null, 'a session lists a reply that is not stored')
    return { kind: 'answer', reply: parseReply(bytes) }
  }
  if (tag.sequence < tag.lowestUnacknowledged) return { kind: 'answer', reply: SESSION_FORGOTTEN }
  if (countFrom(record.runs, tag.lowestUnacknowledged) >= SESSION_REPLIES_MAX) {
    return { kind: 'answer', reply: SESSION_FULL }
  }
  return { kind: 'execute', session: { tag, slot, record } }
}

/** Stores the reply and forgets those that were acknowledged. */
export function finishSession(transaction: KvTransaction, session: OpenSession, reply: Reply): void {
  const { tag, slot, record } = session
  const timeMs = transaction.timeMs
  const lowest = Math.max(record.lowest, tag.lowestUnacknowledged)
  for (const run of record.runs) {
    const end = Math.min(run.first + run.length, lowest)
    for (let sequence = run.first; sequence < end; sequence++) {
      transaction.write(META_PARTITION, sessionReplyKey(slot, tag.id, sequence), null)
    }
  }
  const runs = withSequence(dropBelow(record.runs, lowest), tag.sequence)
  const isIndexed = record.indexedMs !== 0 && timeMs - record.indexedMs < IDLE_INDEX_LAG_MS
  if (!isIndexed) {
    if (record.indexedMs !== 0) {
      transaction.write(META_PARTITION, sessionIdleKey(record.indexedMs, slot, tag.id), null)
    }
    transaction.write(META_PARTITION, sessionIdleKey(timeMs, slot, tag.id), '')
  }
  const after = { lowest, activeMs: timeMs, indexedMs: isIndexed ? record.indexedMs : timeMs, runs }
  transaction.write(META_PARTITION, sessionReplyKey(slot, tag.id, tag.sequence), formatReply(reply))
  transaction.write(META_PARTITION, sessionKey(slot, tag.id), formatSession(after))
}

/**
 * Forgets sessions that were idle for too long, whole sessions only: at least one, and more while
 * their replies fit `limit`. Answers how many sessions.
 */
export function expireSessions(transaction: KvTransaction, limit: number): number | undefined {
  const idle = transaction.range(idleSessionsRange(transaction.timeMs, limit))
  if (idle === undefined) return undefined
  const found = idle.map((item) => ({ indexKey: item.key, ...parseSessionIdleKey(item.key) }))
  const records = found.map(({ slot, id }) => transaction.get(sessionKey(slot, id)))
  if (records.includes(undefined)) return undefined
  let expired = 0
  let work = 0
  for (const [index, { indexKey, slot, id }] of found.entries()) {
    const stored = records[index]
    assert(typeof stored === 'string', 'the idle index names a session that does not exist')
    const { runs } = parseSession(stored)
    work += 2 + countFrom(runs, 0)
    if (expired > 0 && work > limit) break
    for (const run of runs) {
      for (let sequence = run.first; sequence < run.first + run.length; sequence++) {
        transaction.write(META_PARTITION, sessionReplyKey(slot, id, sequence), null)
      }
    }
    transaction.write(META_PARTITION, sessionKey(slot, id), null)
    transaction.write(META_PARTITION, indexKey, null)
    expired++
  }
  return expired
}

/** The idle index of the sessions that may be forgotten at `timeMs`. */
export function idleSessionsRange(timeMs: number, limit: number): ReturnType<typeof sessionIdleRange> {
  return sessionIdleRange(Math.max(0, timeMs - SESSION_IDLE_MAX_MS - IDLE_INDEX_LAG_MS), limit)
}

function mayOpen(tag: SessionTag, timeMs: number): boolean {
  const latest = tag.startedMs + SESSION_IDLE_MAX_MS - SESSION_CLOCK_TOLERANCE_MS
  return timeMs < latest && tag.startedMs <= timeMs + SESSION_CLOCK_TOLERANCE_MS
}

function holds(runs: readonly Run[], sequence: number): boolean {
  for (const { first, length } of runs) {
    if (sequence >= first && sequence < first + length) return true
  }
  return false
}

/** How many sequences of the runs are at least `lowest`. */
function countFrom(runs: readonly Run[], lowest: number): number {
  let count = 0
  for (const { first, length } of runs) count += Math.max(0, first + length - Math.max(first, lowest))
  return count
}

function dropBelow(runs: readonly Run[], lowest: number): readonly Run[] {
  if (runs.length === 0 || (runs[0] as Run).first >= lowest) return runs
  const kept: Run[] = []
  for (const { first, length } of runs) {
    const from = Math.max(first, lowest)
    if (from < first + length) kept.push({ first: from, length: first + length - from })
  }
  return kept
}

function withSequence(runs: readonly Run[], sequence: number): readonly Run[] {
  assert(!holds(runs, sequence))
  let index = runs.length
  while (index > 0 && (runs[index - 1] as Run).first > sequence) index--
  const before = runs[index - 1]
  const after = runs[index]
  const joinsBefore = before !== undefined && before.first + before.length === sequence
  const joinsAfter = after !== undefined && after.first === sequence + 1
  const first = joinsBefore ? before.first : sequence
  const end = joinsAfter ? after.first + after.length : sequence + 1
  return [
    ...runs.slice(0, joinsBefore ? index - 1 : index),
    { first, length: end - first },
    ...runs.slice(joinsAfter ? index + 1 : index),
  ]
}

function formatSession(session: SessionRecord): ByteString {
  assert(session.runs.length <= SESSION_REPLIES_MAX)
  let bytes = u64Bytes(session.lowest) + u64Bytes(session.activeMs) + u64Bytes(session.indexedMs)
  bytes += String.fromCharCode(session.runs.length >>> 8, session.runs.length & 0xff)
  for (const { first, length } of session.runs) bytes += u64Bytes(first) + u32Bytes(length)
  return bytes
}

function parseSession(bytes: ByteString): SessionRecord {
  const count = readU16(bytes, 24)
  assert(bytes.length === HEADER_BYTES + count * RUN_BYTES, 'session record of a wrong length')
  const runs: Run[] = []
  for (let at = HEADER_BYTES; at < bytes.length; at += RUN_BYTES) {
    runs.push({ first: readU64(bytes, at), length: readU32(bytes, at + 8) })
  }
  return { lowest: readU64(bytes, 0), activeMs: readU64(bytes, 8), indexedMs: readU64(bytes, 16), runs }
}

function formatReply(reply: Reply): ByteString {
  const writer = new ByteWriter(64)
  encodeReply(reply, writer)
  return bufferToBytes(writer.view())
}

function parseReply(bytes: ByteString): Reply {
  const reader = new ByteReader(bytesToBuffer(bytes))
  const reply = decodeReply(reader)
  reader.expectEnd()
  return reply
}
