import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeRaft } from '../../test/fake-raft.ts'
import { createTinyMachine, type TinyCommand } from '../../test/tiny-machine.ts'
import { makeReplicaId } from '../base/ids.ts'
import { type LogPosition, makeLogIndex, makeTerm } from '../base/log-entry.ts'
import type { ProposeResult } from '../raft/raft.ts'
import { decodePayload } from './entry-payload.ts'
import type { Responder } from './outcome.ts'
import { Proposer, type ProposerLimits } from './proposer.ts'

const LIMITS: ProposerLimits = {
  entryCommandsMax: 3,
  entryBytesMax: 100,
  pendingCommandsMax: 10,
  pendingBytesMax: 1_000,
}
const machine = createTinyMachine()

/** A log that takes what it is given, until the test says otherwise. */
function makeWorld(limits = LIMITS) {
  const outcomes: string[] = []
  const world = {
    term: 1,
    lastIndex: 0,
    refusal: null as ProposeResult | null,
    wallMs: 1000,
    appliedTimeMs: 0,
    payloads: [] as Uint8Array[],
    outcomes,
    proposer: null as unknown as Proposer<TinyCommand, string>,
    add(name: string, bytes = 10): boolean {
      return world.proposer.add({ kind: 'set', key: name, value: '' }, bytes, responder(name))
    },
    /** Applies the entry at this position, if it is known here answers its commands. */
    apply(index: number, term: number): void {
      const local = world.proposer.takeLocal(at(index, term))
      if (local === null || local.payload.kind !== 'commands') return
      local.payload.commands.forEach((command, ordinal) => {
        local.onReply(ordinal, `did ${command.kind === 'set' ? command.key : '?'}`)
      })
    },
  }
  const responder = (name: string): Responder<string> => ({
    reply: (reply) => outcomes.push(`${name}: ${reply}`),
    fail: (failure) => outcomes.push(`${name}: ${failure.kind}`),
  })
  const raft = fakeRaft({
    get term() {
      return makeTerm(world.term)
    },
    propose(payload) {
      if (world.refusal !== null) return world.refusal
      world.payloads.push(payload)
      world.lastIndex += 1
      return { kind: 'accepted', position: at(world.lastIndex, world.term) }
    },
  })
  const clock = { wallMs: () => world.wallMs, monotonicMs: () => 0, setTimer: fail, endOfTurn: fail }
  let seed = 0
  world.proposer = new Proposer(
    raft,
    machine,
    { clock, random: { next: () => 0.5, u32: () => ++seed } },
    limits,
    () => world.appliedTimeMs,
  )
  return world
}

function fail(): never {
  throw new Error('not expected')
}

function at(index: number, term: number): LogPosition {
  return { index: makeLogIndex(index), term: makeTerm(term) }
}

test('what is proposed in one turn travels in one entry, and each command gets its own reply', () => {
  const world = makeWorld()
  for (const name of ['a', 'b', 'c']) world.add(name)
  world.proposer.proposePending()
  assert.equal(world.payloads.length, 1)
  assert.equal(world.proposer.pendingCommands, 0)
  world.apply(1, 1)
  assert.deepEqual(world.outcomes, ['a: did a', 'b: did b', 'c: did c'])
  assert.equal(world.proposer.inflightEntries, 0)
})

test('entries are cut by commands and by bytes; a command larger than an entry travels alone', () => {
  const world = makeWorld()
  const sizes: [string, number][] = [
    ['a', 10],
    ['b', 10],
    ['c', 10],
    ['d', 10],
    ['big', 500],
    ['e', 60],
    ['f', 60],
  ]
  for (const [name, bytes] of sizes) world.add(name, bytes)
  world.proposer.proposePending()
  const keys = world.payloads.map((payload) => {
    const decoded = decodePayload(machine, payload)
    return decoded.kind === 'commands'
      ? decoded.commands.map((command) => (command as { key: string }).key)
      : []
  })
  assert.deepEqual(keys, [['a', 'b', 'c'], ['d'], ['big'], ['e'], ['f']])
})

test('more than may wait is refused', () => {
  const world = makeWorld()
  world.refusal = { kind: 'refused', reason: 'uncommittedLimit' }
  for (let count = 0; count < 10; count++) assert.equal(world.add(`k${count}`), true)
  assert.equal(world.add('one too many'), false)
})

test('what the log does not take now stays, in order, and goes when it does', () => {
  const world = makeWorld()
  for (const name of ['a', 'b', 'c', 'd']) world.add(name)
  world.refusal = { kind: 'refused', reason: 'transferring' }
  world.proposer.proposePending()
  assert.equal(world.proposer.pendingCommands, 4)
  world.add('e')
  world.refusal = null
  world.proposer.proposePending()
  world.apply(1, 1)
  world.apply(2, 1)
  assert.deepEqual(
    world.outcomes,
    ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}: did ${name}`),
  )
})

test('without leadership nothing was done, and the caller learns who leads', () => {
  const world = makeWorld()
  world.add('a')
  world.refusal = { kind: 'notLeader', leader: makeReplicaId(2) }
  world.proposer.proposePending()
  assert.deepEqual(world.outcomes, ['a: notLeader'])
})

test("another leader's entry in its place: it was not done", () => {
  const world = makeWorld()
  world.add('a')
  world.proposer.proposePending()
  world.apply(1, 2)
  assert.deepEqual(world.outcomes, ['a: notCommitted'])
})

test('an entry of a later term ends everything of earlier terms, also what stood behind it', () => {
  const world = makeWorld()
  for (const name of ['a', 'b', 'c']) {
    world.add(name)
    world.proposer.proposePending()
  }
  world.apply(1, 1)
  // The new leader's log ends at index 2 and stays quiet: 3 will not be applied for a long time.
  world.apply(2, 2)
  assert.deepEqual(world.outcomes, ['a: did a', 'b: notCommitted', 'c: notCommitted'])
})

test('leading again over a shorter log: the old entries wait, and end when theirs is decided', () => {
  const world = makeWorld()
  for (const name of ['old 1', 'old 2', 'old 3']) {
    world.add(name)
    world.proposer.proposePending()
  }
  world.term = 4
  world.lastIndex = 0
  for (const name of ['new 1', 'new 2']) {
    world.add(name)
    world.proposer.proposePending()
  }
  assert.deepEqual(world.outcomes, [])
  assert.equal(world.proposer.inflightEntries, 5)
  world.apply(1, 4)
  world.apply(2, 4)
  assert.deepEqual(world.outcomes, [
    'old 3: notCommitted',
    'old 2: notCommitted',
    'old 1: notCommitted',
    'new 1: did new 1',
    'new 2: did new 2',
  ])
  assert.equal(world.proposer.inflightEntries, 0)
})

test('a displaced entry that another leader brings back is answered by its replies (Raft, figure 8)', () => {
  const world = makeWorld()
  for (const name of ['old 1', 'old 2']) {
    world.add(name)
    world.proposer.proposePending()
  }
  world.term = 3
  world.lastIndex = 0
  world.add('new 1')
  world.proposer.proposePending()
  // A leader of term 5 still had the entries of term 1.
  world.apply(1, 1)
  world.apply(2, 1)
  world.apply(3, 5)
  assert.deepEqual(world.outcomes, ['new 1: notCommitted', 'old 1: did old 1', 'old 2: did old 2'])
})

test('entries of others between its own are none of its business', () => {
  const world = makeWorld()
  world.lastIndex = 4
  world.add('a')
  world.proposer.proposePending()
  for (let index = 1; index <= 4; index++) world.apply(index, 1)
  assert.deepEqual(world.outcomes, [])
  world.apply(5, 1)
  assert.deepEqual(world.outcomes, ['a: did a'])
})

test('a snapshot that covers entries leaves their fate unknown; later ones go on', () => {
  const world = makeWorld()
  for (const name of ['a', 'b', 'c']) {
    world.add(name)
    world.proposer.proposePending()
  }
  world.proposer.skipTo(makeLogIndex(2))
  assert.deepEqual(world.outcomes, ['a: unknown', 'b: unknown'])
  world.apply(3, 1)
  assert.deepEqual(world.outcomes.slice(2), ['c: did c'])
})

test('an entry that is given up half way tells those it did not come to', () => {
  const world = makeWorld()
  for (const name of ['a', 'b', 'c']) world.add(name)
  world.proposer.proposePending()
  const local = world.proposer.takeLocal(at(1, 1))
  local?.onReply(0, 'done')
  local?.onAbandoned(1)
  assert.deepEqual(world.outcomes, ['a: done', 'b: unknown', 'c: unknown'])
})

test('everybody is told when the replica stops: what was not logged, and what was', () => {
  const world = makeWorld({ ...LIMITS, entryCommandsMax: 1 })
  for (const name of ['a', 'b']) world.add(name)
  world.proposer.proposePending()
  world.term = 2
  world.lastIndex = 0
  world.add('c')
  world.proposer.proposePending()
  world.add('d')
  world.proposer.failPending({ kind: 'unhealthy', reason: 'stopping' })
  world.proposer.failInflight({ kind: 'unknown' })
  assert.deepEqual(world.outcomes.sort(), ['a: unknown', 'b: unknown', 'c: unknown', 'd: unhealthy'])
  assert.equal(world.proposer.inflightEntries, 0)
})

test('stamps never run backwards: not with the clock, not behind what is applied', () => {
  const world = makeWorld()
  const stamps = (): number[] => world.payloads.map((payload) => decodePayload(machine, payload).timeMs)
  world.proposer.proposeQuietly('check')
  world.wallMs = 500
  world.proposer.proposeQuietly({ machineVersion: 2 })
  world.appliedTimeMs = 2000
  world.add('a')
  world.proposer.proposePending()
  world.wallMs = 3000
  world.proposer.proposeQuietly('check')
  assert.deepEqual(stamps(), [1000, 1000, 2000, 3000])
})

test('what another node sent for one term is not appended in a later one, and is marked when it is', () => {
  const world = makeWorld()
  const add = (key: string, term: number, place: number) => {
    const from = { gateway: makeReplicaId(2), incarnation: 5, term, stream: term }
    assert.ok(world.proposer.addForeign({ kind: 'set', key, value: '' }, 10, from, place))
  }
  const refused: ProposeResult = { kind: 'refused', reason: 'transferring' }
  const appended = () => {
    world.proposer.proposePending()
    return world.payloads.splice(0).map((bytes) => {
      const payload = decodePayload(machine, bytes)
      assert.ok(payload.kind === 'commands')
      const keys = payload.commands.map((command) => (command.kind === 'set' ? command.key : null))
      return { keys, marks: payload.marks }
    })
  }
  const mark = { gateway: 2, incarnation: 5 }
  world.refusal = refused
  add('a', 1, 1)
  world.add('own')
  assert.deepEqual(appended(), [])
  world.refusal = null
  world.term = 2
  assert.deepEqual(appended(), [{ keys: ['own'], marks: [] }])
  world.refusal = refused
  add('b', 2, 7)
  add('c', 2, 8)
  assert.deepEqual(appended(), [])
  world.term = 3
  world.add('other')
  add('d', 3, 1)
  add('e', 3, 2)
  world.refusal = null
  assert.deepEqual(appended(), [
    {
      keys: ['other', 'd', 'e'],
      marks: [
        { ...mark, stream: 3, first: 1, ordinal: 1, count: 1 },
        { ...mark, stream: 3, first: 2, ordinal: 2, count: 1 },
      ],
    },
  ])
})

test('what waits is bounded in bytes too; one command always fits', () => {
  const world = makeWorld({ ...LIMITS, pendingBytesMax: 100 })
  assert.ok(world.add('huge', 1_000))
  assert.ok(!world.add('more', 1))
  world.proposer.proposePending()
  assert.ok(world.add('a', 60))
  assert.ok(world.add('b', 40))
  assert.ok(!world.add('c', 1))
  world.proposer.failPending({ kind: 'overloaded' })
  assert.ok(world.add('d', 100))
})
