import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HandClock } from '../../../test/replica-parts.ts'
import { createTinyMachine, type TinyCommand } from '../../../test/tiny-machine.ts'
import { ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { makeGroupId, makeReplicaId, type ReplicaId } from '../../base/ids.ts'
import { makeTerm } from '../../base/log-entry.ts'
import {
  ProposalStreams,
  REFUSED,
  type SizedCommand,
  type Taken,
} from '../../replica/forwarding/proposal-streams.ts'
import { SentProposals } from '../../replica/forwarding/sent-proposals.ts'
import type { Group } from '../../replica/group.ts'
import type { Failure } from '../../replica/outcome.ts'
import type { OnResponse } from '../../replica/transport/transport.ts'
import type { Operation } from './operation.ts'
import { ProposalSender } from './proposal-sender.ts'

const GROUP = makeGroupId(1)
const SELF = makeReplicaId(2)
const LEADER = makeReplicaId(1)
const ANSWER_TIMEOUT_MS = 1_000
/** More than it takes to look once. */
const POLL_MS = 60

type Request = { readonly bytes: Buffer; readonly onResponse: OnResponse }
type Sender = ProposalSender<TinyCommand, string>

/** A gateway and a leader, and a network that does what the test says. */
class Hands {
  readonly clock = new HandClock()
  readonly requests: Request[] = []
  readonly taken: (string | null)[] = []
  readonly failures: string[] = []
  readonly fallen: true[] = []
  isConnected = true
  refusal: Taken | null = null
  readonly raft = { term: makeTerm(1), leader: LEADER as ReplicaId | null }
  readonly sent = new SentProposals<TinyCommand, string>(SELF, 1)
  readonly #streams = new ProposalStreams()
  readonly #gateway: Sender
  readonly #leader: Sender

  constructor() {
    const group = {
      id: GROUP,
      raft: this.raft,
      sent: this.sent,
      pace: { fellBehind: () => this.fallen.push(true) },
    }
    const leading = {
      raft: { term: 1, leader: LEADER },
      accept: (id: never, first: number, proposals: readonly SizedCommand<TinyCommand>[]) =>
        this.refusal ??
        this.#streams.accept(makeTerm(1), id, first, proposals.length, (at) => {
          const { command } = proposals[at] as SizedCommand<TinyCommand>
          this.taken.push(command === null ? null : keyOf(command))
          return null
        }),
    }
    const common = {
      clock: this.clock,
      codec: { machine: createTinyMachine() },
      incarnation: 1,
      onHeard: () => {},
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
    }
    this.#gateway = new ProposalSender({
      ...common,
      self: SELF,
      transport: {
        isConnected: () => this.isConnected,
        request: (_kind, _to, write, onResponse) => {
          const writer = new ByteWriter()
          write(writer)
          this.requests.push({ bytes: writer.takeBytes(), onResponse })
        },
      },
      localGroup: () => group as unknown as Group<TinyCommand, string>,
    })
    this.#leader = new ProposalSender({
      ...common,
      self: LEADER,
      transport: { isConnected: () => true, request: () => assert.fail('the leader asks nobody') },
      localGroup: () => leading as unknown as Group<TinyCommand, string>,
    })
    this.group = group as unknown as Group<TinyCommand, string>
  }

  readonly group: Group<TinyCommand, string>

  send(...keys: readonly string[]): Operation<TinyCommand, string>[] {
    const operations = keys.map((key) => {
      const operation = {
        command: { kind: 'set', key, value: '' },
        bytes: 10,
        sentTo: LEADER,
        attempt: 1,
        isDone: false,
        reply: () => {},
        failSent: (_attempt: number, { kind }: Failure) => this.failures.push(`${key}: ${kind}`),
      } as unknown as Operation<TinyCommand, string>
      this.#gateway.send(operation, this.group)
      return operation
    })
    this.clock.endTurn()
    return operations
  }

  /** The leader gets the request, and its answer arrives. */
  carry(at: number): void {
    const { bytes, onResponse } = this.requests[at] as Request
    this.#leader.serve(SELF, new ByteReader(bytes), (write) => {
      if (write === null) return onResponse(null)
      const writer = new ByteWriter()
      write(writer)
      onResponse(new ByteReader(writer.takeBytes()))
    })
    this.clock.endTurn()
  }

  pass(ms: number): void {
    for (const endMs = this.clock.monotonic + ms; this.clock.monotonic < endMs; ) {
      this.clock.monotonic += 1
      while (this.clock.runTimer()) this.clock.endTurn()
    }
  }

  lose(at: number): void {
    ;(this.requests[at] as Request).onResponse(null)
    this.clock.endTurn()
  }
}

function keyOf(command: TinyCommand): string {
  assert(command.kind === 'set')
  return command.key
}

test('what is sent in one turn travels together, and is taken once', () => {
  const at = new Hands()
  at.send('a', 'b', 'c')
  assert.equal(at.requests.length, 1)
  at.carry(0)
  at.pass(2 * ANSWER_TIMEOUT_MS)
  assert.deepEqual([at.requests.length, at.taken], [1, ['a', 'b', 'c']])
  assert.equal(at.clock.pendingTimers, 0, 'nothing is left to look at')
})

test('after a broken connection what was not taken goes again, in order, when there is one', () => {
  const at = new Hands()
  at.send('a')
  at.send('b')
  at.carry(0)
  at.isConnected = false
  at.lose(1)
  at.pass(POLL_MS)
  assert.equal(at.requests.length, 2)
  at.send('c')
  at.lose(2)
  at.isConnected = true
  at.pass(POLL_MS)
  at.carry(3)
  assert.deepEqual(at.taken, ['a', 'b', 'c'])
  at.carry(1)
  assert.deepEqual(at.taken, ['a', 'b', 'c'], 'an earlier copy that arrives late does nothing')
})

test('a gap makes it go back at once', () => {
  const at = new Hands()
  at.send('a')
  at.send('b')
  at.carry(1)
  assert.equal(at.requests.length, 3)
  at.carry(2)
  assert.deepEqual(at.taken, ['a', 'b'])
})

test('a leader that says nothing is sent the same again', () => {
  const at = new Hands()
  at.send('a')
  at.pass(ANSWER_TIMEOUT_MS - POLL_MS)
  assert.equal(at.requests.length, 1)
  at.pass(2 * POLL_MS)
  assert.equal(at.requests.length, 2)
  at.carry(1)
  at.carry(0)
  assert.deepEqual(at.taken, ['a'])
})

test('only so many requests are open; what comes meanwhile travels together', () => {
  const at = new Hands()
  const keys = Array.from({ length: 20 }, (_, number) => `k${number}`)
  for (const key of keys) at.send(key)
  assert.equal(at.requests.length, 16)
  at.carry(0)
  assert.equal(at.requests.length, 17)
  for (let request = 1; request < 17; request++) at.carry(request)
  assert.deepEqual(at.taken, keys)
})

test('an answer that comes after the log has told begins nothing anew', () => {
  const at = new Hands()
  at.send('a')
  at.sent.takeMarked(makeTerm(1), [
    { gateway: SELF, incarnation: 1, stream: 1, first: 1, ordinal: 0, count: 1 },
  ])
  at.pass(POLL_MS)
  at.send('b')
  at.carry(0)
  at.send('c')
  assert.equal(at.requests.length, 3, 'each is sent once')
  at.carry(1)
  at.carry(2)
  assert.deepEqual(at.taken, ['a', 'b', 'c'])
})

test('what its client has given up leaves its place empty', () => {
  const at = new Hands()
  const [, second] = at.send('a', 'b', 'c')
  ;(second as { isDone: boolean }).isDone = true
  at.lose(0)
  at.pass(POLL_MS)
  at.carry(1)
  assert.deepEqual(at.taken, ['a', null, 'c'])
})

test('in a later term nothing is sent again, and while nobody leads it waits', () => {
  const at = new Hands()
  at.send('a')
  at.lose(0)
  at.raft.leader = null
  at.pass(10 * POLL_MS)
  assert.equal(at.requests.length, 1)
  at.raft.leader = LEADER
  at.pass(POLL_MS)
  assert.equal(at.requests.length, 2)
  at.lose(1)
  at.raft.term = makeTerm(2)
  at.pass(10 * POLL_MS)
  assert.deepEqual([at.requests.length, at.clock.pendingTimers], [2, 0])
  assert.deepEqual(at.failures, [], 'the log will tell')
})

test('a leader that refuses decides nothing; one that closes the stream does', () => {
  const at = new Hands()
  at.refusal = REFUSED
  at.send('a', 'b')
  at.carry(0)
  assert.deepEqual(at.failures, [])
  at.refusal = { kind: 'taken', next: 2, closedBy: 'behind' }
  at.send('c')
  at.carry(1)
  assert.deepEqual(at.failures, ['b: unhealthy', 'c: unhealthy'])
  assert.equal(at.fallen.length, 1)
  at.refusal = null
  at.send('d')
  at.carry(2)
  assert.deepEqual(at.taken, ['d'], 'in a stream of its own')
})

test('a leader can have taken no more than was sent', () => {
  const at = new Hands()
  at.refusal = { kind: 'taken', next: 3, closedBy: null }
  at.send('a')
  assert.throws(() => at.carry(0), MalformedBytes)
})
