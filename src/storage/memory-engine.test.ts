import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { del, engineSuite, put } from '../../test/conformance/engine-suite.ts'
import { EngineFault } from '../env/engine.ts'
import type { Random } from '../env/random.ts'
import { createMemoryEngineStore } from './memory-engine.ts'
import { MemoryTable } from './memory-table.ts'

engineSuite('memory', {
  makeStore: async () => ({ store: createMemoryEngineStore(), dispose: async () => {} }),
  propertyRuns: 300,
})

function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const u32 = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return ((state >>> 16) | (state << 16)) >>> 0
  }
  return { u32, next: () => u32() / 2 ** 32 }
}

const ALL = { from: '', to: '\xff\xff', limit: 1_000_000 }

describe('a crash of the memory engine', () => {
  it('keeps what was persisted and a prefix of what came after, whatever the seed', async () => {
    const kept = new Set<number>()
    for (let seed = 1; seed <= 60; seed++) {
      const store = createMemoryEngineStore({ random: seededRandom(seed) })
      const engine = await store.open('g')
      for (let batch = 1; batch <= 10; batch++) {
        await engine.write([put('applied', String(batch)), put(`k${batch}`, 'x')])
        if (batch === 4) await engine.persist()
      }
      store.crash()
      const again = await store.open('g')
      const applied = Number((await again.getMany(['applied']))[0])
      assert(applied >= 4 && applied <= 10)
      kept.add(applied)
      const rows = await again.range({ from: 'k', to: 'l', limit: 100 })
      assert.equal(rows.length, applied)
    }
    assert.equal(kept.size, 7)
  })

  it('is the same for the same seed, and may come again before the next persist', async () => {
    const run = async (seed: number) => {
      const store = createMemoryEngineStore({ random: seededRandom(seed) })
      const seen: unknown[] = []
      for (let round = 0; round < 5; round++) {
        const engine = await store.open('g')
        seen.push(await engine.range(ALL))
        for (let batch = 0; batch < 5; batch++) await engine.write([put(`${round}-${batch}`, 'x')])
        store.crash()
      }
      return seen
    }
    assert.deepEqual(await run(7), await run(7))
    assert.notDeepEqual(await run(7), await run(8))
  })

  it('loses nothing after a clean close', async () => {
    const store = createMemoryEngineStore({ random: seededRandom(3) })
    const engine = await store.open('g')
    await engine.write([put('a', '1'), del('b')])
    await engine.close()
    store.crash()
    assert.deepEqual(await (await store.open('g')).getMany(['a']), ['1'])
  })

  it('never settles the promises of the engine that died', async () => {
    const store = createMemoryEngineStore({ random: seededRandom(3) })
    const engine = await store.open('g')
    const snapshot = await engine.snapshot()
    let settled = 0
    const count = () => settled++
    engine.write([put('a', '1')]).then(count, count)
    engine.getMany(['a']).then(count, count)
    store.crash()
    engine.persist().then(count, count)
    engine.close().then(count, count)
    snapshot.getMany(['a']).then(count, count)
    for (let turn = 0; turn < 50; turn++) await Promise.resolve()
    assert.equal(settled, 0)
  })
})

describe('an injected fault of the memory engine', () => {
  it('ends writing until the engine is opened again; the outcome is all or nothing', async () => {
    const outcomes = new Set<unknown>()
    for (let seed = 1; seed <= 20; seed++) {
      let failing = false
      const fault = new EngineFault('io', 'g', 'no space left', { errno: 'ENOSPC' })
      const store = createMemoryEngineStore({
        random: seededRandom(seed),
        faultFor: (call) => (failing && call === 'write' ? fault : null),
      })
      const engine = await store.open('g')
      await engine.write([put('a', '1')])
      failing = true
      await assert.rejects(engine.write([put('a', '2'), put('b', '2')]), fault)
      failing = false
      await assert.rejects(engine.write([put('c', '3')]), fault)
      await assert.rejects(engine.persist(), fault)
      assert.deepEqual(await engine.getMany(['a', 'b']), ['1', null])
      await engine.close()
      const again = await store.open('g')
      const [a, b, c] = await again.getMany(['a', 'b', 'c'])
      assert.equal(c, null)
      assert(a === '1' ? b === null : a === '2' && b === '2')
      outcomes.add(a)
      await again.write([put('c', '4')])
      await again.close()
    }
    assert.deepEqual(outcomes, new Set(['1', '2']))
  })

  it('of a read changes nothing', async () => {
    let failing = true
    const fault = new EngineFault('corruption', 'g/000007.sst', 'block checksum mismatch')
    const store = createMemoryEngineStore({
      faultFor: (call) => (failing && call === 'getMany' ? fault : null),
    })
    const engine = await store.open('g')
    await engine.write([put('a', '1')])
    await assert.rejects(engine.getMany(['a']), fault)
    failing = false
    assert.deepEqual(await engine.getMany(['a']), ['1'])
    await engine.write([put('a', '2')])
  })
})

describe('MemoryTable', () => {
  it('agrees with a sorted map through splits, forks and range deletions', () => {
    const random = seededRandom(11)
    let table = new MemoryTable()
    const model = new Map<string, string>()
    const forks: { table: MemoryTable; rows: string }[] = []
    for (let step = 0; step < 60_000; step++) {
      const key = String(random.u32() % 20_000).padStart(5, '0')
      if (step % 10 < 8) {
        table.put(key, String(step))
        model.set(key, String(step))
      } else {
        table.delete(key)
        model.delete(key)
      }
      if (step % 10_000 === 5_000) {
        const to = key + '\xff'
        const from = String(Math.max(0, Number(key) - 1500)).padStart(5, '0')
        table.deleteRange(from, to)
        for (const each of model.keys()) if (each >= from && each < to) model.delete(each)
        forks.push({ table: table.fork(), rows: JSON.stringify(table.range('', '\xff', 1e9)) })
        if (step > 30_000) table = table.fork()
      }
    }
    const sorted = [...model]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, value]) => ({ key, value }))
    assert.deepEqual(table.range('', '\xff', 1e9), sorted)
    assert.equal(table.size, sorted.length)
    for (const fork of forks) assert.equal(JSON.stringify(fork.table.range('', '\xff', 1e9)), fork.rows)
  })

  it('survives being emptied', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2000), { maxLength: 1500 }), (numbers) => {
        const table = new MemoryTable()
        for (const number of numbers) table.put(String(number), 'x')
        table.deleteRange('', '\xff')
        assert.equal(table.size, 0)
        table.put('a', '1')
        assert.deepEqual(table.range('', '\xff', 10), [{ key: 'a', value: '1' }])
      }),
      { seed: 5, numRuns: 20 },
    )
  })
})
