/** Who would have to apply much before it could serve lets the others campaign first. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bench, ELECTION_TICKS, entry, find, id, members, position, term } from '../../test/raft-bench.ts'

const LONG = [entry(1, 1, 'x'.repeat(50)), entry(2, 1, 'x'.repeat(50))]
const STRICT = { maxCampaignLagBytes: 60 }

/** Replica 1 follows 2, and knows nothing yet of what is committed. */
function follower(options: { maxCampaignLagBytes?: number }): Bench {
  const bench = new Bench({ entries: LONG, term: 1 }, options)
  bench.append(2, 1, position(1, 2), [])
  return bench
}

function asksForVotes(bench: Bench): boolean {
  return find(bench.work(), 'preVote').length > 0
}

test('when the connection of the leader closes, the lowest id goes first, unless it has much to apply', () => {
  const ready = follower({ maxCampaignLagBytes: 100 })
  ready.raft.peerClosed(id(2))
  assert.equal(asksForVotes(ready), true)
  const lagging = follower(STRICT)
  lagging.raft.peerClosed(id(2))
  assert.equal(asksForVotes(lagging), false)
  const ask = { from: id(3), term: term(2), lastLog: position(1, 2) }
  assert.equal(find(lagging.step('preVote', ask), 'preVoteReply')[0]?.granted, true)
})

test('it campaigns soon after all the others had their turn', () => {
  const bench = follower(STRICT)
  bench.raft.peerClosed(id(2))
  bench.tick(ELECTION_TICKS / 2)
  assert.equal(asksForVotes(bench), true)
})

test('one election timeout is left to the others, and no more: they may be no better', () => {
  const bench = follower(STRICT)
  bench.tick(2 * ELECTION_TICKS - 1)
  assert.equal(asksForVotes(bench), false)
  assert.equal(bench.raft.leader, null, 'it lets the others have its vote')
  bench.tick(2 * ELECTION_TICKS)
  assert.equal(asksForVotes(bench), true)
})

test('a sole voter has nobody to wait for', () => {
  const bench = new Bench({ entries: LONG, term: 1, membership: members(1) }, STRICT)
  bench.tick(2 * ELECTION_TICKS)
  bench.work()
  assert.equal(bench.raft.role, 'leader')
})

test('a leader knows how far behind a member is, once they agree', () => {
  const bench = new Bench().lead(2)
  assert.equal(bench.raft.lagOf(id(2)), null, 'agreement is still sought')
  bench.acknowledge(2, 1)
  assert.equal(bench.raft.lagOf(id(2)), 0)
  for (let count = 0; count < 3; count++) bench.raft.propose(new Uint8Array(1))
  bench.work()
  bench.acknowledge(3, 4)
  assert.deepEqual([bench.raft.commit, bench.raft.lagOf(id(2)), bench.raft.lagOf(id(3))], [4, 3, 0])
  assert.equal(bench.raft.lagOf(id(9)), null, 'no member')
})
