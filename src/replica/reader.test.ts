import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeRaft } from '../../test/fake-raft.ts'
import { createGatedEngine, settled } from '../../test/gated-engine.ts'
import { freshStore, HandClock, recordingLogger } from '../../test/replica-parts.ts'
import { createTinyMachine, partitionOf, type TinyCommand } from '../../test/tiny-machine.ts'
import { makeReplicaId } from '../base/ids.ts'
import { makeLogIndex, makeTerm } from '../base/log-entry.ts'
import { type Engine, EngineFault } from '../env/engine.ts'
import { createMemoryEngineStore } from '../storage/memory-engine.ts'
import { Reader } from './reader.ts'
import type { StateStore } from './state/state-store.ts'

const machine = createTinyMachine()

function makeWorld(engine: Engine, readsMax = 1_000) {
  const world = {
    asked: [] as number[],
    canAsk: true,
    needTimes: 0,
    failures: [] as unknown[],
    lines: [] as string[],
    outcomes: [] as string[],
    clock: new HandClock(),
    store: freshStore(engine),
    reader: null as unknown as Reader<TinyCommand, string>,
    read(name: string, command: TinyCommand = { kind: 'get', key: 'a' }): boolean {
      return world.reader.add(command, {
        reply: (reply) => world.outcomes.push(`${name}: ${reply}`),
        fail: (failure) => world.outcomes.push(`${name}: ${failure.kind}`),
      })
    },
  }
  const raft = fakeRaft({
    leader: makeReplicaId(2),
    readIndex(context) {
      if (world.canAsk) world.asked.push(context)
      return world.canAsk
    },
  })
  const readerWorld = { clock: world.clock, logger: recordingLogger(world.lines) }
  world.reader = new Reader(raft, machine, world.store, readerWorld, readsMax, {
    onFailure: (error) => world.failures.push(error),
    onNeedTime: () => {
      world.needTimes += 1
    },
  })
  return world
}

async function openEngine(): Promise<Engine> {
  return createMemoryEngineStore().open('e')
}

async function apply(store: StateStore, value: string | null, timeMs: number): Promise<void> {
  const { index } = store.applied.position
  const fetched = await store.fetch(['a'], [])
  const writes = value === null ? [] : [{ partition: partitionOf('a'), key: 'a', value }]
  store.write(writes, false, fetched, timeMs)
  store.finishEntry({ term: makeTerm(1), index: makeLogIndex(index + 1) }, timeMs, 1, Uint8Array.of(1))
}

test('the reads of a turn share a round, and one round is asked for at a time', async () => {
  const world = makeWorld(await openEngine())
  await apply(world.store, 'v', 1)
  for (const name of ['1', '2', '3']) world.read(name)
  world.reader.askRound()
  world.read('4')
  world.reader.askRound()
  assert.deepEqual(world.asked, [1])
  world.reader.settleRound(1, makeLogIndex(1))
  assert.deepEqual(world.outcomes, ['1: v', '2: v', '3: v'])
  assert.deepEqual(world.asked, [1, 2], 'what waited goes next')
  world.reader.settleRound(2, makeLogIndex(1))
  assert.equal(world.outcomes.at(-1), '4: v')
  assert.equal(world.reader.openReads, 0)
})

test('a granted read waits until its index is applied, and sees what is applied then', async () => {
  const world = makeWorld(await openEngine())
  await apply(world.store, 'old', 1)
  world.read('r')
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(3))
  await apply(world.store, 'newer', 2)
  world.reader.runGranted()
  assert.deepEqual(world.outcomes, [])
  await apply(world.store, 'newest', 3)
  world.reader.runGranted()
  assert.deepEqual(world.outcomes, ['r: newest'])
})

test('rounds that wait run in the order they were granted', async () => {
  const world = makeWorld(await openEngine())
  world.read('first')
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(1))
  world.read('second')
  world.reader.askRound()
  world.reader.settleRound(2, makeLogIndex(1))
  await apply(world.store, 'v', 1)
  world.reader.runGranted()
  assert.deepEqual(world.outcomes, ['first: v', 'second: v'])
})

test('no leader, a dropped round, an answer to a round given up: all are told at once, none twice', async () => {
  const world = makeWorld(await openEngine())
  world.canAsk = false
  world.read('nobody to ask')
  world.reader.askRound()
  world.canAsk = true
  world.read('dropped')
  world.reader.askRound()
  world.reader.settleRound(2, null)
  world.read('failed')
  world.reader.askRound()
  world.read('waiting')
  world.reader.failAll({ kind: 'unhealthy', reason: 'stopping' })
  world.reader.settleRound(3, makeLogIndex(0))
  assert.deepEqual(world.outcomes.sort(), [
    'dropped: notLeader',
    'failed: unhealthy',
    'nobody to ask: notLeader',
    'waiting: unhealthy',
  ])
  assert.equal(world.reader.openReads, 0)
})

test('cold data is fetched; more reads than allowed are refused, and there is room again afterwards', async () => {
  const gated = createGatedEngine(await openEngine(), false)
  const world = makeWorld(gated.engine, 2)
  assert.equal(world.read('1'), true)
  assert.equal(world.read('2', { kind: 'list', prefix: 'a', limit: 5 }), true)
  assert.equal(world.read('3'), false)
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(0))
  world.clock.endTurn()
  await gated.releaseAll()
  assert.deepEqual(world.outcomes.sort(), ['1: nothing', '2: '])
  assert.equal(world.read('4'), true)
})

test('the reads of a turn that memory can not answer share a few calls of the engine', async () => {
  const engine = await openEngine()
  const counted = { calls: 0, keys: 0 }
  const world = makeWorld({
    ...engine,
    getMany: (keys) => {
      counted.calls += 1
      counted.keys += keys.length
      return engine.getMany(keys)
    },
  })
  const names = Array.from({ length: 600 }, (_, at) => `${at}`)
  // The first turns find out that the values are small.
  for (let turn = 1; turn <= 8; turn++) {
    counted.calls = 0
    counted.keys = 0
    world.outcomes.length = 0
    for (const name of names) world.read(name, { kind: 'get', key: `turn ${turn} key ${name}` })
    world.read('again', { kind: 'get', key: `turn ${turn} key 0` })
    world.reader.askRound()
    world.reader.settleRound(turn, makeLogIndex(0))
    assert.equal(counted.calls, 0, 'not before the turn has ended')
    world.clock.endTurn()
    await settled()
    const expected = [...names, 'again'].map((name) => `${name}: nothing`)
    assert.deepEqual(world.outcomes.sort(), expected.sort())
  }
  assert.equal(counted.calls, 3)
  assert(counted.keys >= 600 && counted.keys <= 601)
  assert.equal(world.reader.openReads, 0)
})

for (const isLate of [false, true]) {
  test(`a read on a trip that a write and its flush overtook sees the write (read ${isLate ? 'late' : 'early'})`, async () => {
    const gated = createGatedEngine(await openEngine())
    const world = makeWorld(gated.engine)
    await apply(world.store, 'old', 1)
    // That there was nothing is known to the writer, and not to the cache.
    const fetched = { ...(await world.store.fetch(['b'], [])), values: new Map([['c', null]]) }
    gated.isOpen = false
    gated.isLate = isLate
    world.read('c', { kind: 'get', key: 'c' })
    world.read('d', { kind: 'get', key: 'd' })
    world.reader.askRound()
    world.reader.settleRound(1, makeLogIndex(1))
    world.clock.endTurn()
    world.store.write([{ partition: partitionOf('c'), key: 'c', value: 'new' }], false, fetched, 2)
    world.store.finishEntry({ term: makeTerm(1), index: makeLogIndex(2) }, 2, 1, Uint8Array.of(1))
    world.store.flush()
    await gated.releaseAll()
    assert.deepEqual(world.outcomes.sort(), ['c: new', 'd: nothing'])
  })
}

test('a query that makes the machine throw fails alone: the replica and other reads go on', async () => {
  const world = makeWorld(await openEngine())
  await apply(world.store, 'v', 1)
  world.read('good')
  world.read('poison', { kind: 'throw' })
  world.read('also good')
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(1))
  assert.deepEqual(world.outcomes, ['good: v', 'poison: unhealthy', 'also good: v'])
  assert.deepEqual(world.failures, [])
  assert.deepEqual(world.lines, ['a read failed'])
  assert.equal(world.reader.openReads, 0)
})

test('an engine that fails is told to the replica, and the read is answered', async () => {
  const fault = new EngineFault('corruption', 'e', 'bad block')
  const engines = createMemoryEngineStore({ faultFor: (call) => (call === 'getMany' ? fault : null) })
  const world = makeWorld(await engines.open('e'))
  world.read('r')
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(0))
  world.clock.endTurn()
  await settled()
  assert.deepEqual(world.outcomes, ['r: unhealthy'])
  assert.deepEqual(world.failures, [fault])
})

test('reads that wait for logical time ask for it once, and run when it has come', async () => {
  const world = makeWorld(await openEngine())
  await apply(world.store, 'v', 100)
  for (const timeMs of [500, 700, 2_000]) world.read(`after ${timeMs}`, { kind: 'after', timeMs })
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(1))
  assert.deepEqual(world.outcomes, ['after 2000: not yet'], 'the clock has not reached it either')
  assert.equal(world.needTimes, 1)
  await apply(world.store, null, 600)
  world.reader.runGranted()
  assert.deepEqual(world.outcomes.slice(1), ['after 500: reached'])
  await apply(world.store, null, 800)
  world.reader.runGranted()
  assert.deepEqual(world.outcomes.slice(2), ['after 700: reached'])
  assert.equal(world.reader.openReads, 0)
})

test('a clock that was set back leaves no read waiting: it is asked again', async () => {
  const world = makeWorld(await openEngine())
  await apply(world.store, 'v', 100)
  world.read('r', { kind: 'after', timeMs: 900 })
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(1))
  assert.equal(world.needTimes, 1)
  world.clock.wall = 300
  world.reader.timeAdvanced()
  assert.deepEqual(world.outcomes, ['r: not yet'])
})

test("time that can't be advanced here: the reads go elsewhere", async () => {
  const world = makeWorld(await openEngine())
  world.read('r', { kind: 'after', timeMs: 900 })
  world.reader.askRound()
  world.reader.settleRound(1, makeLogIndex(0))
  world.reader.failUntilTime()
  assert.deepEqual(world.outcomes, ['r: notLeader'])
  world.read('again', { kind: 'after', timeMs: 900 })
  world.reader.askRound()
  world.reader.settleRound(2, makeLogIndex(0))
  assert.equal(world.needTimes, 2)
})

test('a round of many reads gives way to other events between slices', async () => {
  const world = makeWorld(await openEngine(), 10_000)
  await apply(world.store, 'v', 1)
  for (let count = 0; count < 1_000; count++) world.read(`${count}`)
  world.reader.askRound()
  world.clock.stepMs = 3
  world.reader.settleRound(1, makeLogIndex(1))
  assert(world.outcomes.length > 0 && world.outcomes.length < 1_000, `${world.outcomes.length} in one slice`)
  while (world.clock.runTimer());
  assert.equal(world.outcomes.length, 1_000)
  assert.equal(world.reader.openReads, 0)
})
