/**
 * The work the leader orders through the log, so that every replica does it alike and no local
 * clock decides: deleting what has expired, removing the members of deleted hashes.
 * Each call does at most about `limit` records of work, and answers how much it found, so the
 * leader knows whether to call again.
 */
import assert from 'node:assert/strict'
import { unreachable } from '../base/unreachable.ts'
import type { MaintenanceCommand } from './command.ts'
import { NO_EXPIRY, recordExpireMs } from './record.ts'
import {
  expiryIndexRange,
  garbageRange,
  keyOfExpiryIndex,
  memberRange,
  parseGarbageKey,
} from './record-keys.ts'
import { expireSessions, idleSessionsRange } from './session.ts'
import type { KvTransaction } from './transaction.ts'

/** More work than this in one log entry would stall the group. */
export const MAINTENANCE_LIMIT_MAX = 100_000
/** Deleted hashes worked on by one call. */
const GARBAGE_VERSIONS_MAX = 64
/** One deleted hash gets a share of the limit: a fixed part, but not less than a minimum. */
const SHARES = 8
const SHARE_MIN = 16

/** How much was done; undefined when something it must read isn't in memory. */
export function maintain(transaction: KvTransaction, command: MaintenanceCommand): number | undefined {
  switch (command.kind) {
    case 'advanceTime':
      return 0
    case 'expireDue':
      return expireDue(transaction, checkedLimit(command.limit))
    case 'collectGarbage':
      return collectGarbage(transaction, checkedLimit(command.limit))
    case 'expireSessions':
      return expireSessions(transaction, checkedLimit(command.limit))
    default:
      return unreachable(command)
  }
}

/** How many pieces of work wait at `clockMs`, at most `limit`; changes nothing. */
export function waitingWork(
  transaction: KvTransaction,
  command: MaintenanceCommand,
  clockMs: number,
): number | undefined {
  switch (command.kind) {
    case 'advanceTime':
      return 0
    case 'expireDue':
      return transaction.range(expiryIndexRange(clockMs, checkedLimit(command.limit)))?.length
    case 'collectGarbage':
      return transaction.range(garbageRange(checkedLimit(command.limit)))?.length
    case 'expireSessions':
      return transaction.range(idleSessionsRange(clockMs, checkedLimit(command.limit)))?.length
    default:
      return unreachable(command)
  }
}

function expireDue(transaction: KvTransaction, limit: number): number | undefined {
  const due = transaction.range(expiryIndexRange(transaction.timeMs, limit))
  if (due === undefined) return undefined
  const entries = transaction.openAll(due.map((item) => keyOfExpiryIndex(item.key)))
  if (entries === undefined) return undefined
  for (const entry of entries) {
    const expireMs = entry.stored === null ? entry.traceExpireMs : recordExpireMs(entry.stored)
    assert(
      expireMs !== NO_EXPIRY && expireMs <= transaction.timeMs,
      'the expiry index names a key that lives on',
    )
    if (entry.stored === null) transaction.removeTrace(entry)
    else transaction.removeRecord(entry)
  }
  return entries.length
}

function collectGarbage(transaction: KvTransaction, limit: number): number | undefined {
  const garbage = transaction.range(garbageRange(Math.min(limit, GARBAGE_VERSIONS_MAX)))
  if (garbage === undefined) return undefined
  const versions = garbage.map((item) => ({ garbageKey: item.key, ...parseGarbageKey(item.key) }))
  // Many small hashes at once, or a large one in several calls; never 64 times `limit` records read.
  const share = Math.max(SHARE_MIN, Math.ceil(limit / SHARES))
  const members = versions.map(({ slot, version }) => transaction.range(memberRange(slot, version, share)))
  if (members.includes(undefined)) return undefined
  let removed = 0
  for (const [index, { garbageKey, slot }] of versions.entries()) {
    const found = members[index] ?? []
    const room = limit - removed
    if (room <= 0) break
    for (const member of found.slice(0, room)) transaction.write(slot, member.key, null)
    removed += Math.min(found.length, room)
    // As many as were asked for, or as fit: there may be more.
    const isEmptied = found.length < share && found.length < room
    if (!isEmptied) continue
    transaction.write(slot, garbageKey, null)
    removed++
  }
  return removed
}

function checkedLimit(limit: number): number {
  assert(Number.isSafeInteger(limit) && limit > 0, `not a limit: ${limit}`)
  return Math.min(limit, MAINTENANCE_LIMIT_MAX)
}
