/**
 * Exactly-once for retries: rules and proof are in docs/formats/keyspace.md, "Sessions".
 *
 * A session record lists the sequences whose replies are stored, so a first arrival, by far the
 * commonest case, is recognised from one record that is nearly always in memory. Short replies stand
 * in that record; longer ones have records of their own, which only a repeat reads.
 */
import assert from 'node:assert/strict'
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { type ByteString, bufferToBytes, bytesToBuffer, EMPTY_BYTES } from '../base/bytes.ts'
import { META_PARTITION } from '../base/machine.ts'
import type { SessionTag } from './command.ts'
import {
  parseSessionIdleKey,
  sessionIdleKey,
  sessionIdleRange,
  sessionKey,
  sessionReplyKey,
} from './record-keys.ts'
import { error, OK, type Reply } from './reply.ts'
import { decodeReply, encodeReply } from './reply-codec.ts'
import {
  countFrom,
  dropBelow,
  findRun,
  fitsInline,
  formatSession,
  parseSession,
  type Run,
  SESSION_REPLIES_MAX,
  type SessionRecord,
  withSequence,
} from './session-record.ts'
import type { KvTransaction } from './transaction.ts'

const HOUR_MS = 3_600_000
export const SESSION_IDLE_MAX_MS = 24 * HOUR_MS
/** How far a gateway's clock may be off the group's time before its new sessions are refused. */
export const SESSION_CLOCK_TOLERANCE_MS = HOUR_MS
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

const REPLY_BYTES_USUAL = 64
/** The commonest reply, as `encodeReply` writes it. */
const STORED_OK: ByteString = '\x0f'

/** A session at the command that runs now: `finish` stores its reply. */
export type OpenSession = {
  readonly tag: SessionTag
  readonly slot: number
  readonly record: SessionRecord
  readonly isNew: boolean
}

export type SessionVerdict =
  | { readonly kind: 'execute'; readonly session: OpenSession }
  | { readonly kind: 'answer'; readonly reply: Reply }

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
    return { kind: 'execute', session: { tag, slot, record, isNew: true } }
  }
  const record = parseSession(stored)
  if (tag.sequence < record.lowest) return { kind: 'answer', reply: SESSION_FORGOTTEN }
  const run = findRun(record.runs, tag.sequence)
  if (run !== null) {
    if (run.reply.length > 0) return { kind: 'answer', reply: parseReply(run.reply) }
    const bytes = transaction.get(sessionReplyKey(slot, tag.id, tag.sequence))
    if (bytes === undefined) return undefined
    assert(bytes !== null, 'a session lists a reply that is not stored')
    return { kind: 'answer', reply: parseReply(bytes) }
  }
  if (tag.sequence < tag.lowestUnacknowledged) return { kind: 'answer', reply: SESSION_FORGOTTEN }
  if (countFrom(record.runs, tag.lowestUnacknowledged) >= SESSION_REPLIES_MAX) {
    return { kind: 'answer', reply: SESSION_FULL }
  }
  return { kind: 'execute', session: { tag, slot, record, isNew: false } }
}

/** Stores the reply and forgets those that were acknowledged. */
export function finishSession(transaction: KvTransaction, session: OpenSession, reply: Reply): void {
  const { tag, slot, record } = session
  const timeMs = transaction.timeMs
  const lowest = Math.max(record.lowest, tag.lowestUnacknowledged)
  forgetReplies(transaction, slot, tag.id, record.runs, lowest)
  const kept = dropBelow(record.runs, lowest)
  const stored = formatReply(reply)
  const isInline = fitsInline(kept, stored)
  if (!isInline) transaction.write(META_PARTITION, sessionReplyKey(slot, tag.id, tag.sequence), stored)
  const runs = withSequence(kept, tag.sequence, isInline ? stored : EMPTY_BYTES)
  const isIndexed = !session.isNew && timeMs - record.indexedMs < IDLE_INDEX_LAG_MS
  if (!isIndexed) {
    if (!session.isNew) {
      transaction.write(META_PARTITION, sessionIdleKey(record.indexedMs, slot, tag.id), null)
    }
    transaction.write(META_PARTITION, sessionIdleKey(timeMs, slot, tag.id), '')
  }
  const after = { lowest, activeMs: timeMs, indexedMs: isIndexed ? record.indexedMs : timeMs, runs }
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
    forgetReplies(transaction, slot, id, runs, Number.MAX_SAFE_INTEGER)
    transaction.write(META_PARTITION, sessionKey(slot, id), null)
    transaction.write(META_PARTITION, indexKey, null)
    expired++
  }
  return expired
}

/** The idle index of the sessions that may be forgotten at `timeMs`. */
export function idleSessionsRange(timeMs: number, limit: number): ReturnType<typeof sessionIdleRange> {
  // -1: before the first day is over, nothing.
  return sessionIdleRange(Math.max(-1, timeMs - SESSION_IDLE_MAX_MS - IDLE_INDEX_LAG_MS), limit)
}

function mayOpen(tag: SessionTag, timeMs: number): boolean {
  const latest = tag.startedMs + SESSION_IDLE_MAX_MS - SESSION_CLOCK_TOLERANCE_MS
  return timeMs < latest && tag.startedMs <= timeMs + SESSION_CLOCK_TOLERANCE_MS
}

/** Removes the reply records of the sequences below `lowest`. */
function forgetReplies(
  transaction: KvTransaction,
  slot: number,
  id: ByteString,
  runs: readonly Run[],
  lowest: number,
): void {
  for (const run of runs) {
    if (run.reply.length > 0) continue
    const end = Math.min(run.first + run.length, lowest)
    for (let sequence = run.first; sequence < end; sequence++) {
      transaction.write(META_PARTITION, sessionReplyKey(slot, id, sequence), null)
    }
  }
}

function formatReply(reply: Reply): ByteString {
  if (reply === OK) return STORED_OK
  const writer = new ByteWriter(REPLY_BYTES_USUAL)
  encodeReply(reply, writer)
  return bufferToBytes(writer.view())
}

function parseReply(bytes: ByteString): Reply {
  const reader = new ByteReader(bytesToBuffer(bytes))
  const reply = decodeReply(reader)
  reader.expectEnd()
  return reply
}
