/**
 * Linearizable reads without writing to the log (thesis §6.4).
 *
 * A read may see the state at the commit index of the moment it was asked, provided that this
 * replica still led at some moment AFTER: proved by a round of heartbeats that began after the
 * read was asked and that a quorum answered. A new leader's commit index may be behind until it
 * has committed an entry of its own term; reads asked before then wait for that first.
 *
 * Rounds are numbered within a term, so late and doubled answers prove nothing new.
 */
import assert from 'node:assert/strict'
import type { LogIndex } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { send } from './core.ts'
import type { ReadIndex, ReadIndexReply } from './message.ts'
import { isSoleVoter, quorumValue } from './quorum.ts'
import type { Read } from './read-queue.ts'

/** False when no leader is known, or too many reads wait already. */
export function askRead(core: Core, context: number): boolean {
  assert(Number.isSafeInteger(context), `not a read context: ${context}`)
  if (core.role === 'leader') return askLeader(core, { from: core.id, context })
  if (core.leader === null || core.forwardedReads.isFull) return false
  core.forwardedReads.push(context)
  return true
}

export function handleReadIndex(core: Core, message: ReadIndex): void {
  // Not leading, or too busy: the follower gives up after its own timeout, and its callers ask again.
  if (core.role === 'leader') askLeader(core, { from: message.from, context: message.batch })
}

export function handleReadIndexReply(core: Core, message: ReadIndexReply): void {
  for (const context of core.forwardedReads.takeBatch(message.batch)) {
    core.grants.push({ context, index: message.index })
  }
}

/** The leader committed its first entry of this term: what waited for that can be asked now. */
export function askEarlyReads(core: Core): void {
  for (const read of core.readQueue.takeEarly()) askNow(core, read)
}

/** Grants every read whose round a quorum has answered. */
export function releaseReads(core: Core): void {
  if (core.readQueue.isIdle) return
  const round = quorumValue(core.memberships.current, core.ackedRoundOf)
  for (const read of core.readQueue.takeAnswered(round)) grant(core, read, read.index)
}

/** Follower: sends the reads of this turn as one batch. */
export function forwardReads(core: Core): void {
  if (!core.forwardedReads.hasUnsent) return
  assert(core.leader !== null && core.leader !== core.id)
  const batch = core.forwardedReads.send(core.options.electionTicks)
  send(core, { kind: 'readIndex', from: core.id, to: core.leader, term: core.term, batch })
}

export function expireForwardedReads(core: Core): void {
  for (const context of core.forwardedReads.tick()) core.droppedReads.push(context)
}

/** The leader that these reads relied on is gone; a peer's batches are that peer's to drop. */
export function dropReads(core: Core): void {
  for (const read of core.readQueue.takeAll()) {
    if (read.from === core.id) core.droppedReads.push(read.context)
  }
  for (const context of core.forwardedReads.takeAll()) core.droppedReads.push(context)
}

export function hasCommittedInTerm(core: Core): boolean {
  return core.log.termAt(core.commit) === core.term
}

function askLeader(core: Core, read: Read): boolean {
  if (core.readQueue.isFull) return false
  if (hasCommittedInTerm(core)) askNow(core, read)
  else core.readQueue.pushEarly(read)
  return true
}

function askNow(core: Core, read: Read): void {
  assert(core.role === 'leader' && hasCommittedInTerm(core))
  if (isSoleVoter(core.memberships.current, core.id)) {
    grant(core, read, core.commit)
    return
  }
  core.readQueue.push(read, core.commit, core.round + 1)
  core.roundNeeded = true
}

function grant(core: Core, read: Read, index: LogIndex): void {
  if (read.from === core.id) {
    core.grants.push({ context: read.context, index })
  } else {
    const reply = { from: core.id, to: read.from, term: core.term, batch: read.context, index }
    send(core, { kind: 'readIndexReply', ...reply })
  }
}
