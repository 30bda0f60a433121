import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Overlay } from './overlay.ts'

const SEED = 20260102
const KEYS = ['\x00m1', '\x00m2', 'a', 'aa', 'ab', 'b', 'ba', 'c', 'd']

type Act =
  | { readonly kind: 'set'; readonly key: string; readonly value: string | null }
  | { readonly kind: 'clear' | 'begin' | 'end' }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      key: fc.constantFrom(...KEYS),
      value: fc.option(fc.string({ maxLength: 2 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('begin' as const, 'end' as const) }) },
)

/** The engine below: what is flushed arrives at the end of the flush; clearing moves the data out of sight. */
class World {
  readonly overlay = new Overlay()
  readonly truth = new Map<string, string>()
  engine = new Map<string, string>()
  flushing: { data: ReadonlyMap<string, string | null>; meta: ReadonlyMap<string, string | null> } | null =
    null
  wasCleared = false

  do(act: Act): void {
    if (act.kind === 'set') {
      this.overlay.set(act.key, act.value)
      if (act.value === null) this.truth.delete(act.key)
      else this.truth.set(act.key, act.value)
    } else if (act.kind === 'clear') {
      this.overlay.clearData()
      this.wasCleared = true
      for (const key of KEYS) if (!key.startsWith('\x00')) this.truth.delete(key)
      // The engine answers for the new epoch from here on.
      this.engine = new Map([...this.engine].filter(([key]) => key.startsWith('\x00')))
    } else if (act.kind === 'begin' && this.flushing === null) {
      const layer = this.overlay.beginFlush()
      this.flushing = { data: layer.data, meta: layer.meta }
      this.wasCleared = false
    } else if (act.kind === 'end' && this.flushing !== null) {
      for (const [key, value] of this.flushing.meta) this.store(key, value)
      if (!this.wasCleared) for (const [key, value] of this.flushing.data) this.store(key, value)
      this.flushing = null
      this.overlay.endFlush()
    }
  }

  store(key: string, value: string | null): void {
    if (value === null) this.engine.delete(key)
    else this.engine.set(key, value)
  }

  get(key: string): string | null {
    const known = this.overlay.get(key)
    return known !== undefined ? known : (this.engine.get(key) ?? null)
  }

  range(from: string, to: string, limit: number, engineLimit: number) {
    const range = { from, to, limit }
    const below = [...this.engine]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    const found = below.slice(0, engineLimit).map(([key, value]) => ({ key, value }))
    return this.overlay.merge(range, found, found.length < engineLimit)
  }

  expected(from: string, to: string, limit: number) {
    const keys = [...this.truth.keys()].filter((key) => key >= from && key < to).sort()
    return keys.slice(0, limit).map((key) => ({ key, value: this.truth.get(key) as string }))
  }
}

test('overlay over engine reads like one map, through flushes and clearings', () => {
  fc.assert(
    fc.property(
      fc.array(act, { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 8 }),
      (acts, limit, slack) => {
        const world = new World()
        for (const one of acts) {
          world.do(one)
          for (const key of KEYS) assert.equal(world.get(key), world.truth.get(key) ?? null, key)
          for (const [from, to] of [
            ['a', 'b'],
            ['a', 'z'],
            ['\x00m', '\x00n'],
          ] as const) {
            const found = world.range(from, to, limit, limit + slack)
            // Undefined: deletions ate what was read of the engine. Then a longer read must answer.
            if (found !== undefined) assert.deepEqual(found, world.expected(from, to, limit))
            const enough = limit + world.overlay.countIn({ from, to, limit })
            assert.deepEqual(world.range(from, to, limit, enough), world.expected(from, to, limit))
          }
        }
      },
    ),
    { seed: SEED, numRuns: 400 },
  )
})

test('the batch being written stays as it was when all data is cleared meanwhile', () => {
  const overlay = new Overlay()
  overlay.set('a', '1')
  overlay.set('\x00m', '2')
  const layer = overlay.beginFlush()
  overlay.clearData()
  assert.deepEqual([...layer.data], [['a', '1']])
  assert.equal(overlay.get('a'), undefined)
  assert.equal(overlay.get('\x00m'), '2')
  overlay.endFlush()
  assert.equal(overlay.get('\x00m'), undefined)
})

test('counts what it holds, so that its owner can bound it', () => {
  const overlay = new Overlay()
  overlay.set('a', 'x'.repeat(100))
  overlay.set('\x00m', null)
  assert.equal(overlay.activeRecords, 2)
  assert(overlay.activeBytes >= 104)
  overlay.beginFlush()
  assert.equal(overlay.activeRecords, 0)
  assert.equal(overlay.activeBytes, 0)
  assert.equal(overlay.isFlushing, true)
})
