import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FRESH_APPLIED, freshStore, STORE_LIMITS } from '../../../test/replica-parts.ts'
import { partitionOf } from '../../../test/tiny-machine.ts'
import { StateHash } from '../../base/hash64.ts'
import { makeLogIndex, makeTerm } from '../../base/log-entry.ts'
import type { KeyRange, KeyValue } from '../../base/machine.ts'
import type { Engine } from '../../env/engine.ts'
import { createMemoryEngineStore } from '../../storage/memory-engine.ts'
import { ExecutionView } from '../execution.ts'
import { EmptyStretches } from './empty-stretches.ts'
import { StateStore } from './state-store.ts'
import { StoredHash } from './stored-hash.ts'

const IGNORED = { onFlushed: () => {}, onFailure: () => {} }

function digestOfSingle(key: string): string {
  const hash = new StateHash()
  hash.add(partitionOf(key), key, key)
  return hash.digest()
}

test('a stretch is skipped until something is put into it', () => {
  const stretches = new EmptyStretches()
  stretches.learn('x', 'x5')
  assert.equal(stretches.beginOf('x', 'y'), 'x5')
  assert.equal(stretches.beginOf('x', 'x3'), 'x3', 'never beyond the end of the range')
  assert.equal(stretches.beginOf('x1', 'y'), 'x1', 'only for ranges that begin there')
  stretches.put('x5')
  stretches.put('w')
  assert.equal(stretches.beginOf('x', 'y'), 'x5')
  stretches.put('x4')
  assert.equal(stretches.beginOf('x', 'y'), 'x')
})

test('the latest stretches are kept, the others forgotten', () => {
  const stretches = new EmptyStretches()
  for (let at = 0; at < 10; at++) stretches.learn(`x${at}`, 'y')
  assert.equal(stretches.beginOf('x9', 'z'), 'y')
  assert.equal(stretches.beginOf('x0', 'z'), 'x0')
})

async function readRange(store: StateStore, range: KeyRange) {
  const view = new ExecutionView(store)
  for (;;) {
    view.refresh()
    const records = view.range(range)
    if (records !== undefined) return { records, view }
    await view.fulfil([], [range])
  }
}

/** As an entry does it: reads the first records of a range and deletes them. */
async function takeFirst(store: StateStore, range: KeyRange): Promise<readonly KeyValue[]> {
  for (;;) {
    const { records, view } = await readRange(store, range)
    const writes = records.map(({ key }) => ({ partition: partitionOf(key), key, value: null }))
    const unknown = store.unknownOldValues(writes, false, view.fetched)
    assert.deepEqual(unknown, [], 'what a range has read is known')
    if (view.fetched !== null && !store.isCurrent(view.fetched)) continue
    store.write(writes, false, view.fetched, 1)
    finish(store)
    return records
  }
}

function finish(store: StateStore): void {
  const index = makeLogIndex(store.applied.position.index + 1)
  store.finishEntry({ term: makeTerm(1), index }, 1, 1, Uint8Array.of(1))
}

test('what an entry has read in a range it may write without asking for it again', async () => {
  const engine = await createMemoryEngineStore().open('e')
  const found = { applied: { ...FRESH_APPLIED }, hash: new StoredHash() }
  const store = new StateStore(engine, found, { ...STORE_LIMITS, cacheBytes: 0 }, IGNORED)
  for (const key of ['x1', 'x2', 'x3']) {
    const fetched = await store.fetch([key], [])
    store.write([{ partition: partitionOf(key), key, value: key }], false, fetched, 1)
    finish(store)
  }
  await store.flushAll()
  assert.equal(store.get('x1'), undefined, 'the engine alone has it')
  const taken = await takeFirst(store, { from: 'x', to: 'y', limit: 2 })
  assert.deepEqual(
    taken.map(({ key }) => key),
    ['x1', 'x2'],
  )
  assert.equal(store.digest(), digestOfSingle('x3'))
})

test('whatever is put and taken in which order, a range has what a map of everything has', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), at: fc.integer({ min: 0, max: 99 }) }),
    fc.record({ kind: fc.constant('take' as const), limit: fc.integer({ min: 1, max: 9 }) }),
    fc.constant({ kind: 'flush' as const }),
    fc.constant({ kind: 'clear' as const }),
  )
  const property = fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
    const store = freshStore(await createMemoryEngineStore().open('e'))
    const truth = new Map<string, string>()
    const all = { from: 'x', to: 'y', limit: 200 }
    for (const step of actions) {
      if (step.kind === 'flush') await store.flushAll()
      else if (step.kind === 'take') {
        const expected = [...truth.keys()].sort().slice(0, step.limit)
        const taken = await takeFirst(store, { ...all, limit: step.limit })
        assert.deepEqual(
          taken.map(({ key }) => key),
          expected,
        )
        for (const key of expected) truth.delete(key)
      } else {
        const key = step.kind === 'put' ? `x${String(step.at).padStart(2, '0')}` : 'x50'
        const fetched = await store.fetch([key], [])
        const write = { partition: partitionOf(key), key, value: 'v' }
        store.write([write], step.kind === 'clear', fetched, 1)
        finish(store)
        if (step.kind === 'clear') truth.clear()
        truth.set(key, 'v')
      }
    }
    const { records } = await readRange(store, all)
    assert.deepEqual(
      records.map(({ key }) => key),
      [...truth.keys()].sort(),
    )
  })
  await fc.assert(property, { seed: 20261121, numRuns: 300 })
})

test('taking from the beginning does not read what was taken before', async () => {
  const engine = await createMemoryEngineStore().open('e')
  const begins: string[] = []
  const watched: Engine = {
    getMany: (keys) => engine.getMany(keys),
    range: (range) => {
      begins.push(range.from)
      return engine.range(range)
    },
    write: (operations) => engine.write(operations),
    snapshot: () => engine.snapshot(),
    persist: () => engine.persist(),
    verify: (onProgress) => engine.verify(onProgress),
    close: () => engine.close(),
  }
  const store = freshStore(watched)
  for (let at = 100; at < 200; at++) {
    const key = `x${at}`
    const fetched = await store.fetch([key], [])
    store.write([{ partition: partitionOf(key), key, value: '' }], false, fetched, 1)
    finish(store)
  }
  for (let round = 0; round < 10; round++) await takeFirst(store, { from: 'x', to: 'y', limit: 10 })
  const seen = [...new Set(begins.map((begin) => begin.slice(begin.indexOf('x'))))]
  assert.deepEqual(seen, ['x', ...Array.from({ length: 9 }, (_, round) => `x1${round + 1}0`)])
})
