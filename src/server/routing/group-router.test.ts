import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeGroupId, makeReplicaId, type ReplicaId } from '../../base/ids.ts'
import type { Clock } from '../../env/clock.ts'
import type { Group } from '../../replica/group.ts'
import type { Failure, Responder } from '../../replica/outcome.ts'
import { GroupRouter, OPEN_OPERATIONS_MAX } from './group-router.ts'
import type { Operation } from './operation.ts'
import { WriteLane } from './write-lane.ts'

const GROUP = makeGroupId(1)
const SELF = makeReplicaId(1)
const A = makeReplicaId(2)
const B = makeReplicaId(3)
const TIMEOUT_MS = 10_000
const ATTEMPT_MS = 1_000

type Asked = { readonly command: string; readonly responder: Responder<string> }
type Sent = {
  readonly operation: Operation<string, string>
  readonly attempt: number
  readonly to: ReplicaId
}

/** A router whose replica, peers and time are in the test's hands. */
class Hands {
  nowMs = 0
  leader: ReplicaId | null = null
  term = 1
  voters: readonly ReplicaId[] = [SELF, A, B]
  health: { kind: 'healthy' } | { kind: 'failed'; reason: string } = { kind: 'healthy' }
  hasReplica = true
  logFailure: Error | null = null
  readonly connected = new Set<ReplicaId>([A, B])
  readonly proposed: Asked[] = []
  readonly queried: Asked[] = []
  readonly sent: Sent[] = []
  /** The replica follows the leader closely. */
  isClose = false
  readonly followed: Sent[] = []
  readonly released: [string, string | null][] = []
  readonly ends: string[] = []
  #timers: { readonly atMs: number; readonly run: () => void; isCancelled: boolean }[] = []
  #tags = 0

  readonly clock = {
    wallMs: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    setTimer: (delayMs, run) => {
      const timer = { atMs: this.nowMs + delayMs, run, isCancelled: false }
      this.#timers.push(timer)
      return {
        cancel: () => {
          timer.isCancelled = true
        },
      }
    },
    endOfTurn: (run) => run(),
  } satisfies Clock

  readonly group = {
    get health() {
      return hands().health
    },
    get isLeader() {
      return hands().leader === SELF
    },
    raft: {
      get leader() {
        return hands().leader
      },
      get term() {
        return hands().term
      },
      status: () => ({ membership: { voters: this.voters, votersOutgoing: [] } }),
    },
    propose: (command: string, _bytes: number, responder: Responder<string>) =>
      this.proposed.push({ command, responder }),
    query: (command: string, responder: Responder<string>) => this.queried.push({ command, responder }),
    follows: () => this.isClose,
  }

  readonly router: GroupRouter<string, string>

  constructor() {
    hands = () => this
    this.router = new GroupRouter<string, string>({
      clock: this.clock,
      random: { next: () => 0.5, u32: () => 7 },
      transport: { isConnected: (peer) => this.connected.has(peer) },
      self: SELF,
      forwarder: {
        send: (operation) =>
          this.sent.push({ operation, attempt: operation.attempt, to: operation.sentTo as ReplicaId }),
      },
      proposals: {
        send: (operation) =>
          this.followed.push({ operation, attempt: operation.attempt, to: operation.sentTo as ReplicaId }),
      },
      localGroup: () => (this.hasReplica ? (this.group as unknown as Group<string, string>) : null),
      candidates: () => [A, B],
      logFailure: () => this.logFailure,
      tagForRetry: (command) => (command.includes('#') ? command : `${command}#${++this.#tags}`),
      releaseTag: (command, reply) => this.released.push([command, reply]),
      operationTimeoutMs: TIMEOUT_MS,
      attemptTimeoutMs: ATTEMPT_MS,
    })
  }

  submit(command: string, isWrite: boolean, lane: WriteLane | null = null): void {
    this.router.submit(
      { group: GROUP, isWrite, command, bytes: 10, lane },
      {
        reply: (reply) => this.ends.push(`${command}=${reply}`),
        fail: (failure) => this.ends.push(`${command}!${failure.kind}`),
      },
    )
  }

  lead(leader: ReplicaId | null, term = this.term + 1): void {
    this.leader = leader
    this.term = term
    this.router.leaderChanged(GROUP)
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const due = this.#timers.filter((timer) => !timer.isCancelled && timer.atMs <= endMs)
      const next = due.sort((left, right) => left.atMs - right.atMs)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run()
    }
    this.nowMs = endMs
  }

  fail(sent: Sent | undefined, failure: Failure): void {
    assert.ok(sent !== undefined)
    sent.operation.failSent(sent.attempt, failure)
  }

  get sentCommands(): string[] {
    return this.sent.map(({ operation, to }) => `${operation.command.split('#')[0]}>${to}`)
  }
}

let hands: () => Hands

test('a leader carries out its own commands, without a mark', () => {
  const at = new Hands()
  at.lead(SELF)
  at.submit('w', true)
  at.submit('r', false)
  at.proposed[0]?.responder.reply('done')
  at.queried[0]?.responder.reply('value')
  assert.deepEqual(at.ends, ['w=done', 'r=value'])
  assert.equal(at.proposed[0]?.command, 'w')
  assert.deepEqual(at.released, [])
})

test('a follower sends writes to the leader under a mark, and reads its own state', () => {
  const at = new Hands()
  at.lead(A)
  at.submit('w', true)
  at.submit('r', false)
  assert.deepEqual(at.sentCommands, [`w>${A}`])
  assert.equal(at.queried.length, 1)
  at.sent[0]?.operation.reply('done')
  assert.deepEqual(at.ends, ['w=done'])
  assert.deepEqual(at.released, [['w#1', 'done']])
})

test('one that follows closely sends writes without a mark, and does not repeat them on its own', () => {
  const at = new Hands()
  at.isClose = true
  at.lead(A)
  at.submit('w', true)
  assert.deepEqual([at.followed.map(({ operation }) => operation.command), at.sent], [['w'], []])
  at.lead(B)
  at.pass(ATTEMPT_MS + 200)
  assert.equal(at.followed.length, 1, 'only the log can tell that it did not happen')
  at.fail(at.followed[0], { kind: 'notCommitted' })
  at.pass(100)
  assert.deepEqual(
    at.followed.map(({ to }) => to),
    [A, B],
  )
  at.followed[1]?.operation.reply('done')
  assert.deepEqual([at.ends, at.released], [['w=done'], []])
})

test('what its log can not tell any more is called unknown', () => {
  const at = new Hands()
  at.isClose = true
  at.lead(A)
  at.submit('w', true)
  at.fail(at.followed[0], { kind: 'unknown' })
  at.submit('x', true)
  at.pass(TIMEOUT_MS + 100)
  assert.deepEqual(at.ends, ['w!unknown', 'x!unknown'])
})

test('what was sent under a mark stays under it, what was not may get one', () => {
  const at = new Hands()
  at.lead(A)
  at.submit('w', true)
  at.isClose = true
  at.lead(B)
  assert.deepEqual([at.sent[1]?.operation.command, at.followed.length], ['w#1', 0])
  at.submit('x', true)
  at.isClose = false
  at.fail(at.followed[0], { kind: 'unhealthy', reason: 'behind' })
  at.pass(100)
  assert.equal(at.sent[2]?.operation.command, 'x#2')
})

test('the two ways of sending do not overtake each other in a lane', () => {
  const at = new Hands()
  const lane = new WriteLane()
  at.isClose = true
  at.lead(A)
  at.submit('w1', true, lane)
  at.isClose = false
  at.submit('w2', true, lane)
  at.pass(100)
  assert.deepEqual([at.followed.length, at.sent.length], [1, 0])
  at.followed[0]?.operation.reply('done')
  at.pass(100)
  assert.equal(at.sent.length, 1)
})

test('without a leader everything waits, and goes on the moment there is one', () => {
  const at = new Hands()
  at.submit('w', true)
  at.submit('r', false)
  at.pass(200)
  assert.deepEqual([at.sent.length, at.proposed.length, at.queried.length], [0, 0, 0])
  at.lead(A)
  assert.deepEqual(at.sentCommands, [`w>${A}`])
  assert.equal(at.queried.length, 1)
})

test('a read that waited is answered here when this node itself becomes the leader', () => {
  const at = new Hands()
  at.submit('r', false)
  at.pass(50)
  at.lead(SELF)
  assert.equal(at.queried.length, 1)
  at.queried[0]?.responder.fail({ kind: 'notLeader', leader: null })
  at.pass(100)
  assert.equal(at.queried.length, 2, 'and also after an attempt that failed')
})

test('a local proposal whose fate is unknown is never repeated', () => {
  const at = new Hands()
  at.lead(SELF)
  at.submit('w', true)
  at.proposed[0]?.responder.fail({ kind: 'unknown' })
  at.pass(TIMEOUT_MS)
  assert.deepEqual(at.ends, ['w!unknown'])
  assert.deepEqual([at.proposed.length, at.sent.length], [1, 0])
})

test('one that is known not to have happened is repeated', () => {
  const at = new Hands()
  at.lead(SELF)
  at.submit('w', true)
  at.proposed[0]?.responder.fail({ kind: 'notCommitted' })
  at.lead(A)
  assert.deepEqual(at.sentCommands, [`w>${A}`])
})

test('what was sent to a deposed leader goes to the new one, under the same mark', () => {
  const at = new Hands()
  at.lead(A)
  at.submit('w', true)
  at.lead(B)
  assert.deepEqual(at.sentCommands, [`w>${A}`, `w>${B}`])
  assert.equal(at.sent[1]?.operation.command, 'w#1')
  at.fail(at.sent[0], { kind: 'notLeader', leader: null })
  assert.equal(at.sent.length, 2, 'the failure of an attempt that was given up means nothing')
  at.sent[0]?.operation.reply('done')
  assert.deepEqual(at.ends, ['w=done'], 'its answer is an answer')
})

test('it is called unknown at the deadline even when the last attempt went nowhere', () => {
  const at = new Hands()
  at.lead(A)
  at.submit('w', true)
  at.connected.clear()
  at.lead(B)
  at.pass(TIMEOUT_MS + 100)
  assert.deepEqual(at.ends, ['w!unknown'])
})

test('a frozen leader is given up after the attempt timeout', () => {
  const at = new Hands()
  at.lead(A)
  at.submit('w', true)
  at.pass(ATTEMPT_MS + 200)
  assert.equal(at.sent.length, 2)
  assert.equal(at.sent[1]?.operation.command, 'w#1')
})

test('a read of the local replica that stalls is sent to the leader', () => {
  const at = new Hands()
  at.lead(A)
  at.submit('r', false)
  at.pass(ATTEMPT_MS + 200)
  assert.deepEqual(at.sentCommands, [`r>${A}`])
  at.queried[0]?.responder.fail({ kind: 'notLeader', leader: A })
  assert.equal(at.sent.length, 1)
})

test('nothing is attempted after its caller was told that it did not happen', () => {
  const at = new Hands()
  at.connected.clear()
  at.submit('w', true)
  at.pass(TIMEOUT_MS + 100)
  assert.deepEqual(at.ends, ['w!noLeader'])
  at.lead(SELF)
  at.pass(1_000)
  assert.deepEqual([at.proposed.length, at.sent.length], [0, 0])
})

test('writes of one lane never overtake each other, whatever fails', () => {
  const at = new Hands()
  const lane = new WriteLane()
  at.lead(A)
  at.connected.delete(A)
  at.submit('w1', true, lane)
  at.connected.add(A)
  at.submit('w2', true, lane)
  assert.deepEqual(at.sentCommands, [], 'the second waits for the first, although it could go')
  at.pass(200)
  assert.deepEqual(at.sentCommands, [`w1>${A}`, `w2>${A}`])
  at.fail(at.sent[0], { kind: 'unknown' })
  at.submit('w3', true, lane)
  assert.deepEqual(at.sentCommands.length, 2, 'the third waits for the first to be sent again')
  at.pass(200)
  at.sent[1]?.operation.reply('done')
  at.pass(100)
  assert.deepEqual(at.sentCommands.slice(2), [`w1>${A}`, `w3>${A}`])
})

test('a new leader gets the whole lane in its order', () => {
  const at = new Hands()
  const lane = new WriteLane()
  at.lead(A)
  for (const name of ['w1', 'w2', 'w3']) at.submit(name, true, lane)
  at.lead(B)
  assert.deepEqual(at.sentCommands.slice(3), [`w1>${B}`, `w2>${B}`, `w3>${B}`])
})

test('behind a local proposal whose fate is open nothing of its lane is sent elsewhere', () => {
  const at = new Hands()
  const lane = new WriteLane()
  at.lead(SELF)
  at.submit('w1', true, lane)
  at.lead(A)
  at.submit('w2', true, lane)
  at.pass(1_000)
  assert.deepEqual(at.sentCommands, [])
  at.proposed[0]?.responder.reply('done')
  at.pass(100)
  assert.deepEqual(at.sentCommands, [`w2>${A}`])
})

test('a node without a replica asks around, and remembers who leads', () => {
  const at = new Hands()
  at.hasReplica = false
  const lane = new WriteLane()
  at.submit('w1', true, lane)
  at.submit('w2', true, lane)
  assert.deepEqual(at.sentCommands, [`w1>${B}`], 'one at a time while no term is known')
  at.router.hear(GROUP, 4, A)
  at.fail(at.sent[0], { kind: 'notLeader', leader: A })
  at.pass(100)
  assert.deepEqual(at.sentCommands.slice(1), [`w1>${A}`, `w2>${A}`])
  assert.equal(at.sent[1]?.operation.sentTerm, 4)
})

test('a replica that finds no leader asks others after a while', () => {
  const at = new Hands()
  at.submit('w', true)
  at.pass(450)
  assert.equal(at.sent.length, 0)
  at.pass(100)
  assert.deepEqual(at.sentCommands, [`w>${B}`])
  at.router.hear(GROUP, 9, A)
  at.fail(at.sent[0], { kind: 'notLeader', leader: A })
  at.pass(50)
  assert.deepEqual(at.sentCommands.slice(1), [`w>${A}`])
})

test('the only voter says at once why it can not', () => {
  const at = new Hands()
  at.voters = [SELF]
  at.logFailure = new Error('no space')
  at.submit('w', true)
  assert.deepEqual(at.ends, ['w!storage'])
  at.connected.clear()
  at.logFailure = null
  at.health = { kind: 'failed', reason: 'engine' }
  at.submit('r', false)
  assert.deepEqual(at.ends, ['w!storage', 'r!unhealthy'])
})

test('what is too much is refused, and counts no longer when it is answered', () => {
  const at = new Hands()
  for (let count = 0; count < OPEN_OPERATIONS_MAX; count++) at.submit('w', true)
  assert.equal(at.router.openOperations, OPEN_OPERATIONS_MAX)
  at.submit('x', true)
  assert.deepEqual(at.ends, ['x!overloaded'])
  at.router.stop()
  assert.equal(at.router.openOperations, 0)
})

test('a refusal for load is final', () => {
  const at = new Hands()
  at.lead(SELF)
  at.submit('w', true)
  at.proposed[0]?.responder.fail({ kind: 'overloaded' })
  assert.deepEqual(at.ends, ['w!overloaded'])
})

test('a stop ends everything: what may have happened is called unknown', () => {
  const at = new Hands()
  at.submit('w', true)
  at.router.stop()
  at.submit('late', true)
  assert.deepEqual(at.ends, ['w!stopping', 'late!stopping'])
  const leading = new Hands()
  leading.lead(SELF)
  leading.submit('w', true)
  leading.submit('r', false)
  leading.router.stop()
  assert.deepEqual(leading.ends, ['w!unknown', 'r!stopping'])
})
