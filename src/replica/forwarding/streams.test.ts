/** Gateway and leader of docs/design/0008-writes-through-followers.md, with everything in between in the test's hands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeReplicaId } from '../../base/ids.ts'
import { makeTerm, type Term } from '../../base/log-entry.ts'
import type { ProposalMark } from './proposal-mark.ts'
import { type ClosedBy, ProposalStreams, type StreamId, type Taken } from './proposal-streams.ts'
import { SentProposals } from './sent-proposals.ts'
import type { Sender, SentStream } from './sent-stream.ts'

const SEED = 20261121
const GATEWAY = makeReplicaId(2)
const LEADER = makeReplicaId(1)
const INCARNATION = 3

type Message = {
  readonly id: StreamId
  readonly first: number
  readonly commands: readonly (string | null)[]
}
type Answer = { readonly stream: SentStream<string, string>; readonly taken: Taken }
type Entry = {
  readonly term: Term
  readonly commands: readonly (string | null)[]
  readonly marks: readonly ProposalMark[]
}

/** One gateway, the leader of the moment, and the log that both see. */
class World {
  readonly sent = new SentProposals<string, string>(GATEWAY, INCARNATION)
  readonly told = new Map<string, string[]>()
  readonly executed: string[] = []
  readonly messages: Message[] = []
  readonly answers: Answer[] = []
  readonly streams: SentStream<string, string>[] = []
  readonly gone = new Set<string>()
  term = makeTerm(1)
  #leaderMemory = new ProposalStreams()
  #pending: { readonly id: StreamId; readonly place: number; readonly command: string }[] = []
  #log: Entry[] = []
  #applied = 0
  #names = 0

  /** The gateway's replica has noticed the leader's term. */
  send(): void {
    const name = `c${++this.#names}`
    const stream = this.sent.streamTo(LEADER, this.term)
    if (this.streams.at(-1) !== stream) this.streams.push(stream)
    const log: string[] = []
    this.told.set(name, log)
    const { gone } = this
    const sender: Sender<string> = {
      get isGone() {
        return gone.has(name) || log.length > 0
      },
      reply: (reply) => log.push(`did ${reply}`),
      fail: ({ kind }) => log.push(kind),
    }
    stream.add(name, 1, sender)
  }

  /** Everything that was not taken, from some place on. */
  transmit(at: number, skip: number, count: number): void {
    const stream = this.streams[at % this.streams.length]
    if (stream === undefined) return
    const all = stream.notTaken(stream.taken + skip, count, 1_000)
    const [first] = all
    if (first === undefined) return
    this.messages.push({
      id: { gateway: GATEWAY, incarnation: INCARNATION, term: stream.term, stream: stream.number },
      first: first.place,
      commands: all.map(({ command, sender }) => (sender.isGone ? null : command)),
    })
  }

  /** A message arrives, perhaps again, perhaps after later ones. */
  arrive(at: number, isFull: boolean): void {
    const message = this.messages[at % this.messages.length]
    if (message === undefined) return
    const { id, first, commands } = message
    const taken = this.#leaderMemory.accept(
      this.term,
      id,
      first,
      commands.length,
      (ordinal): ClosedBy | null => {
        if (isFull) return 'overloaded'
        const command = commands[ordinal] ?? null
        if (command !== null) this.#pending.push({ id, place: first + ordinal, command })
        return null
      },
    )
    const stream = this.streams.find(({ number }) => number === id.stream)
    assert(stream !== undefined)
    this.answers.push({ stream, taken })
  }

  answer(at: number): void {
    const answer = this.answers[at % this.answers.length]
    if (answer === undefined || answer.taken.kind === 'refused') return
    const { next, closedBy } = answer.taken
    this.sent.onTaken(answer.stream, next, closedBy === null ? null : { kind: 'overloaded' })
  }

  append(): void {
    if (this.#pending.length === 0) return
    const marks = this.#pending.map(({ id, place }, ordinal) => {
      const { gateway, incarnation, stream } = id
      return { gateway, incarnation, stream, first: place, ordinal, count: 1 }
    })
    this.#log.push({ term: this.term, commands: this.#pending.map(({ command }) => command), marks })
    this.#pending = []
  }

  apply(): void {
    const entry = this.#log[this.#applied]
    if (entry === undefined) return
    this.#applied += 1
    this.sent.reachedTerm(entry.term)
    const waiters = this.sent.takeMarked(entry.term, entry.marks)
    for (const [ordinal, command] of entry.commands.entries()) {
      this.executed.push(command as string)
      waiters?.onReply(ordinal, command as string)
    }
  }

  /** Another leader: what was pending is dropped, what was not applied is perhaps lost, as a suffix. */
  elect(keep: number): void {
    this.#pending = []
    // Perhaps the same process leads again.
    if (keep % 2 === 0) this.#leaderMemory = new ProposalStreams()
    const open = this.#log.length - this.#applied
    this.#log = this.#log.slice(0, this.#applied + (keep % (open + 1)))
    this.term = makeTerm(this.term + 1)
    this.#log.push({ term: this.term, commands: [], marks: [] })
  }

  /** The leader's log fails before it has appended what it took, and goes on. */
  drop(): void {
    this.#pending = []
  }

  giveUp(at: number): void {
    const names = [...this.told.keys()]
    const name = names[at % names.length]
    if (name !== undefined) this.gone.add(name)
  }

  /** All there is to do, until nothing is open any more. */
  settle(): void {
    this.elect(1_000)
    while (this.#applied < this.#log.length) this.apply()
  }
}

const nat = fc.nat({ max: 50 })
const action: fc.Arbitrary<(world: World) => void> = fc.oneof(
  { weight: 6, arbitrary: fc.constant((world: World) => world.send()) },
  {
    weight: 6,
    arbitrary: fc.tuple(nat, fc.nat({ max: 2 }), fc.integer({ min: 1, max: 4 })).map(
      ([at, skip, count]) =>
        (world: World) =>
          world.transmit(at, skip, count),
    ),
  },
  { weight: 8, arbitrary: nat.map((at) => (world: World) => world.arrive(at, false)) },
  { weight: 1, arbitrary: nat.map((at) => (world: World) => world.arrive(at, true)) },
  { weight: 4, arbitrary: nat.map((at) => (world: World) => world.answer(at)) },
  { weight: 5, arbitrary: fc.constant((world: World) => world.append()) },
  { weight: 5, arbitrary: fc.constant((world: World) => world.apply()) },
  { weight: 1, arbitrary: nat.map((keep) => (world: World) => world.elect(keep)) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.drop()) },
  { weight: 1, arbitrary: nat.map((at) => (world: World) => world.giveUp(at)) },
)

/** Whatever is lost, repeated, late, or forgotten: exactly what was told is what happened. */
test('every command is executed at most once, in order, and its sender hears what became of it', () => {
  const kinds = new Set<string>()
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 150, size: 'max' }), (actions) => {
      const world = new World()
      for (const act of actions) act(world)
      world.settle()
      assert.equal(new Set(world.executed).size, world.executed.length, 'none is executed twice')
      for (const [name, told] of world.told) {
        assert.equal(told.length, 1, `${name} is answered once: ${told.join()}`)
        const [outcome] = told as [string]
        kinds.add(outcome.split(' ')[0] as string)
        const isExecuted = world.executed.includes(name)
        if (outcome.startsWith('did')) assert.equal(outcome, `did ${name}`)
        // Unknown is told only of what a leader dropped, or of what was given up.
        if (outcome.startsWith('did')) assert.ok(isExecuted)
        else assert.ok(!isExecuted, `${name} was told ${outcome}`)
      }
      const numbers = world.executed.map((name) => Number(name.slice(1)))
      assert.deepEqual(
        numbers,
        [...numbers].sort((left, right) => left - right),
        'in order',
      )
    }),
    { seed: SEED, numRuns: 3_000 },
  )
  assert.deepEqual([...kinds].sort(), ['did', 'notCommitted', 'overloaded', 'unknown'], 'all of it was met')
})

test('a snapshot leaves open only what it may have', () => {
  const world = new World()
  world.send()
  world.term = makeTerm(2)
  world.send()
  world.sent.skipTo(makeTerm(1))
  assert.deepEqual([...world.told.values()], [['unknown'], []])
})

test('the memory of a stream is of one term: a leader that was one before refuses what it knew', () => {
  const streams = new ProposalStreams()
  const id = { gateway: GATEWAY, incarnation: 1, term: 1, stream: 1 }
  const take = (): null => null
  const next = (term: number, one: StreamId, first = 1) => {
    const taken = streams.accept(makeTerm(term), one, first, 1, take)
    return taken.kind === 'taken' ? taken.next : 'refused'
  }
  assert.equal(next(1, id), 2)
  assert.equal(next(2, id), 'refused')
  assert.equal(next(2, { ...id, term: 2, stream: 2 }), 2)
  assert.equal(next(2, { ...id, term: 2, stream: 1 }), 'refused', 'an earlier stream is over')
  assert.equal(next(2, { ...id, term: 2, stream: 2 }, 3), 2, 'a gap is not jumped over')
  assert.equal(next(2, { ...id, term: 2, incarnation: 2 }), 2, 'another process begins anew')
  assert.equal(next(2, { ...id, term: 2, stream: 9 }), 'refused', 'and ends what the one before sent')
})

test('marks of an earlier process, and of another gateway, are nobody here', () => {
  const world = new World()
  world.send()
  const mark = { gateway: GATEWAY, incarnation: INCARNATION, stream: 1, first: 1, ordinal: 0, count: 1 }
  const take = (change: Partial<ProposalMark>) => world.sent.takeMarked(world.term, [{ ...mark, ...change }])
  assert.equal(take({ incarnation: INCARNATION - 1 }), null)
  assert.equal(take({ gateway: LEADER }), null)
  assert.equal(take({ stream: 0 }), null)
  assert.deepEqual([...world.told.values()], [[]])
  take({})?.onReply(0, 'c1')
  assert.deepEqual([...world.told.values()], [['did c1']])
})
