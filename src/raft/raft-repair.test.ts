/**
 * Restarts from what a broken disk left: logs that end early or in entries long replaced, hard states
 * that are older than the log.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, Bench, entry, find, id, logOf, members, position, term } from '../../test/raft-bench.ts'

// Entries 3 and 4 of term 1 were replaced by others of term 2 and committed; then that write was lost.
const REPLACED = { entries: logOf(1, 1, 1, 1), term: 2, commit: 4, mayVoteFrom: at(4) }

test('a damaged log does not apply what its hard state says is committed: other entries may stand there', () => {
  const bench = new Bench({ ...REPLACED, applied: at(2) })
  bench.work()
  assert.deepEqual(bench.applied, [])
  bench.append(2, 2, position(1, 2), [entry(3, 2, 'right'), entry(4, 2, 'right')], 4)
  assert.deepEqual(
    bench.applied.map(({ index, term: inTerm }) => [index, inTerm]),
    [
      [3, 2],
      [4, 2],
    ],
  )
})

test('a damaged log does not commit what a heartbeat says that it had acknowledged', () => {
  const bench = new Bench({ ...REPLACED, commit: 0 })
  bench.step('heartbeat', { from: id(2), term: term(2), commit: at(4), round: 1 })
  assert.equal(bench.raft.commit, 0)
  assert.deepEqual(bench.applied, [])
})

test('a leader follows a damaged peer back even if that has other entries where it acknowledged its own', () => {
  const bench = new Bench({ entries: logOf(1, 1), term: 1 }).lead(2)
  bench.raft.propose(Buffer.from('x'))
  bench.work()
  bench.acknowledge(3, 4)
  assert.equal(bench.raft.commit, 4)
  const refusal = { from: id(3), term: term(2), index: at(4), conflict: position(1, 4), isRepairing: true }
  const sent = bench.step('appendReply', refusal)
  assert.equal(find(sent, 'append')[0]?.previous.index, 2)
  assert.equal(bench.raft.status().progress?.get(id(3))?.match, 0)
  bench.tick(2)
  const beat = find(bench.work(), 'heartbeat').find(({ to }) => to === 3)
  assert.equal(beat?.commit, 0, 'nothing is known of what it holds')
})

test('a log that is ahead of a lost hard state moves to its last term, and has voted for nobody', () => {
  const bench = new Bench({ entries: logOf(1, 3), term: 1, vote: 2, mayVoteFrom: at(2) })
  assert.deepEqual([bench.raft.term, bench.raft.status().vote], [3, null])
  assert.deepEqual(bench.take().hardState, { term: 3, vote: null, commit: 0 })
})

test('a snapshot that was installed before its hard state was written opens in its term', () => {
  const bench = new Bench({ base: position(5, 9), term: 2, vote: 3, commit: 4 })
  assert.deepEqual([bench.raft.term, bench.raft.status().vote, bench.raft.commit], [5, null, 9])
  assert.deepEqual(bench.take().hardState, { term: 5, vote: null, commit: 9 })
})

test('who stops leading sends no snapshot any more', () => {
  const bench = new Bench({ base: position(1, 5), term: 1 }).lead(2)
  const { term: inTerm } = bench.raft
  const refusal = { from: id(3), term: inTerm, index: at(5), conflict: position(0, 0), isRepairing: false }
  bench.raft.step({ kind: 'appendReply', to: id(1), ...refusal })
  assert(bench.raft.hasReady())
  const heir = { from: id(2), to: id(1), term: term(inTerm + 1) }
  bench.raft.step({ kind: 'heartbeat', ...heir, commit: at(0), round: 0 })
  assert.deepEqual(bench.take().snapshotsToSend, [])
})

test('an acknowledgement that has not left is not sent once a later term has replaced what it speaks of', () => {
  const bench = new Bench({ entries: logOf(1, 1), term: 2 })
  const later = { to: id(1), entries: [entry(3, 3)], previous: position(1, 2), commit: at(0) }
  const earlier = { ...later, entries: [entry(3, 2), entry(4, 2), entry(5, 2)] }
  bench.raft.step({ kind: 'append', from: id(2), term: term(2), ...earlier })
  bench.raft.step({ kind: 'append', from: id(3), term: term(3), ...later })
  const replies = find(bench.work(), 'appendReply')
  assert.deepEqual(
    replies.map((reply) => [reply.to, reply.term, reply.index]),
    [[3, 3, 3]],
  )
})

// It knows of term 2 only; it may have voted in later ones.
const LOST = { entries: logOf(1, 2), term: 2, mayVoteFrom: at(2), isVoteLost: true }

function requests(bench: Bench): { to: number; number: number }[] {
  bench.tick(2)
  return find(bench.work(), 'termRequest').map(({ to, number }) => ({ to, number }))
}

function tell(bench: Bench, from: number, inTerm: number, isSure = true): void {
  const number = requests(bench)[0]?.number ?? 0
  bench.step('termReply', { from: id(from), term: term(inTerm), number, isSure })
}

test('a replica whose vote may be lost waits for every other voter, and a majority is not enough', () => {
  const bench = new Bench({ ...LOST, membership: members(1, 2, 3, 4) })
  assert.deepEqual(
    requests(bench).map(({ to }) => to),
    [2, 3, 4],
  )
  bench.append(2, 2, position(2, 2), [], 2)
  tell(bench, 2, 2)
  tell(bench, 3, 2)
  assert.deepEqual(bench.raft.status().repair, {
    goal: 2,
    isGoalKnown: true,
    waitsFor: [4],
    damagedPeers: [],
  })
  tell(bench, 4, 2, false)
  assert.deepEqual(bench.raft.status().repair?.damagedPeers, [4])
  tell(bench, 4, 2)
  assert.equal(bench.raft.status().repair, null)
  assert.deepEqual(requests(bench), [])
})

test('the vote of the term in which a repair ends is given away, also after a restart', () => {
  const bench = new Bench(LOST)
  bench.append(2, 2, position(2, 2), [], 2)
  tell(bench, 2, 2)
  tell(bench, 3, 2)
  const { vote } = bench.raft.status()
  assert.equal(vote, 1)
  const ask = { from: id(3), lastLog: position(9, 9), isTransfer: true }
  assert.deepEqual(find(bench.step('vote', { ...ask, term: term(2) }), 'voteReply')[0]?.granted, false)
  const again = new Bench({ entries: logOf(1, 2), term: 2, vote })
  assert.deepEqual(find(again.step('vote', { ...ask, term: term(2) }), 'voteReply')[0]?.granted, false)
  assert.deepEqual(find(again.step('vote', { ...ask, term: term(3) }), 'voteReply')[0]?.granted, true)
})

test('what the leader of an earlier term showed does not end the repair in a later one', () => {
  const bench = new Bench(LOST)
  bench.append(2, 2, position(2, 2), [], 2)
  tell(bench, 2, 2)
  tell(bench, 3, 5)
  assert.deepEqual(bench.raft.status().repair, {
    goal: 2,
    isGoalKnown: false,
    waitsFor: [],
    damagedPeers: [],
  })
  bench.append(3, 5, position(2, 2), [entry(3, 5)], 3)
  assert.equal(bench.raft.status().repair, null)
  assert.equal(bench.raft.commit, 3)
})

test('an answer to an earlier incarnation, and one of an earlier term, count for what they are', () => {
  const bench = new Bench({ ...LOST, term: 7, entries: logOf(1, 2) })
  const [first] = requests(bench)
  assert(first !== undefined)
  const answer = { from: id(2), term: term(3), isSure: true }
  bench.step('termReply', { ...answer, number: first.number + 1 })
  assert.deepEqual(bench.raft.status().repair?.waitsFor, [2, 3])
  bench.step('termReply', { ...answer, number: first.number })
  assert.deepEqual(bench.raft.status().repair?.waitsFor, [3])
})

test('who lost its own vote says that it can not vouch for its term, and a question moves nobody', () => {
  const question = { from: id(2), term: term(9), number: 4 }
  const whole = new Bench({ entries: logOf(1), term: 2 })
  assert.deepEqual(find(whole.step('termRequest', question), 'termReply')[0]?.isSure, true)
  assert.equal(whole.raft.term, 2)
  const lost = new Bench(LOST)
  assert.deepEqual(find(lost.step('termRequest', question), 'termReply')[0]?.isSure, false)
})

test('what a peer acknowledged counts no more when its process is another one, until that has spoken', () => {
  const bench = new Bench({ entries: logOf(1, 1), term: 1 }).lead(2)
  bench.raft.propose(Buffer.from('x'))
  const write = bench.take()
  const { term: inTerm } = bench.raft
  const holds = { index: at(4), conflict: null, isRepairing: false }
  bench.raft.step({ kind: 'appendReply', from: id(2), to: id(1), term: inTerm, ...holds })
  bench.raft.peerRestarted(id(2))
  bench.persist(write)
  assert.equal(bench.raft.commit, 3, 'only what was counted before')
  assert(
    find(bench.work(), 'append').some(({ to }) => to === 2),
    'it is asked at once',
  )
  bench.acknowledge(2, 4)
  assert.equal(bench.raft.commit, 4)
})
