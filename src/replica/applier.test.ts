import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createGatedEngine, settled } from '../../test/gated-engine.ts'
import { createMachineHost } from '../../test/machine-host.ts'
import { commandEntry, freshStore, HandClock, rawEntry } from '../../test/replica-parts.ts'
import { createTinyMachine, type TinyCommand } from '../../test/tiny-machine.ts'
import { StateHash } from '../base/hash64.ts'
import { type Entry, EntryKind, makeLogIndex, makeTerm } from '../base/log-entry.ts'
import { type Engine, EngineFault } from '../env/engine.ts'
import { createMemoryEngineStore } from '../storage/memory-engine.ts'
import { Applier, type LocalEntry } from './applier.ts'
import { commandSeed, encodePayload } from './entry-payload.ts'
import { NO_MARKS } from './forwarding/proposal-mark.ts'
import type { StateStore } from './state/state-store.ts'
import { StoredHash } from './state/stored-hash.ts'

const SEED = 20260105
const machine = createTinyMachine()

type Local = LocalEntry<TinyCommand, string>

function makeWorld(engine: Engine, limits: Parameters<typeof freshStore>[1] = {}) {
  const world = {
    clock: new HandClock(),
    applied: [] as number[],
    checks: [] as [number, string][],
    failures: [] as unknown[],
    locals: new Map<number, Local>(),
    store: null as unknown as StateStore,
    applier: null as unknown as Applier<TinyCommand, string>,
    replies: [] as string[],
    /** As if this replica had proposed the entry. */
    propose(index: number, commands: readonly TinyCommand[], timeMs = index * 10): Entry {
      world.locals.set(index, {
        payload: { kind: 'commands', timeMs, seed: index, commands, marks: NO_MARKS },
        onReply: (ordinal, reply) => world.replies.push(`${index}.${ordinal}: ${reply}`),
        onAbandoned: (ordinal) => world.replies.push(`${index}.${ordinal}…: abandoned`),
      })
      return commandEntry(index, commands, timeMs)
    },
  }
  world.store = freshStore(engine, limits, {
    onFlushed: () => world.applier.run(),
    onFailure: (error) => world.failures.push(error),
  })
  world.applier = new Applier(machine, world.store, world.clock, {
    takeLocal: ({ index }) => world.locals.get(index) ?? null,
    takeMarked: () => null,
    onApplied: (index) => world.applied.push(index),
    onCheck: (index, digest) => world.checks.push([index, digest]),
    onFailure: (error) => world.failures.push(error),
  })
  return world
}

async function openEngine(): Promise<Engine> {
  return createMemoryEngineStore().open('e')
}

const key = fc.constantFrom('a', 'b', 'ab', 'c')
const command: fc.Arbitrary<TinyCommand> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: fc.constantFrom('a', 'b', 'x', '') }),
  fc.record({ kind: fc.constant('append' as const), key, value: fc.constant('+') }),
  fc.record({ kind: fc.constantFrom('get' as const, 'delete' as const), key }),
  fc.record({ kind: fc.constant('follow' as const), key, value: fc.constantFrom('a', 'b') }),
  fc.record({
    kind: fc.constantFrom('list' as const, 'drop' as const),
    prefix: fc.constantFrom('a', 'b'),
    limit: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constantFrom('count' as const, 'time' as const) }),
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), key, value: fc.constant('c') }) },
)
const log = fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 15 })

/**
 * The machine contract, proved with a machine that reads cold data: whatever is in memory and however
 * slow the engine is, replies and state are those of a machine that has everything at hand.
 */
test('cold data, fetched in rounds, gives the same replies and state as hot data', async () => {
  await fc.assert(
    fc.asyncProperty(log, fc.boolean(), async (entries, isLate) => {
      const model = createMachineHost(machine)
      const gated = createGatedEngine(await openEngine(), false)
      gated.isLate = isLate
      // No cache, and a flush after every record: hardly anything is ever in memory.
      const world = makeWorld(gated.engine, { cacheBytes: 0, flushRecords: 1 })
      const expected: string[] = []
      entries.forEach((commands, at) => {
        const index = at + 1
        world.applier.enqueue([world.propose(index, commands)])
        commands.forEach((one, ordinal) => {
          const context = { timeMs: index * 10, seed: commandSeed(index, ordinal), machineVersion: 1 }
          expected.push(`${index}.${ordinal}: ${model.execute(one, context).reply}`)
        })
      })
      for (let step = 0; step < 2000 && world.applied.length < entries.length; step++) await gated.release()
      assert.deepEqual(world.failures, [])
      assert.deepEqual(world.replies, expected)
      assert.equal(world.store.digest(), digestOf(model.records()))
    }),
    { seed: SEED, numRuns: 120 },
  )
})

function digestOf(records: readonly { readonly key: string; readonly value: string }[]): string {
  const hash = new StateHash()
  for (const record of records) hash.add(machine.partitionOf(record.key), record.key, record.value)
  return hash.digest()
}

test('a follower, which has only the bytes, reaches the state of the proposer', async () => {
  const commands: TinyCommand[] = [
    { kind: 'append', key: 'a', value: '1' },
    { kind: 'count' },
    { kind: 'append', key: 'a', value: '2' },
  ]
  const leader = makeWorld(await openEngine())
  const follower = makeWorld(await openEngine())
  leader.applier.enqueue([leader.propose(1, commands)])
  follower.applier.enqueue([commandEntry(1, commands)])
  await settled()
  assert.deepEqual(leader.replies, ['1.0: 1', '1.1: 1', '1.2: 12'])
  assert.equal(follower.store.digest(), leader.store.digest())
  assert.deepEqual(follower.replies, [])
})

test('while an entry waits for data nothing else is applied, and reads see no half of a command', async () => {
  const gated = createGatedEngine(await openEngine(), false)
  const world = makeWorld(gated.engine)
  world.applier.enqueue([
    world.propose(1, [{ kind: 'append', key: 'a', value: '1' }]),
    world.propose(2, [{ kind: 'append', key: 'a', value: '2' }]),
  ])
  await settled()
  assert.deepEqual(world.replies, [])
  assert.equal(world.applier.queuedEntries, 2)
  await gated.releaseAll()
  assert.deepEqual(world.replies, ['1.0: 1', '2.0: 12'])
  assert.equal(world.applier.queuedEntries, 0)
})

test('gives way to other events after a slice, and goes on where it was', async () => {
  const world = makeWorld(await openEngine(), { flushRecords: 10_000 })
  world.clock.stepMs = 5
  const commands: TinyCommand[] = Array.from({ length: 100 }, () => ({ kind: 'time' as const }))
  world.applier.enqueue([world.propose(1, commands), world.propose(2, commands)])
  assert.equal(world.replies.length, 32)
  let slices = 1
  while (world.clock.runTimer()) slices += 1
  assert.equal(world.replies.length, 200)
  assert.equal(slices, 7)
  assert.deepEqual(world.applied, [1, 2])
})

test('a command that writes much has a slice of its own', async () => {
  const world = makeWorld(await openEngine(), { flushRecords: 10_000 })
  const many: TinyCommand[] = Array.from({ length: 300 }, (_, at) => ({
    kind: 'set' as const,
    key: `k${at}`,
    value: 'v',
  }))
  world.applier.enqueue([world.propose(1, many)])
  for (let turn = 0; turn < 100; turn++) {
    await settled()
    world.clock.runTimer()
  }
  assert.equal(world.replies.length, 300)
  world.clock.stepMs = 5
  const drop = { kind: 'drop' as const, prefix: 'k', limit: 400 }
  world.applier.enqueue([world.propose(2, [drop, { kind: 'time' }, { kind: 'time' }])])
  await settled()
  await settled()
  assert.equal(world.replies.length, 301, 'the loop is given away behind it')
  world.clock.runTimer()
  assert.equal(world.replies.length, 303)
})

test('logical time never runs backwards, whatever a new leader stamped', async () => {
  const world = makeWorld(await openEngine())
  world.applier.enqueue([
    world.propose(1, [{ kind: 'time' }], 500),
    world.propose(2, [{ kind: 'time' }], 300),
  ])
  assert.deepEqual(
    world.replies.map((reply) => reply.split(' ')[1]),
    ['500', '500'],
  )
  assert.equal(world.store.applied.timeMs, 500)
})

test('entries without commands move the index, a check tells the digest after it, a version is in force from then on', async () => {
  const world = makeWorld(await openEngine())
  const membership = Uint8Array.of(7, 7)
  const check = encodePayload(machine, { kind: 'check', timeMs: 20 })
  const version = encodePayload(machine, { kind: 'version', timeMs: 30, machineVersion: 1 })
  world.applier.enqueue([
    rawEntry(1, EntryKind.empty, new Uint8Array(0)),
    world.propose(2, [{ kind: 'set', key: 'a', value: '1' }]),
    rawEntry(3, EntryKind.command, check),
    rawEntry(4, EntryKind.membership, membership),
    rawEntry(5, EntryKind.command, version),
  ])
  // The first write of a key needs its old value.
  await settled()
  assert.deepEqual(world.failures, [])
  assert.deepEqual(world.applied, [1, 2, 3, 4, 5])
  assert.deepEqual(world.checks, [[3, digestOf([{ key: 'a', value: '1' }])]])
  assert.deepEqual([...world.store.applied.membership], [7, 7])
})

test('an entry that this program does not understand stops the replica; it is not skipped', async () => {
  const world = makeWorld(await openEngine())
  world.applier.enqueue([rawEntry(1, EntryKind.command, Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0, 0))])
  world.applier.enqueue([commandEntry(2, [{ kind: 'set', key: 'a', value: '1' }])])
  await settled()
  assert.match(String(world.failures[0]), /unknown payload kind 99/)
  assert.equal(world.failures.length, 1)
  assert.deepEqual(world.applied, [])
  assert.equal(world.store.applied.position.index, 0)
})

test('a machine version of which this program knows nothing stops the replica', async () => {
  const world = makeWorld(await openEngine())
  const version = encodePayload(machine, { kind: 'version', timeMs: 30, machineVersion: 2 })
  world.applier.enqueue([rawEntry(1, EntryKind.command, version)])
  assert.match(String(world.failures[0]), /runs machine version 1, the group 2/)
})

test('a machine that throws stops the replica, and whoever waits for the rest of the entry is told', async () => {
  const world = makeWorld(await openEngine())
  world.applier.enqueue([world.propose(1, [{ kind: 'time' }, { kind: 'throw' }, { kind: 'time' }])])
  assert.match(String(world.failures[0]), /always throws/)
  assert.deepEqual(world.replies.slice(1), ['1.1…: abandoned'])
})

test("an engine that fails stops the replica; a local failure is nobody's reply", async () => {
  const fault = new EngineFault('io', 'e', 'EIO')
  const engines = createMemoryEngineStore({ faultFor: (call) => (call === 'getMany' ? fault : null) })
  const world = makeWorld(await engines.open('e'))
  world.applier.enqueue([world.propose(1, [{ kind: 'append', key: 'a', value: '1' }])])
  await settled()
  assert.deepEqual(world.failures, [fault])
  assert.deepEqual(world.replies, ['1.0…: abandoned'])
})

test('stopped while it waits for data: told once, and the answer that comes later changes nothing', async () => {
  const gated = createGatedEngine(await openEngine(), false)
  const world = makeWorld(gated.engine)
  world.applier.enqueue([world.propose(1, [{ kind: 'time' }, { kind: 'append', key: 'a', value: '1' }])])
  world.applier.stop()
  await gated.releaseAll()
  assert.deepEqual(world.replies.slice(1), ['1.1…: abandoned'])
  assert.deepEqual(world.applied, [])
  assert.deepEqual(world.failures, [])
})

test('a snapshot in the middle of an entry: the rest is abandoned, and applying goes on behind it', async () => {
  const gated = createGatedEngine(await openEngine(), true)
  const world = makeWorld(gated.engine)
  const epoch = world.store.allocateEpoch()
  gated.isOpen = false
  world.applier.enqueue([
    world.propose(1, [{ kind: 'time' }, { kind: 'append', key: 'a', value: '1' }]),
    world.propose(2, [{ kind: 'time' }]),
  ])
  world.applier.pause()
  const position = { term: makeTerm(1), index: makeLogIndex(7) }
  const applied = { ...world.store.applied, position, epochs: { data: epoch, meta: epoch } }
  const installing = world.store.install(applied, new StoredHash())
  await gated.releaseAll()
  await installing
  world.applier.enqueue([world.propose(8, [{ kind: 'append', key: 'a', value: '8' }])])
  assert.deepEqual(world.applied, [], 'not before it is told')
  world.applier.resume()
  await settled()
  assert.deepEqual(world.failures, [])
  assert.deepEqual(world.applied, [8])
  assert.deepEqual(world.replies.slice(1), ['1.1…: abandoned', '8.0: 8'])
})

test('applies no more than the store takes, and goes on when there is room', async () => {
  const gated = createGatedEngine(await openEngine(), true)
  const world = makeWorld(gated.engine, { flushRecords: 2 })
  await world.store.fetch(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'], [])
  gated.isOpen = false
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  world.applier.enqueue(
    names.map((name, at) => world.propose(at + 1, [{ kind: 'set', key: name, value: 'v' }])),
  )
  assert.deepEqual(world.applied, [1, 2, 3, 4, 5, 6])
  await gated.releaseAll()
  assert.deepEqual(world.applied, [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('of the checks of a long log only the newest is computed, and of very many one in a hundred', async () => {
  const check = encodePayload(machine, { kind: 'check', timeMs: 20 })
  const checksAt = (from: number, to: number): Entry[] =>
    Array.from({ length: to - from + 1 }, (_, at) => rawEntry(from + at, EntryKind.command, check))
  const world = makeWorld(await openEngine())
  world.applier.enqueue(checksAt(1, 5))
  assert.deepEqual(
    world.checks.map(([index]) => index),
    [5],
  )
  // One by one, as in operation: every one counts.
  for (let index = 6; index <= 8; index++) world.applier.enqueue(checksAt(index, index))
  assert.deepEqual(
    world.checks.map(([index]) => index),
    [5, 6, 7, 8],
  )
  world.applier.enqueue(checksAt(9, 260))
  assert.deepEqual(
    world.checks.map(([index]) => index),
    [5, 6, 7, 8, 109, 210, 260],
  )
  assert.equal(world.applied.length, 260)
})
