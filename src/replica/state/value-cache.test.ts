import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ValueCache } from './value-cache.ts'

const SEED = 20260101
const KIB = 1024

const KEYS = [
  'a',
  'b',
  'c',
  'd',
  'e',
  'f',
  'g',
  'k'.repeat(60),
  '\x00\xff\x80',
  '',
  'ab',
  'abc',
  'abcd',
  'abcde',
]

test('what it knows is always the last value it was told, and never more than its bound', () => {
  const key = fc.constantFrom(...KEYS)
  const length = fc.option(fc.oneof(fc.constantFrom(0, 7, 8), fc.integer({ min: 0, max: 400 })))
  const act = fc.oneof(
    fc.record({ kind: fc.constant('set'), key, length }),
    fc.record({ kind: fc.constant('set'), key, length }),
    fc.record({ kind: fc.constantFrom('get', 'peek', 'delete'), key, length: fc.constant(0) }),
    fc.record({ kind: fc.constant('clear'), key, length: fc.constant(0) }),
  )
  const bound = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 20_000 }))
  fc.assert(
    fc.property(bound, fc.array(act, { maxLength: 200, size: 'max' }), (bytesMax, acts) => {
      const cache = new ValueCache(bytesMax)
      const truth = new Map<string, string | null>()
      let serial = 0
      for (const { kind, key, length } of acts) {
        if (kind === 'set') {
          serial += 1
          const value = length === null ? null : String(serial).padEnd(length, '.').slice(0, length)
          cache.set(key, value)
          truth.set(key, value)
        } else if (kind === 'delete') {
          cache.delete(key)
          truth.delete(key)
        } else if (kind === 'clear' && serial % 7 === 0) {
          cache.clear()
          truth.clear()
        } else if (kind === 'get') cache.get(key)
        for (const known of [...truth.keys(), key]) {
          const value = cache.peek(known)
          assert.equal(cache.has(known), value !== undefined)
          if (value !== undefined) assert.equal(value, truth.get(known))
        }
        assert(cache.bytes <= bytesMax, `${cache.bytes} of ${bytesMax}`)
      }
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('many times more than fits: what is found is right, the bound holds, most of it is in use', () => {
  const bytesMax = 4 * KIB * KIB
  const cache = new ValueCache(bytesMax)
  const truth = new Map<string, string | null>()
  let state = SEED
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  let found = 0
  for (let step = 0; step < 200_000; step++) {
    const key = `bench:key:${String(draw(60_000)).padStart(12, '0')}`
    const value = cache.get(key)
    if (value !== undefined) {
      assert.equal(value, truth.get(key))
      found += 1
    }
    if (step % 97 === 0) {
      cache.delete(key)
      truth.delete(key)
    } else if (value === undefined || step % 5 === 0) {
      const next =
        step % 31 === 0 ? null : String(step).padEnd(100 + draw(step % 1_009 === 0 ? 70_000 : 100), '.')
      cache.set(key, next)
      truth.set(key, next)
    }
    assert(cache.bytes <= bytesMax)
  }
  assert(cache.bytes > bytesMax * 0.9, `${cache.bytes}`)
  // About a third of the keys fit, and each is as likely to be asked for as any other.
  assert(found > 40_000, `${found}`)
})

test('a million short values take little more than their bytes', () => {
  const cache = new ValueCache(1_024 * KIB * KIB)
  const keys = 100_000
  const value = 'v'.repeat(137)
  for (let at = 0; at < keys; at++)
    cache.set(`dss\x00\x00\x00\x16bench:key:${String(at).padStart(12, '0')}`, value)
  for (let at = 0; at < keys; at += 1_000)
    assert.equal(cache.get(`dss\x00\x00\x00\x16bench:key:${String(at).padStart(12, '0')}`), value)
  const each = cache.bytes / keys - value.length - 29
  assert(each < 40, `${each} bytes for each value besides its own and its key's`)
})

test('a value that was overwritten is not found again in its old form', () => {
  const cache = new ValueCache(4_000)
  cache.set('k', 'old')
  cache.set('filler', 'x'.repeat(300))
  cache.set('turns', 'x'.repeat(300))
  cache.set('k', 'new')
  for (let at = 0; at < 50; at++) {
    assert.notEqual(cache.get('k'), 'old')
    cache.set(`filler ${at}`, 'x'.repeat(at % 2 === 0 ? 30 : 300))
  }
})

test('a value too large to be kept makes what was known before unknown', () => {
  const cache = new ValueCache(1_000)
  cache.set('k', 'small')
  assert.equal(cache.get('k'), 'small')
  cache.set('k', 'x'.repeat(5_000))
  assert.equal(cache.get('k'), undefined)
})

for (const [what, bytes] of [
  ['short', 30],
  ['long', 100],
] as const) {
  test(`a value that is used stays, one that is not used goes: beside ${what} values`, () => {
    const cache = new ValueCache(4_000)
    cache.set('hot', 'h')
    cache.set('hot and long', 'h'.repeat(150))
    cache.set('cold', 'c')
    for (let at = 0; at < 500; at++) {
      cache.set(`filler ${at}`, 'x'.repeat(bytes))
      assert.equal(cache.get('hot'), 'h')
      assert.equal(cache.get('hot and long'), 'h'.repeat(150))
    }
    assert.equal(cache.get('cold'), undefined)
  })
}

test('absence is remembered, and forgotten by clear', () => {
  const cache = new ValueCache(1_000)
  cache.set('k', null)
  assert.equal(cache.get('k'), null)
  cache.clear()
  assert.equal(cache.get('k'), undefined)
  assert.equal(cache.bytes, 0)
})
