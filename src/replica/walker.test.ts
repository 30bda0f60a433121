import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGatedEngine, settled } from '../../test/gated-engine.ts'
import { freshStore, HandClock } from '../../test/replica-parts.ts'
import { createTinyMachine, partitionOf, type TinyCommand } from '../../test/tiny-machine.ts'
import { makeLogIndex, makeTerm } from '../base/log-entry.ts'
import type { Done, NeedTime, Write } from '../base/machine.ts'
import type { Engine } from '../env/engine.ts'
import { createMemoryEngineStore } from '../storage/memory-engine.ts'
import type { StateStore } from './state/state-store.ts'
import { type LongRead, WALKS_MAX, Walker } from './walker.ts'

type End = Done<string> | NeedTime | { readonly kind: 'error'; readonly error: unknown }
const CLOCK_MS = 1_000

async function makeWorld(engine?: Engine) {
  const clock = new HandClock()
  const store = freshStore(engine ?? (await createMemoryEngineStore().open('e')))
  const ends: End[] = []
  let begun = 0
  const walker = new Walker<TinyCommand, string>(createTinyMachine(), store, clock, {
    onEnd: (_read, end) => ends.push(end),
  })
  return {
    clock,
    store,
    ends,
    walker,
    get begun() {
      return begun
    },
    tour(timeMs = 0): LongRead<TinyCommand, string> {
      const responder = { reply: () => {}, fail: () => {}, begun: () => (begun += 1) }
      const command = { kind: 'tour', prefix: 'k', timeMs } as const
      const read = { command, responder, clockMs: CLOCK_MS, seed: 1 }
      walker.add(read)
      return read
    },
    /** Others' turns, as many as it takes. */
    async finish(): Promise<void> {
      do await settled()
      while (clock.runTimer())
    },
  }
}

async function apply(store: StateStore, changes: Readonly<Record<string, string | null>>, clears = false) {
  const writes: Write[] = Object.entries(changes).map(([key, value]) => ({
    partition: partitionOf(key),
    key,
    value,
  }))
  const fetched = await store.fetch(Object.keys(changes), [])
  store.write(writes, clears, fetched, 1)
  const index = makeLogIndex(store.applied.position.index + 1)
  store.finishEntry({ term: makeTerm(1), index }, 1, 1, Uint8Array.of(1))
}

function records(count: number, value: string): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`k${String(at).padStart(4, '0')}`, value]),
  )
}

function show(shown: Readonly<Record<string, string>>): string {
  return Object.entries(shown)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')
}

function repliesOf(ends: readonly End[]): readonly string[] {
  return ends.map((end) => (end.kind === 'done' ? end.reply : end.kind))
}

test('a long read sees one moment, whatever is written, flushed and cleared between its pages', async () => {
  const world = await makeWorld()
  const before = records(500, 'old')
  await apply(world.store, before)
  world.tour()
  assert.equal(world.begun, 1)
  await settled()
  await settled()
  assert.deepEqual(world.ends, [], 'the first page is not all of it')
  await apply(world.store, { k0001: null, k0400: 'new', k0400a: 'more' })
  world.clock.runTimer()
  await settled()
  await apply(world.store, { k: 'only' }, true)
  await world.store.flushAll()
  await world.finish()
  assert.deepEqual(repliesOf(world.ends), [show(before)])
  world.tour()
  await world.finish()
  assert.deepEqual(repliesOf(world.ends.slice(1)), ['k=only'])
})

test('a few go at a time, in their order, and each is answered', async () => {
  const world = await makeWorld()
  await apply(world.store, records(100, 'v'))
  const reads = Array.from({ length: WALKS_MAX + 2 }, () => world.tour())
  await settled()
  assert.equal(world.begun, reads.length, 'those that wait are not given up either')
  await world.finish()
  assert.deepEqual(
    repliesOf(world.ends),
    reads.map(() => show(records(100, 'v'))),
  )
})

test('a read that must wait for logical time says so at once, with the time it needs', async () => {
  const world = await makeWorld()
  await apply(world.store, records(2_000, 'v'))
  world.tour(CLOCK_MS)
  await settled()
  await settled()
  assert.deepEqual(world.ends, [{ kind: 'needTime', timeMs: CLOCK_MS }], 'before the second page')
})

test('reads that are failed from outside are forgotten, and close what they have open', async () => {
  let open = 0
  const engine = await createMemoryEngineStore().open('e')
  const counting: Engine = {
    getMany: (keys) => engine.getMany(keys),
    range: (range) => engine.range(range),
    write: (operations) => engine.write(operations),
    persist: () => engine.persist(),
    verify: (onProgress) => engine.verify(onProgress),
    close: () => engine.close(),
    async snapshot() {
      const snapshot = await engine.snapshot()
      open += 1
      return {
        getMany: (keys) => snapshot.getMany(keys),
        range: (range) => snapshot.range(range),
        async close() {
          open -= 1
          await snapshot.close()
        },
      }
    },
  }
  const world = await makeWorld(counting)
  await apply(world.store, records(1_000, 'v'))
  const reads = Array.from({ length: WALKS_MAX + 1 }, () => world.tour())
  await settled()
  await settled()
  assert.equal(open, WALKS_MAX)
  assert.deepEqual(world.walker.takeAll(), reads)
  await world.finish()
  assert.deepEqual([world.ends, open], [[], 0])
  world.tour()
  await world.finish()
  assert.deepEqual(repliesOf(world.ends), [show(records(1_000, 'v'))])
})

test('an engine that fails ends the read with its error', async () => {
  const gated = createGatedEngine(await createMemoryEngineStore().open('e'))
  const world = await makeWorld({ ...gated.engine, snapshot: () => Promise.reject(new Error('bad block')) })
  await apply(world.store, records(10, 'v'))
  world.tour()
  await world.finish()
  const [end] = world.ends
  assert(end?.kind === 'error' && String(end.error).includes('bad block'))
})
