/**
 * The rules of the Raft paper (Ongaro and Ousterhout, extended version) and of Ongaro's thesis, section by section,
 * against one replica at a time: what it is told by hand-made messages, what it must answer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, LogIndex, LogPosition, Term } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import { createRaft } from './create-raft.ts'
import type { Membership } from './membership.ts'
import type { Message } from './message.ts'
import type { Raft, RaftOptions, RaftState, ReadGrant, Ready } from './raft.ts'

const ELECTION_TICKS = 10
const id = (value: number): ReplicaId => value as ReplicaId
const term = (value: number): Term => value as Term
const at = (index: number): LogIndex => index as LogIndex
const position = (inTerm: number, index: number): LogPosition => ({ term: term(inTerm), index: at(index) })
const members = (...voters: number[]): Membership => ({
  voters: voters.map(id),
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
})
const entry = (index: number, inTerm: number, text = ''): Entry => ({
  index: at(index),
  term: term(inTerm),
  kind: EntryKind.command,
  payload: Buffer.from(text),
})
/** Entries from index 1 on, of these terms. */
const logOf = (...terms: number[]): Entry[] => terms.map((each, slot) => entry(slot + 1, each))

type Start = Partial<Omit<RaftState, 'hardState'>> & { term?: number; vote?: number | null; commit?: number }
type Body<Kind extends Message['kind']> = Omit<Extract<Message, { kind: Kind }>, 'kind' | 'to'>

/** Replica 1 of three, unless told otherwise; its disk is as fast as `work` is called. */
class Bench {
  readonly raft: Raft
  /** What left at once, and what left once it was durable. */
  readonly sent: Message[] = []
  readonly applied: Entry[] = []
  readonly reads: ReadGrant[] = []
  readonly droppedReads: number[] = []

  constructor(start: Start = {}, options: Partial<RaftOptions> = {}) {
    const entries = start.entries ?? []
    const lastTerm = entries[entries.length - 1]?.term ?? start.base?.term ?? 0
    const { vote = null, commit = 0 } = start
    this.raft = createRaft(
      {
        id: id(1),
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: 2,
        maxMessageBytes: 1000,
        maxInflightMessages: 16,
        maxInflightBytes: 10_000,
        maxUncommittedBytes: 10_000,
        maxApplyBytes: 10_000,
        random: () => 0,
        ...options,
      },
      {
        hardState: {
          term: term(start.term ?? lastTerm),
          vote: vote === null ? null : id(vote),
          commit: at(commit),
        },
        base: start.base ?? position(0, 0),
        membership: start.membership ?? members(1, 2, 3),
        entries,
        applied: start.applied ?? start.base?.index ?? at(0),
        mayVoteFrom: start.mayVoteFrom ?? null,
      },
    )
  }

  /** Delivers, and works until nothing is left to do. */
  step<Kind extends Message['kind']>(kind: Kind, body: Body<Kind>): Message[] {
    this.raft.step({ kind, to: id(1), ...body } as Message)
    this.raft.checkInvariants()
    return this.work()
  }

  /** Takes Readys and makes them durable; what they sent. */
  work(): Message[] {
    const before = this.sent.length
    while (this.raft.hasReady()) this.persist(this.take())
    return this.sent.slice(before)
  }

  take(): Ready {
    const ready = this.raft.takeReady()
    this.sent.push(...ready.messages)
    for (const each of ready.committed) {
      this.applied.push(each)
      this.raft.applied(each.index)
    }
    this.reads.push(...ready.reads)
    this.droppedReads.push(...ready.droppedReads)
    this.raft.checkInvariants()
    return ready
  }

  persist(ready: Ready): void {
    this.raft.persisted(ready.number)
    this.sent.push(...ready.messagesAfterPersist)
    this.raft.checkInvariants()
  }

  tick(times: number): void {
    for (let left = times; left > 0; left--) this.raft.tick()
  }

  /** Becomes leader with the votes of the peers named. */
  lead(...voters: number[]): this {
    this.raft.campaign()
    this.work()
    for (const from of voters) this.answer(from, 'preVoteReply', true)
    for (const from of voters) this.answer(from, 'voteReply', true)
    assert.equal(this.raft.role, 'leader')
    this.work()
    return this
  }

  answer(from: number, kind: 'preVoteReply' | 'voteReply', granted: boolean): void {
    const wanted = kind === 'preVoteReply' ? 'preCandidate' : 'candidate'
    if (this.raft.role !== wanted) return
    const inTerm = kind === 'preVoteReply' && granted ? term(this.raft.term + 1) : this.raft.term
    this.step(kind, { from: id(from), term: inTerm, granted })
  }

  acknowledge(from: number, index: number): Message[] {
    const { term: inTerm } = this.raft
    return this.step('appendReply', {
      from: id(from),
      term: inTerm,
      index: at(index),
      conflict: null,
      isRepairing: false,
    })
  }

  append(from: number, inTerm: number, previous: LogPosition, entries: Entry[], commit = 0): Message[] {
    return this.step('append', { from: id(from), term: term(inTerm), previous, entries, commit: at(commit) })
  }

  terms(): (number | null)[] {
    return Array.from({ length: this.raft.lastIndex }, (_, slot) => this.raft.termAt(at(slot + 1)))
  }
}

const find = <Kind extends Message['kind']>(
  messages: Message[],
  kind: Kind,
): Extract<Message, { kind: Kind }>[] =>
  messages.filter((message): message is Extract<Message, { kind: Kind }> => message.kind === kind)

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
  assert.deepEqual(
    find(
      bench.step('vote', { from: id(2), term: term(4), lastLog: position(4, 9), isTransfer: false }),
      'voteReply',
    ),
    [],
  )
  const [reply] = bench.append(2, 4, position(0, 0), [entry(1, 4)])
  assert.deepEqual([reply?.kind, reply?.term], ['heartbeatReply', 5])
  assert.equal(bench.raft.lastIndex, 0)
  const [refusal] = find(
    bench.step('preVote', { from: id(2), term: term(4), lastLog: position(4, 9) }),
    'preVoteReply',
  )
  assert.deepEqual([refusal?.granted, refusal?.term], [false, 5])
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
  assert.equal(ask(3), false)
  const first = bench.append(3, 3, position(1, 2), [entry(3, 1)])
  assert.deepEqual(find(first, 'appendReply')[0]?.isRepairing, true)
  bench.append(3, 3, position(1, 3), [entry(4, 1)])
  const last = bench.append(3, 3, position(1, 4), [], 4)
  assert.deepEqual(find(last, 'appendReply')[0]?.isRepairing, false)
  assert.deepEqual(
    bench.applied.map((each) => each.index),
    [4],
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
