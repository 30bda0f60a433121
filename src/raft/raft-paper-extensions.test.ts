/**
 * Sections 6 to 8 of the Raft paper, and what Ongaro's thesis adds: membership, snapshots, reads, check-quorum,
 * hand-over; and the repair of damaged logs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  at,
  Bench,
  ELECTION_TICKS,
  entry,
  find,
  id,
  logOf,
  members,
  position,
  term,
} from '../../test/raft-bench.ts'
import type { Message } from './message.ts'

test('§6 a joint configuration needs both majorities, and is left by itself', () => {
  const bench = new Bench().lead(2)
  assert.equal(bench.raft.proposeMembership({ voters: [1, 4, 5].map(id), learners: [] }).kind, 'refused')
  bench.acknowledge(2, 1)
  assert.equal(bench.raft.proposeMembership({ voters: [1, 4, 5].map(id), learners: [] }).kind, 'accepted')
  bench.work()
  assert.deepEqual(bench.raft.status().membership, { ...members(1, 4, 5), votersOutgoing: [1, 2, 3] })
  bench.acknowledge(2, 2)
  bench.acknowledge(3, 2)
  assert.equal(bench.raft.commit, 1, 'the old alone decide nothing')
  bench.acknowledge(4, 2)
  assert.equal(bench.raft.commit, 2)
  assert.equal(bench.raft.lastIndex, 3)
  assert.deepEqual(bench.raft.status().membership, members(1, 4, 5))
  assert.equal(
    bench.raft.proposeMembership({ voters: [1].map(id), learners: [] }).kind,
    'refused',
    'one at a time',
  )
})

test('§6 a leader that is not in the new configuration leads until that is committed', () => {
  const bench = new Bench().lead(2)
  bench.acknowledge(2, 1)
  bench.raft.proposeMembership({ voters: [2, 3].map(id), learners: [] })
  bench.work()
  bench.acknowledge(2, 2)
  assert.equal(bench.raft.commit, 1, 'both of the new are needed')
  bench.acknowledge(3, 2)
  assert.equal(bench.raft.role, 'leader')
  bench.acknowledge(2, 3)
  bench.acknowledge(3, 3)
  assert.deepEqual([bench.raft.role, bench.raft.commit], ['follower', 3])
  assert.equal(find(bench.sent, 'timeoutNow')[0]?.to, 2)
  bench.tick(3 * ELECTION_TICKS)
  assert.equal(bench.raft.role, 'follower')
})

test('§6 who hears a leader lets nobody else campaign, except for a hand-over', () => {
  const bench = new Bench({ term: 1 })
  bench.append(2, 1, position(0, 0), [])
  const ask = (isTransfer: boolean): Message[] =>
    bench.step('vote', { from: id(3), term: term(5), lastLog: position(9, 9), isTransfer })
  assert.deepEqual(ask(false), [])
  assert.equal(bench.raft.term, 1, 'nor does its term move')
  assert.deepEqual(bench.step('preVote', { from: id(3), term: term(5), lastLog: position(9, 9) }), [])
  bench.raft.peerClosed(id(2))
  assert.equal(find(bench.work(), 'preVoteReply')[0]?.granted, true, 'the question was kept')
  bench.append(2, 1, position(0, 0), [])
  assert.equal(find(ask(true), 'voteReply')[0]?.granted, true)
})

test('§7 Fig. 13: a snapshot is ignored when the log holds its last entry, and replaces everything when not', () => {
  const offer = (bench: Bench, inTerm: number, index: number): boolean =>
    bench.raft.offerSnapshot(
      { position: position(inTerm, index), membership: members(1, 2, 3) },
      id(2),
      term(5),
    )
  const holds = new Bench({ entries: logOf(1, 1, 2, 2), term: 5 })
  assert.equal(offer(holds, 2, 3), false)
  assert.deepEqual([holds.raft.lastIndex, holds.raft.commit], [4, 3], 'the suffix stays')
  assert.equal(find(holds.work(), 'appendReply')[0]?.index, 3)

  const conflicts = new Bench({ entries: logOf(1, 1, 1, 1), term: 5 })
  assert.equal(offer(conflicts, 2, 3), true)
  assert.deepEqual([conflicts.raft.lastIndex, conflicts.raft.commit], [3, 3], 'the suffix goes')
  const ready = conflicts.take()
  assert.equal(ready.snapshot?.position.index, 3)
  assert.deepEqual(find(conflicts.sent, 'appendReply'), [], 'not before it is installed')
  conflicts.raft.campaign()
  assert.equal(conflicts.raft.role, 'follower', 'no campaign with half a snapshot')
  conflicts.persist(ready)
  assert.equal(find(conflicts.sent, 'appendReply')[0]?.index, 3)
  assert.equal(conflicts.raft.status().applied, 3)
  assert.equal(offer(conflicts, 2, 3), false, 'old news')
})

test('§7 a follower that is too far behind is sent a snapshot, if it is alive', () => {
  const bench = new Bench({ base: position(1, 5), entries: [], term: 1 }).lead(2)
  const refuse = { from: id(3), term: term(2), index: at(5), conflict: position(1, 2), isRepairing: false }
  bench.raft.step({ kind: 'appendReply', to: id(1), ...refuse })
  const ready = bench.take()
  assert.deepEqual(ready.snapshotsToSend, [{ to: 3, minIndex: 5 }])
  assert.equal(bench.raft.status().progress?.get(id(3))?.state, 'snapshot')
  bench.persist(ready)
  bench.raft.reportSnapshot(id(3), at(5))
  bench.acknowledge(3, 5)
  assert.equal(bench.raft.status().progress?.get(id(3))?.state, 'replicate')
})

test('§8 and thesis §6.4: a read waits for an entry of this term, then for a round that began after it', () => {
  const bench = new Bench({ entries: logOf(1), term: 1, commit: 1 }).lead(2)
  assert(bench.raft.readIndex(7))
  bench.tick(2)
  const early = find(bench.work(), 'heartbeat')
  const answer = (round: number): void => {
    bench.step('heartbeatReply', { from: id(2), term: term(2), round, isRepairing: false })
  }
  answer(early[0]?.round ?? 0)
  assert.deepEqual(bench.reads, [], 'nothing of term 2 is committed')
  bench.acknowledge(2, 2)
  const round = find(bench.sent, 'heartbeat').at(-1)?.round ?? 0
  answer(round - 1)
  assert.deepEqual(bench.reads, [], 'an answer to a round of before')
  answer(round)
  assert.deepEqual(bench.reads, [{ context: 7, index: 2 }])
  answer(round)
  assert.equal(bench.reads.length, 1, 'doubled answers grant nothing')
  bench.raft.readIndex(8)
  bench.work()
  bench.append(3, 3, position(1, 1), [])
  assert.deepEqual(bench.droppedReads, [8], 'leadership is lost')
})

test('a sole voter commits and reads alone, once its disk has the entry', () => {
  const bench = new Bench({ membership: members(1) })
  bench.raft.campaign()
  assert.equal(bench.raft.role, 'candidate')
  bench.work()
  assert.equal(bench.raft.role, 'leader')
  assert.equal(bench.raft.commit, 1)
  bench.raft.propose(Buffer.from('x'))
  const ready = bench.take()
  assert.equal(bench.raft.commit, 1)
  bench.persist(ready)
  assert.equal(bench.raft.commit, 2)
  bench.raft.readIndex(1)
  bench.work()
  assert.deepEqual(bench.reads, [{ context: 1, index: 2 }])
})

test('thesis §6.2: a leader that hears no quorum steps down; proposals are counted, and refused beyond the limit', () => {
  const bench = new Bench({}, { maxUncommittedBytes: 10 }).lead(2)
  const propose = (bytes: number): string => bench.raft.propose(new Uint8Array(bytes)).kind
  assert.equal(propose(20), 'accepted', 'one may always be under way')
  assert.equal(propose(1), 'refused')
  bench.work()
  bench.acknowledge(2, 2)
  assert.equal(bench.raft.status().uncommittedBytes, 0)
  assert.deepEqual([propose(6), propose(4), propose(1)], ['accepted', 'accepted', 'refused'])
  bench.tick(2 * ELECTION_TICKS)
  assert.deepEqual([bench.raft.role, bench.raft.term], ['follower', 1])
  assert.equal(propose(1), 'notLeader')
  assert.equal(bench.raft.status().uncommittedBytes, 10)
})

test('thesis §3.10: leadership goes to an up-to-date voter, which campaigns at once', () => {
  const leader = new Bench().lead(2)
  leader.acknowledge(3, 1)
  assert(!leader.raft.transferLeadership(id(9)))
  assert(leader.raft.transferLeadership(id(3)))
  assert.equal(find(leader.work(), 'timeoutNow')[0]?.to, 3)
  assert.deepEqual(leader.raft.propose(new Uint8Array(1)), { kind: 'refused', reason: 'transferring' })
  leader.tick(ELECTION_TICKS)
  assert.equal(leader.raft.propose(new Uint8Array(1)).kind, 'accepted', 'given up after a while')

  const successor = new Bench({ term: 1 })
  successor.append(2, 1, position(0, 0), [])
  const asked = successor.step('timeoutNow', { from: id(2), term: term(1) })
  assert.deepEqual(
    find(asked, 'vote').map((message) => [message.to, message.isTransfer]),
    [
      [2, true],
      [3, true],
    ],
  )
})

test('a damaged log neither votes nor campaigns nor counts, until a leader has repaired it', () => {
  const bench = new Bench({ entries: logOf(1, 1), term: 2, mayVoteFrom: at(4), applied: at(3) })
  bench.tick(5 * ELECTION_TICKS)
  assert.equal(bench.raft.role, 'follower')
  const ask = (inTerm: number): boolean | undefined =>
    find(
      bench.step('vote', { from: id(2), term: term(inTerm), lastLog: position(9, 9), isTransfer: true }),
      'voteReply',
    )[0]?.granted
  assert.equal(ask(3), undefined, 'a refusal would end a campaign that others are about to let win')
  const first = bench.append(3, 3, position(1, 2), [entry(3, 1)])
  assert.deepEqual(find(first, 'appendReply')[0]?.isRepairing, true)
  bench.append(3, 3, position(1, 3), [entry(4, 1)])
  const old = bench.append(3, 3, position(1, 4), [], 4)
  assert.deepEqual(
    find(old, 'appendReply')[0]?.isRepairing,
    true,
    'more may be committed than it has heard of',
  )
  bench.append(3, 3, position(1, 4), [entry(5, 3)], 4)
  const last = bench.append(3, 3, position(3, 5), [], 5)
  assert.deepEqual(find(last, 'appendReply')[0]?.isRepairing, false)
  assert.deepEqual(
    bench.applied.map((each) => each.index),
    [4, 5],
    'what the engine had is not applied again',
  )
  assert.equal(ask(4), true)
})

test('a leader counts no damaged peer, and follows it back to where its log ends', () => {
  const bench = new Bench({ entries: logOf(1, 1, 1), term: 1 }).lead(2)
  bench.acknowledge(2, 4)
  bench.acknowledge(3, 4)
  bench.raft.propose(Buffer.from('x'))
  bench.work()
  const reply = { from: id(3), term: term(2), isRepairing: true }
  const sent = bench.step('appendReply', { ...reply, index: at(4), conflict: position(1, 1) })
  assert.equal(find(sent, 'append')[0]?.previous.index, 1)
  bench.step('appendReply', { ...reply, index: at(5), conflict: null })
  assert.equal(bench.raft.commit, 4, 'durable on 1 and 3, but 3 may forget what it promised')
  bench.acknowledge(3, 5)
  assert.equal(bench.raft.commit, 5)
})

test('a state that proves a lost log is refused', () => {
  assert.throws(() => new Bench({ entries: logOf(1), term: 1, commit: 2 }), /beyond the log's end/)
  assert.throws(() => new Bench({ entries: logOf(1), term: 1, applied: at(2) }), /beyond the log's end/)
  assert.throws(() => new Bench({ entries: logOf(3), term: 1 }), /ahead of the hard state/)
  const bench = new Bench({ entries: logOf(1), term: 1 })
  const beat = { from: id(2), term: term(1), commit: at(2), round: 1 }
  assert.throws(() => bench.step('heartbeat', beat), /the log lost them/)
})
