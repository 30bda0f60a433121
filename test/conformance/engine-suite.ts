/**
 * What every engine must do, whatever it is made of. An implementation's test calls `engineSuite`
 * with a way to make an empty store; faults and crashes of its own it tests beside that.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { KeyRange, KeyValue } from '../../src/base/machine.ts'
import {
  type Engine,
  EngineFault,
  type EngineOperation,
  type EngineReader,
  type EngineSnapshot,
  type EngineStore,
} from '../../src/env/engine.ts'

export type StoreUnderTest = { readonly store: EngineStore; readonly dispose: () => Promise<void> }
export type EngineSuiteOptions = {
  readonly makeStore: () => Promise<StoreUnderTest>
  readonly propertyRuns: number
}

const LARGE_VALUE_BYTES = 16 * 1024 * 1024
const PROPERTY_SEED = 20_240_917

export const put = (key: string, value: string): EngineOperation => ({ kind: 'put', key, value })
export const del = (key: string): EngineOperation => ({ kind: 'delete', key })
export const delRange = (from: string, to: string): EngineOperation => ({ kind: 'deleteRange', from, to })
const all = (limit = 1_000_000): KeyRange => ({ from: '', to: '\xff\xff\xff\xff', limit })
const pairs = (records: readonly KeyValue[]): string[] => records.map(({ key, value }) => `${key}=${value}`)

export function engineSuite(name: string, options: EngineSuiteOptions): void {
  const withStore = async (run: (store: EngineStore) => Promise<void>): Promise<void> => {
    const { store, dispose } = await options.makeStore()
    try {
      await run(store)
    } finally {
      await dispose()
    }
  }
  const withEngine = (run: (engine: Engine, store: EngineStore) => Promise<void>): Promise<void> =>
    withStore(async (store) => {
      const engine = await store.open('group-1')
      await run(engine, store)
      await engine.close()
    })

  describe(`engine conformance: ${name}`, () => {
    batchTests(withEngine)
    readTests(withEngine)
    valueTests(withEngine)
    snapshotTests(withEngine)
    lifeCycleTests(withStore)
    closingTests(withStore)
    propertyTests(withStore, options.propertyRuns)
  })
}

type WithEngine = (run: (engine: Engine, store: EngineStore) => Promise<void>) => Promise<void>
type WithStore = (run: (store: EngineStore) => Promise<void>) => Promise<void>

function batchTests(withEngine: WithEngine): void {
  it('applies the operations of a batch in order', () =>
    withEngine(async (engine) => {
      await engine.write([put('a', '1'), put('b', '1'), put('c', '1')])
      await engine.write([
        put('b', '2'),
        delRange('a', 'c'),
        put('a', '3'),
        del('c'),
        put('c', '4'),
        del('c'),
      ])
      assert.deepEqual(pairs(await engine.range(all())), ['a=3'])
      await engine.write([put('x', '1'), delRange('x', 'y'), put('x', '2'), put('x', '3')])
      assert.deepEqual(pairs(await engine.range(all())), ['a=3', 'x=3'])
    }))

  it('removes [from, to) and nothing else, and takes an empty or reversed range', () =>
    withEngine(async (engine) => {
      await engine.write(['a', 'b', 'b\x00', 'c', 'c\x00'].map((key) => put(key, key)))
      await engine.write([delRange('c', 'a'), delRange('b', 'b'), delRange('', '')])
      assert.equal((await engine.range(all())).length, 5)
      await engine.write([delRange('b', 'c')])
      assert.deepEqual(await engine.getMany(['a', 'b', 'b\x00', 'c', 'c\x00']), [
        'a',
        null,
        null,
        'c',
        'c\x00',
      ])
      await engine.write([delRange('', 'c')])
      assert.deepEqual(pairs(await engine.range(all())), ['c=c', 'c\x00=c\x00'])
    }))

  it('shows batches in the order of the calls, to reads called after them', () =>
    withEngine(async (engine) => {
      const writes: Promise<void>[] = []
      const reads: Promise<readonly (string | null)[]>[] = []
      for (let round = 0; round < 50; round++) {
        writes.push(engine.write([put('round', String(round)), put(`key-${round}`, 'here')]))
        if (round % 5 === 0) reads.push(engine.getMany(['round', `key-${round}`]))
      }
      const ranged = await engine.range({ from: 'round', to: 'rounds', limit: 1 })
      assert.deepEqual(pairs(ranged), ['round=49'])
      await Promise.all(writes)
      for (const [at, answer] of (await Promise.all(reads)).entries()) {
        assert(Number(answer[0]) >= at * 5)
        assert.equal(answer[1], 'here')
      }
    }))

  it('takes an empty batch, and deletes what is not there', () =>
    withEngine(async (engine) => {
      await engine.write([])
      await engine.write([del('nothing')])
      assert.deepEqual(await engine.range(all()), [])
    }))

  it('does not notice that the caller changes the list after the call', () =>
    withEngine(async (engine) => {
      const operations = [put('a', '1')]
      const written = engine.write(operations)
      operations[0] = put('a', '2')
      operations.push(put('b', '2'))
      await written
      assert.deepEqual(pairs(await engine.range(all())), ['a=1'])
    }))
}

function readTests(withEngine: WithEngine): void {
  it('answers getMany in the order of the keys, twice for a key named twice', () =>
    withEngine(async (engine) => {
      assert.deepEqual(await engine.getMany([]), [])
      await engine.write([put('a', '1'), put('b', '2')])
      assert.deepEqual(await engine.getMany(['b', 'missing', 'a', 'b', '']), ['2', null, '1', '2', null])
    }))

  it('keeps range bounds and limits', () =>
    withEngine(async (engine) => {
      const keys = Array.from({ length: 3000 }, (_, index) => `k${String(index).padStart(5, '0')}`)
      await engine.write(keys.map((key) => put(key, key)))
      await engine.persist()
      assert.equal((await engine.range(all())).length, 3000)
      for (const limit of [0, 1, 2, 255, 256, 257, 1000, 2999, 3000]) {
        const records = await engine.range(all(limit))
        assert.deepEqual(
          records.map(({ key }) => key),
          keys.slice(0, limit),
        )
      }
      const middle = await engine.range({ from: 'k00100', to: 'k00103', limit: 10 })
      assert.deepEqual(
        middle.map(({ key }) => key),
        ['k00100', 'k00101', 'k00102'],
      )
      const between = await engine.range({ from: 'k00100x', to: 'k00102x', limit: 10 })
      assert.deepEqual(
        between.map(({ key }) => key),
        ['k00101', 'k00102'],
      )
      assert.deepEqual(await engine.range({ from: 'k00103', to: 'k00103', limit: 10 }), [])
      assert.deepEqual(await engine.range({ from: 'k00103', to: 'k00100', limit: 10 }), [])
      assert.deepEqual(await engine.range({ from: '', to: '', limit: 10 }), [])
    }))
}

function valueTests(withEngine: WithEngine): void {
  it('keeps binary keys apart and in bytewise order', () =>
    withEngine(async (engine) => {
      const keys = [
        '\x00',
        '\x00\x00',
        '\x00\xff',
        '\x01',
        'a',
        'a\x00',
        'a\x00b',
        'a\xff',
        '\x7f',
        '\x80',
        '\xc3\xa9',
        '\xe9',
        '\xff',
        '\xff\x00',
        '\xff\xff',
      ]
      await engine.write([...keys].reverse().map((key) => put(key, `<${key}>`)))
      const sorted = [...keys].sort((left, right) => (left < right ? -1 : 1))
      assert.deepEqual(
        (await engine.range(all())).map(({ key }) => key),
        sorted,
      )
      await engine.persist()
      assert.deepEqual(
        await engine.getMany(keys),
        keys.map((key) => `<${key}>`),
      )
      await engine.write([delRange('\x00\xff', '\xff')])
      assert.deepEqual(
        (await engine.range(all())).map(({ key }) => key),
        ['\x00', '\x00\x00', '\xff', '\xff\x00', '\xff\xff'],
      )
    }))

  it('keeps every byte value, the empty value and a large one', () =>
    withEngine(async (engine) => {
      const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))
      const large = bytes.repeat(LARGE_VALUE_BYTES / bytes.length)
      await engine.write([put('bytes', bytes), put('empty', ''), put('large', large)])
      for (const persist of [false, true]) {
        if (persist) await engine.persist()
        const [found, empty, big] = await engine.getMany(['bytes', 'empty', 'large'])
        assert.equal(found, bytes)
        assert.equal(empty, '')
        assert(big === large, 'the large value differs')
        const ranged = await engine.range({ from: 'e', to: 'm', limit: 3 })
        assert.equal(ranged.length, 2)
        assert.equal(ranged[0]?.value, '')
        assert(ranged[1]?.value === large, 'the large value differs in a range')
      }
    }))
}

function snapshotTests(withEngine: WithEngine): void {
  it('isolates a snapshot from later writes, persists and range deletions', () =>
    withEngine(async (engine) => {
      await engine.write([put('a', '1'), put('b', '1'), put('c', '1')])
      const first = await engine.snapshot()
      await engine.write([put('a', '2'), del('b'), put('d', '2')])
      const second = await engine.snapshot()
      await engine.write([delRange('', 'z')])
      await engine.persist()
      assert.deepEqual(pairs(await first.range(all())), ['a=1', 'b=1', 'c=1'])
      assert.deepEqual(await first.getMany(['a', 'b', 'd']), ['1', '1', null])
      assert.deepEqual(pairs(await second.range(all(2))), ['a=2', 'c=1'])
      assert.deepEqual(await engine.range(all()), [])
      await first.close()
      assert.deepEqual(await second.getMany(['d', 'b']), ['2', null])
      await second.close()
      await second.close()
      await rejectsClosed(() => first.getMany(['a']))
      await rejectsClosed(() => second.range(all()))
    }))

  it('takes every write called before into a snapshot', () =>
    withEngine(async (engine) => {
      const written = engine.write([put('a', '1')])
      const snapshot = await engine.snapshot()
      assert.deepEqual(await snapshot.getMany(['a']), ['1'])
      await written
      await snapshot.close()
    }))

  it('closes with snapshots still open', () =>
    withEngine(async (engine) => {
      await engine.write([put('a', '1')])
      const snapshot = await engine.snapshot()
      await engine.close()
      await rejectsClosed(() => snapshot.getMany(['a']))
      await snapshot.close()
    }))
}

function lifeCycleTests(withStore: WithStore): void {
  it('keeps data over close and open, persisted or not', () =>
    withStore(async (store) => {
      for (let round = 0; round < 4; round++) {
        const engine = await store.open('group-1')
        assert.equal((await engine.range(all())).length, round * 2)
        await engine.write([put(`persisted-${round}`, 'x')])
        await engine.persist()
        await engine.verify()
        void engine.write([put(`written-${round}`, 'x')])
        await engine.close()
      }
    }))

  it('lists and destroys, and keeps engines apart', () =>
    withStore(async (store) => {
      assert.deepEqual(await store.list(), [])
      const one = await store.open('group-1')
      const ten = await store.open('group-10')
      await one.write([put('a', 'one')])
      await ten.write([put('a', 'ten')])
      assert.deepEqual(await store.list(), ['group-1', 'group-10'])
      assert.deepEqual(await ten.getMany(['a']), ['ten'])
      await one.close()
      await store.destroy('group-1')
      assert.deepEqual(await store.list(), ['group-10'])
      await store.destroy('group-1')
      const again = await store.open('group-1')
      assert.deepEqual(await again.getMany(['a']), [null])
      await Promise.all([again.close(), ten.close()])
    }))

  it('refuses a second opener, and to destroy what is open', () =>
    withStore(async (store) => {
      const engine = await store.open('group-1')
      await assert.rejects(store.open('group-1'), { name: 'AssertionError' })
      await assert.rejects(store.destroy('group-1'), { name: 'AssertionError' })
      await engine.close()
      await (await store.open('group-1')).close()
    }))
}

function closingTests(withStore: WithStore): void {
  it('answers a closed fault after close, which may be called twice', () =>
    withStore(async (store) => {
      const engine = await store.open('group-1')
      const written = engine.write([put('a', '1')])
      const read = engine.getMany(['a'])
      await Promise.all([engine.close(), engine.close()])
      await written
      assert.deepEqual(await read, ['1'])
      await rejectsClosed(() => engine.getMany(['a']))
      await rejectsClosed(() => engine.range(all()))
      await rejectsClosed(() => engine.write([put('a', '2')]))
      await rejectsClosed(() => engine.snapshot())
      await rejectsClosed(() => engine.persist())
      await rejectsClosed(() => engine.verify())
    }))

  it('reports progress of verify up to its total', () =>
    withStore(async (store) => {
      const engine = await store.open('group-1')
      await engine.write(Array.from({ length: 5000 }, (_, index) => put(`k${index}`, 'v'.repeat(50))))
      await engine.persist()
      let last = { bytesChecked: 0, bytesTotal: 0 }
      await engine.verify((progress) => {
        assert(progress.bytesChecked >= last.bytesChecked && progress.bytesChecked <= progress.bytesTotal)
        last = progress
      })
      assert.equal(last.bytesChecked, last.bytesTotal)
      await engine.close()
    }))
}

async function rejectsClosed(run: () => Promise<unknown>): Promise<void> {
  await assert.rejects(run, (error) => error instanceof EngineFault && error.kind === 'closed')
}

type Step =
  | { readonly kind: 'write'; readonly operations: readonly EngineOperation[] }
  | { readonly kind: 'read'; readonly keys: readonly string[]; readonly range: KeyRange }
  | { readonly kind: 'snapshot' | 'releaseSnapshot' | 'persist' | 'reopen' }

function propertyTests(withStore: WithStore, runs: number): void {
  const key = fc
    .array(fc.constantFrom('\x00', 'a', 'b', '\x7f', '\x80', '\xff'), { minLength: 1, maxLength: 3 })
    .map((bytes) => bytes.join(''))
  const bound = fc.oneof(key, fc.constant(''))
  const operation: fc.Arbitrary<EngineOperation> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(key, fc.string({ maxLength: 8 }).map(toBytes)).map(([at, value]) => put(at, value)),
    },
    { weight: 2, arbitrary: key.map(del) },
    { weight: 1, arbitrary: fc.tuple(bound, bound).map(([from, to]) => delRange(from, to)) },
  )
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        operations: fc.array(operation, { maxLength: 20 }),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        keys: fc.array(key, { maxLength: 6 }),
        range: fc.record({ from: bound, to: bound, limit: fc.nat(20) }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          'snapshot' as const,
          'releaseSnapshot' as const,
          'persist' as const,
          'reopen' as const,
        ),
      }),
    },
  )
  it('does what a naive model does', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) =>
        withStore((store) => runAgainstModel(store, steps)),
      ),
      { seed: PROPERTY_SEED, numRuns: runs },
    ))
}

const toBytes = (text: string): string => text.replace(/[^\x00-\xff]/gu, '\xff')

async function runAgainstModel(store: EngineStore, steps: readonly Step[]): Promise<void> {
  let engine = await store.open('group-1')
  let model = new Map<string, string>()
  const snapshots: { snapshot: EngineSnapshot; model: Map<string, string> }[] = []
  const release = async () => {
    for (const { snapshot } of snapshots.splice(0)) await snapshot.close()
  }
  for (const step of steps) {
    switch (step.kind) {
      case 'write':
        await engine.write(step.operations)
        model = applied(model, step.operations)
        break
      case 'read':
        await checkReads(engine, model, step.keys, step.range)
        for (const { snapshot, model: frozen } of snapshots)
          await checkReads(snapshot, frozen, step.keys, step.range)
        break
      case 'snapshot':
        snapshots.push({ snapshot: await engine.snapshot(), model })
        break
      case 'releaseSnapshot':
        await release()
        break
      case 'persist':
        await engine.persist()
        break
      case 'reopen':
        await release()
        await engine.close()
        engine = await store.open('group-1')
        break
    }
  }
  await checkReads(engine, model, [...model.keys()], all())
  await release()
  await engine.close()
}

function applied(
  before: ReadonlyMap<string, string>,
  operations: readonly EngineOperation[],
): Map<string, string> {
  const after = new Map(before)
  for (const operation of operations) {
    if (operation.kind === 'put') after.set(operation.key, operation.value)
    else if (operation.kind === 'delete') after.delete(operation.key)
    else for (const key of after.keys()) if (key >= operation.from && key < operation.to) after.delete(key)
  }
  return after
}

async function checkReads(
  reader: EngineReader,
  model: ReadonlyMap<string, string>,
  keys: readonly string[],
  range: KeyRange,
): Promise<void> {
  assert.deepEqual(
    await reader.getMany(keys),
    keys.map((key) => model.get(key) ?? null),
  )
  const inRange = [...model.entries()].filter(([key]) => key >= range.from && key < range.to)
  inRange.sort(([left], [right]) => (left < right ? -1 : 1))
  const expected = inRange.slice(0, range.limit).map(([key, value]) => ({ key, value }))
  assert.deepEqual(await reader.range(range), expected)
}
