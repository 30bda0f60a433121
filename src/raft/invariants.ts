/**
 * What must hold of one replica between any two calls, checked by tests and simulator after every
 * step. Costly: it walks the whole log. What concerns several replicas is in sim/raft/raft-checker.ts.
 */
import assert from 'node:assert/strict'
import type { LogIndex } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import type { Core } from './core.ts'
import { isRepairing, mayBeNeeded } from './core.ts'
import { allMembers, isSameMembership } from './membership.ts'
import { decodeMembership } from './membership-codec.ts'

export function checkInvariants(core: Core): void {
  checkPositions(core)
  checkLog(core)
  checkRole(core)
  checkLeader(core)
}

function checkPositions(core: Core): void {
  const { log, durability } = core
  assert(core.commit <= log.lastIndex, 'commit beyond the log')
  assert(log.base.index <= core.commit, 'the log was cut beyond commit')
  assert(durability.persistedIndex <= log.lastIndex, 'persisted beyond the log')
  assert(durability.persistedIndex <= durability.handedOutIndex, 'persisted but never handed out')
  assert(durability.handedOutIndex <= log.lastIndex, 'handed out beyond the log')
  assert(core.applied <= core.dispatched, 'applied but never handed out')
  if (isRepairing(core)) return
  assert(core.dispatched <= Math.max(core.commit, core.restored), 'handed out but not committed')
  if (core.installing !== null) return
  assert(log.base.index <= core.applied, 'the log was cut beyond applied')
  assert(
    core.dispatched <= Math.max(durability.persistedIndex, core.restored),
    'handed out but not durable here',
  )
}

function checkLog(core: Core): void {
  const { log, memberships } = core
  const { lastIndex } = log
  let { term } = log.base
  let changes = 0
  // Logs are long: only what fails, and what is rare, calls an assertion.
  for (let index = log.base.index + 1; index <= lastIndex; index++) {
    const entry = log.entryAt(index as LogIndex)
    if (entry.index !== index) assert.fail(`entry ${entry.index} lies in the place of ${index}`)
    if (entry.term < term) assert.fail(`terms fall along the log, at ${index}`)
    term = entry.term
    if (entry.kind !== EntryKind.membership) continue
    changes++
    const isKnown = isSameMembership(memberships.at(entry.index), decodeMembership(entry.payload))
    assert(isKnown, `the membership of entry ${index} is not the one in force there`)
  }
  assert.equal(changes, memberships.changeCount, 'membership history')
  assert(term <= core.term, 'the log is ahead of the term')
}

function checkRole(core: Core): void {
  assert(core.lostVote === null || isRepairing(core), 'a vote is lost with a part of the log')
  if (core.role === 'leader' || core.role === 'candidate') {
    assert.equal(core.vote, core.id, 'leads or campaigns without its own vote')
    assert(!isRepairing(core), 'leads or campaigns with a damaged log')
  }
  if (core.role === 'candidate' || core.role === 'preCandidate') {
    assert(mayBeNeeded(core), 'campaigns without a vote')
    assert.equal(core.leader, null)
  }
  assert.equal(core.role === 'leader', core.leader === core.id, 'leader and role disagree')
}

function checkLeader(core: Core): void {
  if (core.role !== 'leader') {
    assert.equal(core.peers.length, 0)
    assert.equal(core.transferTo, null)
    return
  }
  assert.equal(core.peers.length, core.peerById.size)
  const members = allMembers(core.memberships.current)
  for (const id of members) assert(id === core.id || core.peerById.has(id), `member ${id} has no progress`)
  const isSettled = core.memberships.currentIndex <= core.commit
  for (const peer of core.peers) {
    peer.check(core.log.lastIndex)
    assert(peer.ackedRound <= core.round)
    if (isSettled && core.isMembershipSettled) assert(members.includes(peer.id), `${peer.id} was removed`)
  }
}
