import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createSimRandom } from '../../../sim/world/random.ts'
import { createGatedEngine, type GatedEngine, settled } from '../../../test/gated-engine.ts'
import { partitionOf } from '../../../test/tiny-machine.ts'
import { StateHash } from '../../base/hash64.ts'
import { makeLogIndex, makeTerm } from '../../base/log-entry.ts'
import type { KeyValue, Write } from '../../base/machine.ts'
import { type Engine, EngineFault } from '../../env/engine.ts'
import { createMemoryEngineStore } from '../../storage/memory-engine.ts'
import { ExecutionView } from '../execution.ts'
import {
  APPLIED_KEY,
  type AppliedRecord,
  decodeApplied,
  garbageRanges,
  isInstalled,
  makeEngineKeys,
} from './engine-records.ts'
import { StateStore, type StateStoreLimits } from './state-store.ts'
import { StoredHash } from './stored-hash.ts'

const SEED = 20260104
const MEMBERSHIP = Uint8Array.of(1)
const LIMITS: StateStoreLimits = {
  flushRecords: 4,
  flushBytes: 10_000,
  overlayBytesMax: 20_000,
  cacheBytes: 2_000,
}
const FRESH: AppliedRecord = {
  position: { term: makeTerm(0), index: makeLogIndex(0) },
  timeMs: 0,
  machineVersion: 1,
  epochs: { data: 1, meta: 1 },
  membership: MEMBERSHIP,
}

type Opened = { readonly store: StateStore; readonly failures: unknown[]; flushes: number }

function open(engine: Engine, limits = LIMITS, found = { applied: FRESH, hash: new StoredHash() }): Opened {
  const opened: Opened = {
    failures: [],
    flushes: 0,
    store: new StateStore(engine, found, limits, {
      onFlushed: () => {
        opened.flushes += 1
      },
      onFailure: (error) => opened.failures.push(error),
    }),
  }
  return opened
}

/** What a crash and a start find: the state of the engine, and whether its hash is the hash of its records. */
async function readState(
  engine: Engine,
): Promise<{ applied: AppliedRecord; hash: StoredHash; records: KeyValue[] }> {
  const [encoded] = await engine.getMany([APPLIED_KEY])
  const applied = encoded ? decodeApplied(encoded) : FRESH
  await engine.write(garbageRanges(applied.epochs).map((range) => ({ kind: 'deleteRange', ...range })))
  const keys = makeEngineKeys(applied.epochs)
  const all = await engine.range({ from: 'D', to: 'N', limit: 10_000 })
  const records = all
    .filter(({ key }) => key.startsWith('D') || key.startsWith('M'))
    .map(({ key, value }) => ({ key: keys.machineKeyOf(key), value }))
  const hash = encoded ? await StoredHash.read(engine) : new StoredHash()
  assert.equal(hash.digest(), digestOf(records), 'the stored hash is that of the stored records')
  return { applied, hash, records }
}

function digestOf(records: readonly KeyValue[]): string {
  const hash = new StateHash()
  for (const { key, value } of records) hash.add(partitionOf(key), key, value)
  return hash.digest()
}

function stateOf(truth: ReadonlyMap<string, string>): KeyValue[] {
  return [...truth.keys()].sort().map((key) => ({ key, value: truth.get(key) as string }))
}

function sorted(records: readonly KeyValue[]): KeyValue[] {
  return [...records].sort((left, right) => (left.key < right.key ? -1 : 1)).map((record) => ({ ...record }))
}

/** Applies one entry of one command per write list, fetching old values as the applier does. */
async function applyEntry(store: StateStore, commands: readonly Command[], isFinished = true): Promise<void> {
  const { index } = store.applied.position
  for (const { writes, clears } of commands) {
    const view = new ExecutionView(store)
    for (;;) {
      view.refresh()
      const unknown = store.unknownOldValues(writes, clears, view.fetched)
      if (unknown.length === 0) break
      await view.fulfil(unknown, [])
    }
    store.write(writes, clears, view.fetched, index)
  }
  if (isFinished) {
    store.finishEntry({ term: makeTerm(1), index: makeLogIndex(index + 1) }, index, 1, MEMBERSHIP)
  }
}

type Command = { readonly writes: readonly Write[]; readonly clears: boolean }

function put(key: string, value: string | null): Command {
  return { writes: [{ partition: partitionOf(key), key, value }], clears: false }
}

function applyToModel(truth: Map<string, string>, commands: readonly Command[]): void {
  for (const { writes, clears } of commands) {
    if (clears) for (const key of truth.keys()) if (!key.startsWith('\x00')) truth.delete(key)
    for (const { key, value } of writes) {
      if (value === null) truth.delete(key)
      else truth.set(key, value)
    }
  }
}

const KEYS = ['\x00m', 'a', 'b', 'c', 'd', 'e', 'f']
const command: fc.Arbitrary<Command> = fc.record({
  writes: fc.array(
    fc
      .record({ key: fc.constantFrom(...KEYS), value: fc.option(fc.constantFrom('1', '2', 'x'.repeat(900))) })
      .map(({ key, value }) => ({ partition: partitionOf(key), key, value })),
    { maxLength: 3 },
  ),
  clears: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
})
const entries = fc.array(fc.array(command, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 25 })

test('state and hash are those of a naive model, and every crash leaves a state that some entry left', async () => {
  await fc.assert(
    fc.asyncProperty(entries, fc.integer({ min: 1, max: 1e9 }), async (log, seed) => {
      const random = createSimRandom(seed)
      const engines = createMemoryEngineStore({ random })
      const gated = createGatedEngine(await engines.open('e'), false)
      const { store, failures } = open(gated.engine)
      const truth = new Map<string, string>()
      const states = [stateOf(truth)]
      const pump = pumpAtRandom(gated, random)
      for (const commands of log) {
        await pump.during(applyEntry(store, commands))
        applyToModel(truth, commands)
        states.push(stateOf(truth))
        assert.equal(store.digest(), digestOf(stateOf(truth)))
        if (random.next() < 0.2) void store.persist().catch(() => undefined)
        if (random.next() < 0.5) await pump.during(checkReads(store, truth))
      }
      assert.deepEqual(failures, [])
      engines.crash()
      const found = await readState(await engines.open('e'))
      assert.deepEqual(sorted(found.records), states[found.applied.position.index])
    }),
    { seed: SEED, numRuns: 150 },
  )
})

test('old values that were known are not forgotten while they are looked up', async () => {
  const random = createSimRandom(SEED)
  const engine = await createMemoryEngineStore().open('e')
  const { store, failures } = open(engine)
  const truth = new Map<string, string>()
  for (let entry = 0; entry < 300; entry++) {
    const keys = new Set(Array.from({ length: 6 }, () => `k${random.below(9)}`))
    const writes = [...keys].map((key) => ({
      partition: partitionOf(key),
      key,
      value: `${entry} `.padEnd(random.below(700), '.'),
    }))
    await applyEntry(store, [{ writes, clears: false }])
    applyToModel(truth, [{ writes, clears: false }])
    await store.flushAll()
  }
  assert.deepEqual(failures, [])
  assert.equal(store.digest(), digestOf(stateOf(truth)))
})

async function checkReads(store: StateStore, truth: ReadonlyMap<string, string>): Promise<void> {
  const view = new ExecutionView(store)
  const ranges = [
    { from: 'a', to: 'g', limit: 3 },
    { from: '\x00', to: '\x00\xff', limit: 10 },
  ]
  await view.fulfil(KEYS, ranges)
  for (;;) {
    view.refresh()
    const values = KEYS.map((key) => view.get(key))
    const found = ranges.map((range) => view.range(range))
    if (values.includes(undefined) || found.includes(undefined)) {
      await view.fulfil(KEYS, ranges)
      continue
    }
    KEYS.forEach((key, at) => assert.equal(values[at], truth.get(key) ?? null, key))
    ranges.forEach(({ from, to, limit }, at) => {
      const inRange = stateOf(truth).filter(({ key }) => key >= from && key < to)
      assert.deepEqual(found[at], inRange.slice(0, limit))
    })
    return
  }
}

/** Lets the engine answer now and then while something else is under way, and whenever nothing else happens. */
function pumpAtRandom(gated: GatedEngine, random: { next(): number }) {
  return {
    async during<Result>(work: Promise<Result>): Promise<Result> {
      let isDone = false
      const end = work.finally(() => {
        isDone = true
      })
      end.catch(() => undefined)
      await settled()
      while (!isDone || random.next() < 0.3) {
        gated.isLate = random.next() < 0.5
        await gated.release()
      }
      return end
    },
  }
}

test('half an entry is never flushed, whoever asks', async () => {
  const engines = createMemoryEngineStore()
  const { store } = open(await engines.open('e'))
  await applyEntry(store, [put('a', '1')])
  await applyEntry(store, [put('a', '2'), put('b', '2')], false)
  const persisted = store.persist()
  await settled()
  engines.crash()
  const found = await readState(await engines.open('e'))
  assert.equal(found.applied.position.index, 0, 'nothing was flushed in the middle of entry 2')
  void persisted
})

test('a flush that was asked for in the middle of an entry begins at its end', async () => {
  const engines = createMemoryEngineStore()
  const { store } = open(await engines.open('e'))
  await applyEntry(store, [put('a', '1')], false)
  store.finishEntry({ term: makeTerm(1), index: makeLogIndex(1) }, 0, 1, MEMBERSHIP)
  await applyEntry(store, [put('a', '2')], false)
  const persisted = store.persist()
  await settled()
  store.finishEntry({ term: makeTerm(1), index: makeLogIndex(2) }, 1, 1, MEMBERSHIP)
  assert.equal((await persisted).position.index, 2)
})

test('stopping in the middle of an entry leaves it to the log, and tells who waits for a flush', async () => {
  const engines = createMemoryEngineStore()
  const engine = await engines.open('e')
  const { store } = open(engine)
  await applyEntry(store, [put('a', '1')])
  await applyEntry(store, [put('a', '2')], false)
  const persisted = assert.rejects(store.persist(), /stopped/)
  await store.stop()
  await persisted
  await engine.close()
  const found = await readState(await engines.open('e'))
  assert.equal(found.applied.position.index, 0)
})

test('stopping at an entry boundary flushes everything', async () => {
  const engines = createMemoryEngineStore()
  const engine = await engines.open('e')
  const { store } = open(engine)
  await applyEntry(store, [put('a', '1')])
  await store.stop()
  await engine.close()
  const found = await readState(await engines.open('e'))
  assert.equal(found.applied.position.index, 1)
  assert.deepEqual(sorted(found.records), [{ key: 'a', value: '1' }])
})

test('a fetch that flushes keep overtaking holds the next one back, and then succeeds', async () => {
  const gated = createGatedEngine(await createMemoryEngineStore().open('e'), false)
  const { store } = open(gated.engine, { ...LIMITS, flushRecords: 1 })
  const fetching = store.fetch(['cold'], [])
  let isFetched = false
  void fetching.then(() => {
    isFetched = true
  })
  for (let round = 0; round < 50 && !isFetched; round++) {
    // Old values of new keys must be known without a fetch.
    store.write([{ partition: META, key: '\x00m', value: String(round) }], false, KNOWN_ABSENT(store), round)
    store.finishEntry({ term: makeTerm(1), index: makeLogIndex(round + 1) }, round, 1, MEMBERSHIP)
    await gated.release()
    await gated.release()
  }
  assert(isFetched, 'the fetch was starved')
  assert.equal((await fetching).values.get('cold'), null)
})

const META = partitionOf('\x00m')
function KNOWN_ABSENT(store: StateStore) {
  const known = store.get('\x00m')
  return known === undefined
    ? { values: new Map([['\x00m', null]]), ranges: [], flushCount: -1, keys: makeEngineKeys(FRESH.epochs) }
    : null
}

test('applying must wait when the engine is slow: by records and by bytes', async () => {
  const gated = createGatedEngine(await createMemoryEngineStore().open('e'), false)
  const { store } = open(gated.engine)
  const fill = (from: number, count: number, value: string): void => {
    for (let at = 0; at < count; at++) {
      const key = `k${from + at}`
      const fetched = {
        values: new Map([[key, null]]),
        ranges: [],
        flushCount: 0,
        keys: makeEngineKeys(FRESH.epochs),
      }
      store.write([{ partition: partitionOf(key), key, value }], false, fetched, 0)
    }
    const { index } = store.applied.position
    store.finishEntry({ term: makeTerm(1), index: makeLogIndex(index + 1) }, 0, 1, MEMBERSHIP)
  }
  fill(0, 4, 'v')
  assert.equal(store.isFull, false, 'a flush is under way, the overlay is empty')
  fill(10, 7, 'v')
  assert.equal(store.isFull, false)
  fill(20, 1, 'v')
  assert.equal(store.isFull, true, 'twice flushRecords')
  await gated.release()
  assert.equal(store.isFull, false, 'they are the next batch now')
  fill(30, 1, 'x'.repeat(25_000))
  assert.equal(store.isFull, true)
  await gated.releaseAll()
  assert.equal(store.isFull, false)
})

test('an engine that fails stops the store: nothing is written after a batch that may be missing', async () => {
  let fault: EngineFault | null = null
  const engines = createMemoryEngineStore({ faultFor: (call) => (call === 'write' ? fault : null) })
  const { store, failures } = open(await engines.open('e'))
  await applyEntry(store, [put('a', '1')])
  fault = new EngineFault('io', 'e', 'no space', { errno: 'ENOSPC' })
  await assert.rejects(store.flushAll(), /no space/)
  assert.deepEqual(failures, [fault])
  await assert.rejects(store.persist(), /no space/)
  assert.throws(() => store.write([], false, null, 1))
})

test('a persist that fails stops the store as well', async () => {
  const fault = new EngineFault('io', 'e', 'sync failed')
  const engines = createMemoryEngineStore({ faultFor: (call) => (call === 'persist' ? fault : null) })
  const { store, failures } = open(await engines.open('e'))
  await applyEntry(store, [put('a', '1')])
  await assert.rejects(store.persist(), /sync failed/)
  assert.deepEqual(failures, [fault])
})

async function receive(store: StateStore, records: readonly KeyValue[], index: number) {
  const epoch = store.allocateEpoch()
  await store.stage(epoch, records)
  const hash = new StoredHash()
  for (const { key, value } of records) hash.add(partitionOf(key), key, value)
  const applied = {
    ...FRESH,
    position: { term: makeTerm(3), index: makeLogIndex(index) },
    timeMs: 50,
    epochs: { data: epoch, meta: epoch },
  }
  return { epoch, applied, hash }
}

const SNAPSHOT: readonly KeyValue[] = [
  { key: '\x00m', value: 'received' },
  { key: 'a', value: 'received' },
  { key: 'z', value: 'received' },
]

test('a snapshot is installed whole or not at all, at whatever point the process dies', async () => {
  const outcomes = new Set<number>()
  for (let seed = 1; seed <= 60; seed++) {
    const random = createSimRandom(seed)
    const engines = createMemoryEngineStore({ random })
    const gated = createGatedEngine(await engines.open('e'), true)
    const { store } = open(gated.engine, { ...LIMITS, flushRecords: 1 })
    await applyEntry(store, [put('a', '1'), put('b', '1')])
    await store.persist()
    gated.isOpen = false
    const working = receiveAndInstall(store)
    for (let step = random.u32() % 8; step > 0; step--) await gated.release()
    engines.crash()
    void working
    const found = await readState(await engines.open('e'))
    const { index } = found.applied.position
    outcomes.add(index)
    const expected =
      index === 1
        ? [
            { key: 'a', value: '1' },
            { key: 'b', value: '1' },
          ]
        : SNAPSHOT
    assert.deepEqual(sorted(found.records), sorted(expected), `seed ${seed}`)
  }
  assert.deepEqual(
    [...outcomes].sort((a, b) => a - b),
    [1, 9],
    'both ends were seen',
  )
})

async function receiveAndInstall(store: StateStore): Promise<void> {
  const { applied, hash } = await receive(store, SNAPSHOT, 9)
  await store.install(applied, hash)
}

test('a snapshot that comes in while an earlier one is installed keeps its records', async () => {
  const engines = createMemoryEngineStore()
  const engine = await engines.open('e')
  const { store } = open(engine)
  await applyEntry(store, [put('a', '1')])
  const earlier = await receive(store, [{ key: 'b', value: 'earlier' }], 9)
  const later = await receive(store, SNAPSHOT, 12)
  await store.install(earlier.applied, earlier.hash)
  assert.equal((await store.fetch(['b'], [])).values.get('b'), 'earlier')
  await store.install(later.applied, later.hash)
  const found = await readState(engine)
  assert.equal(found.applied.position.index, 12)
  assert.deepEqual(sorted(found.records), sorted(SNAPSHOT))
})

test("the confirmation of a snapshot that another one replaces, or has replaced, leaves the other's state alone", async () => {
  for (const isLate of [false, true]) {
    const engines = createMemoryEngineStore()
    const engine = await engines.open('e')
    const gated = createGatedEngine(engine, true)
    const { store } = open(gated.engine)
    await applyEntry(store, [put('a', '1')])
    const earlier = await receive(store, [{ key: 'b', value: 'earlier' }], 9)
    await store.install(earlier.applied, earlier.hash)
    const later = await receive(store, SNAPSHOT, 12)
    gated.isOpen = false
    const installing = store.install(later.applied, later.hash)
    await settled()
    if (!isLate) store.confirmInstall(makeLogIndex(9))
    await gated.releaseAll()
    await installing
    if (isLate) store.confirmInstall(makeLogIndex(9))
    assert.deepEqual(sorted((await readState(engine)).records), sorted(SNAPSHOT))
    const applied = (await engine.getMany([APPLIED_KEY]))[0] as string
    assert(isInstalled(applied), "the later one's base record is not in the log yet")
    store.confirmInstall(makeLogIndex(12))
    assert(!isInstalled((await engine.getMany([APPLIED_KEY]))[0] as string))
  }
})

test('after an install reads see the snapshot, and flushes go on from there', async () => {
  const engines = createMemoryEngineStore()
  const engine = await engines.open('e')
  const { store } = open(engine)
  await applyEntry(store, [put('a', '1'), put('b', '1')])
  await applyEntry(store, [put('a', 'half')], false)
  const { applied, hash } = await receive(store, SNAPSHOT, 9)
  await store.install(applied, hash)
  assert.equal(store.timeMs, 50)
  const fetched = await store.fetch(['a', 'b', 'z', '\x00m'], [])
  assert.deepEqual([...fetched.values.values()], ['received', null, 'received', 'received'])
  assert.equal(store.digest(), digestOf(SNAPSHOT))
  store.write([{ partition: partitionOf('a'), key: 'a', value: 'after' }], false, fetched, 60)
  store.finishEntry({ term: makeTerm(3), index: makeLogIndex(10) }, 60, 1, MEMBERSHIP)
  await store.persist()
  const found = await readState(engine)
  assert.equal(found.applied.position.index, 10)
  assert.deepEqual(
    sorted(found.records).map(({ value }) => value),
    ['received', 'after', 'received'],
  )
})

test('a flush asked for while a snapshot is installed does not put the old state over the new one', async () => {
  const engines = createMemoryEngineStore()
  const gated = createGatedEngine(await engines.open('e'), true)
  const { store } = open(gated.engine)
  await applyEntry(store, [put('a', '1')])
  const { applied, hash } = await receive(store, SNAPSHOT, 9)
  gated.isOpen = false
  const installing = store.install(applied, hash)
  const persisting = store.persist()
  const fetching = store.fetch(['a'], [])
  await gated.releaseAll()
  await installing
  assert.equal((await persisting).position.index, 9)
  assert.equal((await fetching).values.get('a'), 'received')
  engines.crash()
  assert.deepEqual(sorted((await readState(await engines.open('e'))).records), sorted(SNAPSHOT))
})

test('a snapshot that is given up leaves nothing behind', async () => {
  const engine = await createMemoryEngineStore().open('e')
  const { store } = open(engine)
  const { epoch } = await receive(store, SNAPSHOT, 9)
  assert.equal((await engine.range({ from: 'D', to: 'N', limit: 100 })).length, 3)
  await store.discardStaged(epoch)
  assert.equal((await engine.range({ from: 'D', to: 'N', limit: 100 })).length, 0)
})

/** Readings that the test lets through when it likes, whatever else the engine does meanwhile. */
function withSlowReads(engine: Engine, isLate: boolean): { engine: Engine; release: () => void } {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const getMany = async (keys: readonly string[]) => {
    const early = isLate ? null : engine.getMany(keys)
    await gate
    return early ?? engine.getMany(keys)
  }
  const slow: Engine = {
    getMany,
    range: (range) => engine.range(range),
    write: (operations) => engine.write(operations),
    snapshot: () => engine.snapshot(),
    persist: () => engine.persist(),
    verify: (onProgress) => engine.verify(onProgress),
    close: () => engine.close(),
  }
  return { engine: slow, release }
}

function putKnown(store: StateStore, key: string, value: string, before: string | null): void {
  const { index } = store.applied.position
  const keys = makeEngineKeys(store.applied.epochs)
  const fetched = { values: new Map([[key, before]]), ranges: [], flushCount: -1, keys }
  store.write([{ partition: partitionOf(key), key, value }], false, fetched, index)
  store.finishEntry({ term: makeTerm(1), index: makeLogIndex(index + 1) }, index, 1, MEMBERSHIP)
}

for (const isLate of [true, false]) {
  test(`a read that a write and its flush overtook answers with the write (read ${isLate ? 'late' : 'early'})`, async () => {
    const slow = withSlowReads(await createMemoryEngineStore().open('e'), isLate)
    const { store } = open(slow.engine, { ...LIMITS, cacheBytes: 0 })
    putKnown(store, 'a', '1', null)
    await store.flushAll()
    const fetching = store.fetch(['a'], [])
    putKnown(store, 'a', '2', '1')
    await store.flushAll()
    slow.release()
    assert.equal((await fetching).values.get('a'), '2')
  })

  test(`a read during an install sees the old state or the new one, never the gap (read ${isLate ? 'late' : 'early'})`, async () => {
    const gated = createGatedEngine(await createMemoryEngineStore().open('e'), true)
    const slow = withSlowReads(gated.engine, isLate)
    const { store } = open(slow.engine, { ...LIMITS, cacheBytes: 0 })
    putKnown(store, 'b', '1', null)
    await store.flushAll()
    const { applied, hash } = await receive(store, SNAPSHOT, 9)
    const fetching = store.fetch(['a', 'b'], [])
    gated.isOpen = false
    const installing = store.install(applied, hash)
    await settled()
    slow.release()
    await settled()
    while (gated.waiting > 0) await gated.release()
    await installing
    assert.deepEqual([...(await fetching).values.values()], ['received', null])
  })
}

test('what was fetched is not current any more once a flush has ended', async () => {
  const { store } = open(await createMemoryEngineStore().open('e'), { ...LIMITS, cacheBytes: 0 })
  putKnown(store, 'a', '1', null)
  await store.flushAll()
  const view = new ExecutionView(store)
  await view.fulfil(['a'], [])
  assert.equal(view.get('a'), '1')
  putKnown(store, 'a', '2', '1')
  assert.equal(view.get('a'), '2')
  await store.flushAll()
  view.refresh()
  assert.equal(view.get('a'), undefined)
})
