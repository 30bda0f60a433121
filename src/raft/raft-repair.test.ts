/**
 * Restarts from what a broken disk left: logs that end early or in entries long replaced, hard states
 * that are older than the log.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, Bench, entry, find, id, logOf, position, term } from '../../test/raft-bench.ts'

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
