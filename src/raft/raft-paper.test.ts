/**
 * The rules of the Raft paper's section 5 (Ongaro and Ousterhout, extended version), one by one, against one replica:
 * what it is told by hand-made messages, what it must answer.
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
import type { Entry, LogPosition } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import type { Ready } from './raft.ts'

test('§5.1 a later term makes any replica a follower in it', () => {
  for (const role of ['follower', 'candidate', 'leader'] as const) {
    const bench = new Bench()
    if (role !== 'follower') {
      bench.raft.campaign()
      bench.work()
      bench.answer(2, 'preVoteReply', true)
      if (role === 'leader') bench.answer(2, 'voteReply', true)
      assert.equal(bench.raft.role, role)
    }
    bench.append(3, 9, position(0, 0), [])
    assert.deepEqual([bench.raft.role, bench.raft.term, bench.raft.leader], ['follower', 9, 3])
  }
})

test('§5.1 a stale term is answered only where that frees its sender', () => {
  const bench = new Bench({ term: 5 })
  const [told] = find(
    bench.step('vote', { from: id(2), term: term(4), lastLog: position(4, 9), isTransfer: false }),
    'voteReply',
  )
  assert.deepEqual([told?.granted, told?.term], [false, 5])
  const [reply] = bench.append(2, 4, position(0, 0), [entry(1, 4)])
  assert.deepEqual([reply?.kind, reply?.term], ['heartbeatReply', 5])
  assert.equal(bench.raft.lastIndex, 0)
  const [refusal] = find(
    bench.step('preVote', { from: id(2), term: term(4), lastLog: position(4, 9) }),
    'preVoteReply',
  )
  assert.deepEqual([refusal?.granted, refusal?.term], [false, 5])
  assert.deepEqual(bench.step('voteReply', { from: id(2), term: term(4), granted: true }), [])
})

test('§5.2 replicas start as followers and campaign when they hear nobody', () => {
  const bench = new Bench()
  assert.equal(bench.raft.role, 'follower')
  bench.tick(ELECTION_TICKS - 1)
  assert.equal(bench.raft.role, 'follower')
  bench.tick(1)
  assert.equal(bench.raft.role, 'preCandidate')
  const asked = find(bench.work(), 'preVote')
  assert.deepEqual(
    asked.map((message) => [message.to, message.term]),
    [
      [2, 1],
      [3, 1],
    ],
  )
  assert.equal(bench.raft.term, 0, 'a pre-vote raises no term')
})

test('§5.2 timeouts are spread over [T, 2T)', () => {
  for (const drawn of [0, 0.25, 0.5, 0.999]) {
    const bench = new Bench({}, { random: () => drawn })
    const timeout = ELECTION_TICKS + Math.floor(drawn * ELECTION_TICKS)
    bench.tick(timeout - 1)
    assert.equal(bench.raft.role, 'follower')
    bench.tick(1)
    assert.equal(bench.raft.role, 'preCandidate')
  }
})

test('§5.2 a majority wins, a majority of refusals loses, anything less decides nothing', () => {
  const outcome = (granted: number[], refused: number[]): string => {
    const bench = new Bench({ membership: members(1, 2, 3, 4, 5) })
    bench.raft.campaign()
    bench.work()
    bench.answer(2, 'preVoteReply', true)
    bench.answer(3, 'preVoteReply', true)
    for (const from of granted) bench.answer(from, 'voteReply', true)
    for (const from of refused) bench.answer(from, 'voteReply', false)
    return bench.raft.role
  }
  assert.equal(outcome([2, 3], []), 'leader')
  assert.equal(outcome([2], [3, 4]), 'candidate')
  assert.equal(outcome([2, 2, 2], []), 'candidate', 'one voter counts once')
  assert.equal(outcome([2], [3, 4, 5]), 'follower')
  assert.equal(outcome([9, 8], []), 'candidate', 'strangers do not count')
})

test('§5.2 one vote in a term, to the first that asks', () => {
  const bench = new Bench()
  const ask = (from: number): boolean | undefined =>
    find(
      bench.step('vote', { from: id(from), term: term(3), lastLog: position(0, 0), isTransfer: false }),
      'voteReply',
    )[0]?.granted
  assert.equal(ask(2), true)
  assert.equal(ask(3), false)
  assert.equal(ask(2), true, 'asked again, because the answer was lost')
})

test('§5.2 a vote that was given before a restart is kept', () => {
  const bench = new Bench({ term: 3, vote: 2 })
  const [reply] = find(
    bench.step('vote', { from: id(3), term: term(3), lastLog: position(0, 0), isTransfer: false }),
    'voteReply',
  )
  assert.equal(reply?.granted, false)
})

test('Fig. 2: no vote, and no request for one, leaves before it is durable', () => {
  const voter = new Bench()
  voter.raft.step({
    kind: 'vote',
    from: id(2),
    to: id(1),
    term: term(1),
    lastLog: position(0, 0),
    isTransfer: false,
  })
  const ready = voter.take()
  assert.deepEqual(ready.hardState, { term: 1, vote: 2, commit: 0 })
  assert.deepEqual(find(voter.sent, 'voteReply'), [])
  voter.persist(ready)
  assert.equal(find(voter.sent, 'voteReply').length, 1)

  const candidate = new Bench()
  candidate.raft.campaign()
  candidate.work()
  candidate.raft.step({ kind: 'preVoteReply', from: id(2), to: id(1), term: term(1), granted: true })
  const own = candidate.take()
  assert.deepEqual(find(candidate.sent, 'vote'), [])
  candidate.raft.step({ kind: 'voteReply', from: id(2), to: id(1), term: term(1), granted: true })
  assert.equal(candidate.raft.role, 'candidate', 'its own vote does not count before it is durable')
  candidate.persist(own)
  assert.equal(candidate.raft.role, 'leader')
  assert.equal(find(candidate.sent, 'vote').length, 2)

  const busy = new Bench({ membership: members(1) })
  busy.append(2, 1, position(0, 0), [])
  busy.raft.step({ kind: 'heartbeat', from: id(2), to: id(1), term: term(1), commit: at(0), round: 1 })
  const earlier = busy.take()
  busy.raft.campaign()
  const later = busy.take()
  busy.persist(earlier)
  assert.equal(busy.raft.role, 'candidate', 'an earlier write is not its vote')
  busy.persist(later)
  assert.equal(busy.raft.role, 'leader')
})

test('§5.2 a candidate that hears the leader of its term follows it', () => {
  const bench = new Bench()
  bench.raft.campaign()
  bench.work()
  bench.answer(2, 'preVoteReply', true)
  bench.append(3, 1, position(0, 0), [])
  assert.deepEqual([bench.raft.role, bench.raft.leader, bench.raft.term], ['follower', 3, 1])
})

test('§5.2 a leader sends heartbeats', () => {
  const bench = new Bench().lead(2)
  bench.tick(2)
  assert.deepEqual(
    find(bench.work(), 'heartbeat').map((message) => message.to),
    [2, 3],
  )
})

test('§5.3 an entry is sent to all at once, beside the own disk, and committed by a majority of disks', () => {
  const bench = new Bench().lead(2)
  bench.acknowledge(2, 1)
  bench.acknowledge(3, 1)
  assert.equal(bench.raft.commit, 1)
  bench.raft.propose(Buffer.from('x'))
  const ready = bench.take()
  assert.deepEqual(
    find([...ready.messages], 'append').map((message) => [message.to, message.entries.length]),
    [
      [2, 1],
      [3, 1],
    ],
  )
  bench.raft.step({
    kind: 'appendReply',
    from: id(2),
    to: id(1),
    term: term(1),
    index: at(2),
    conflict: null,
    isRepairing: false,
  })
  assert.equal(bench.raft.commit, 1, 'its own copy does not count before it is durable')
  bench.persist(ready)
  assert.equal(bench.raft.commit, 2)
  const [told] = find(bench.work(), 'append')
  assert.equal(told?.commit, 2, 'followers learn of the commit')
  assert.deepEqual(
    bench.applied.map((each) => each.index),
    [1, 2],
  )
})

test('§5.3 only what is durable here is applied', () => {
  const bench = new Bench({ term: 1 })
  bench.raft.step({
    kind: 'append',
    from: id(2),
    to: id(1),
    term: term(1),
    previous: position(0, 0),
    entries: [entry(1, 1)],
    commit: at(1),
  })
  const ready = bench.take()
  assert.equal(bench.raft.commit, 1)
  assert.equal(ready.committed.length, 0)
  bench.persist(ready)
  bench.work()
  assert.equal(bench.applied.length, 1)
})

test('§5.3 Fig. 7: a follower refuses what does not fit, and says where the logs may agree', () => {
  const leaderLast = position(6, 10)
  const cases: [string, number[], LogPosition | null][] = [
    ['a: one missing', [1, 1, 1, 4, 4, 5, 5, 6, 6], position(6, 9)],
    ['b: many missing', [1, 1, 1, 4], position(4, 4)],
    ['f: other terms', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3], position(3, 10)],
  ]
  for (const [what, terms, conflict] of cases) {
    const bench = new Bench({ entries: logOf(...terms), term: 7 })
    const [reply] = find(bench.append(2, 8, leaderLast, [entry(11, 8)]), 'appendReply')
    assert.deepEqual([reply?.index, reply?.conflict], [10, conflict], what)
    assert.equal(bench.raft.lastIndex, terms.length, 'a refusal changes nothing')
  }
})

test('§5.3 Fig. 7: whatever a follower has, it ends with the leader’s log', () => {
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
  const followers = [
    [1, 1, 1, 4, 4, 5, 5, 6, 6],
    [1, 1, 1, 4],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    [1, 1, 1, 4, 4, 4, 4],
    [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  ]
  for (const terms of followers) {
    const leader = new Bench({ entries: logOf(...leaderTerms), term: 7 }).lead(2)
    const follower = new Bench({ entries: logOf(...terms), term: 7 }, { id: id(3) })
    let questions = 0
    for (
      let pending = find(leader.sent, 'append').filter((message) => message.to === 3);
      pending.length > 0;
      questions++
    ) {
      const before = follower.sent.length
      for (const message of pending) follower.raft.step(message)
      follower.work()
      const replies = follower.sent.slice(before)
      const from = leader.sent.length
      for (const reply of replies) leader.raft.step({ ...reply, to: id(1) })
      leader.work()
      pending = find(leader.sent.slice(from), 'append').filter((message) => message.to === 3)
    }
    assert.deepEqual(follower.terms(), [...leaderTerms, 8])
    assert(questions <= 5, `${questions} questions`)
  }
})

test('§5.3 only a conflict truncates: a late, shorter append changes nothing', () => {
  const bench = new Bench({ term: 1 })
  bench.append(2, 1, position(0, 0), [entry(1, 1), entry(2, 1), entry(3, 1)])
  bench.append(2, 1, position(0, 0), [entry(1, 1)])
  assert.deepEqual(bench.terms(), [1, 1, 1])
  bench.append(2, 1, position(1, 1), [])
  assert.deepEqual(bench.terms(), [1, 1, 1])
  bench.append(3, 2, position(1, 1), [entry(2, 2)])
  assert.deepEqual(bench.terms(), [1, 2], 'a conflict does')
})

test('§5.3 a follower commits no further than what the message has shown to match', () => {
  const bench = new Bench({ entries: logOf(1, 1, 1), term: 1 })
  bench.append(2, 2, position(1, 1), [], 3)
  assert.equal(bench.raft.commit, 1, 'entries 2 and 3 may be strangers')
  bench.append(2, 2, position(1, 1), [entry(2, 2)], 9)
  assert.equal(bench.raft.commit, 2)
})

test('§5.3 an acknowledgement says what is durable, even of a log that was rewritten meanwhile', () => {
  const bench = new Bench({ term: 1, entries: logOf(1) })
  const put = (from: number, inTerm: number, entries: Entry[]): Ready => {
    const body = { from: id(from), term: term(inTerm), previous: position(1, 1), entries, commit: at(0) }
    bench.raft.step({ kind: 'append', to: id(1), ...body })
    return bench.take()
  }
  const first = put(2, 1, [entry(2, 1)])
  const second = put(3, 2, [entry(2, 2)])
  const third = put(2, 3, [entry(2, 1), entry(3, 3)])
  bench.persist(first)
  assert.equal(bench.raft.status().persistedIndex, 1, 'the second write may be what a crash leaves')
  bench.persist(second)
  assert.equal(bench.raft.status().persistedIndex, 1)
  assert(find(bench.sent, 'appendReply').every((reply) => reply.term < 3))
  bench.persist(third)
  assert.equal(bench.raft.status().persistedIndex, 3)
  assert.equal(find(bench.sent, 'appendReply').at(-1)?.index, 3)
})

test('§5.4.1 no vote for a log that is behind', () => {
  const cases: [LogPosition, boolean][] = [
    [position(2, 2), true],
    [position(2, 3), true],
    [position(3, 1), true],
    [position(2, 1), false],
    [position(1, 9), false],
  ]
  for (const [lastLog, granted] of cases) {
    const bench = new Bench({ entries: logOf(1, 2) })
    const [pre] = find(bench.step('preVote', { from: id(2), term: term(4), lastLog }), 'preVoteReply')
    assert.equal(pre?.granted, granted)
    const [reply] = find(
      bench.step('vote', { from: id(2), term: term(4), lastLog, isTransfer: false }),
      'voteReply',
    )
    assert.equal(reply?.granted, granted)
  }
})

test('§5.4.2 Fig. 8: entries of earlier terms are not committed by counting', () => {
  const bench = new Bench({ entries: logOf(1, 2), term: 3 }).lead(2)
  bench.acknowledge(2, 2)
  bench.acknowledge(3, 2)
  assert.equal(bench.raft.commit, 0)
  bench.acknowledge(2, 3)
  assert.equal(bench.raft.commit, 3, 'the first of its own term commits them all')
})

test('§5.4.2 and §8 a leader begins its term with an empty entry', () => {
  const bench = new Bench({ entries: logOf(1) }).lead(2)
  const [append] = find(bench.sent, 'append')
  assert.deepEqual(
    append?.entries.map((each) => [each.index, each.term, each.kind]),
    [[2, 2, EntryKind.empty]],
  )
})
