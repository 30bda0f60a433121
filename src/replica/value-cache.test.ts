import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ValueCache } from './value-cache.ts'

const SEED = 20260101

test('what it knows is always the last value it was told, and never more than its bound', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')
  const act = fc.oneof(
    fc.record({ kind: fc.constant('set'), key, length: fc.option(fc.integer({ min: 0, max: 400 })) }),
    fc.record({ kind: fc.constant('get'), key, length: fc.constant(0) }),
    fc.record({ kind: fc.constant('delete'), key, length: fc.constant(0) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2000 }), fc.array(act, { maxLength: 120 }), (bound, acts) => {
      const cache = new ValueCache(bound)
      const truth = new Map<string, string | null>()
      let serial = 0
      for (const { kind, key, length } of acts) {
        if (kind === 'set') {
          serial += 1
          const value = length === null ? null : String(serial).padEnd(length, '.')
          cache.set(key, value)
          truth.set(key, value)
        } else if (kind === 'delete') {
          cache.delete(key)
          truth.delete(key)
        }
        const known = cache.get(key)
        if (known !== undefined) assert.equal(known, truth.get(key))
        assert(cache.bytes <= bound, `${cache.bytes} of ${bound}`)
      }
    }),
    { seed: SEED, numRuns: 500 },
  )
})

test('a value overwritten after a generation turned is not found again in its old form', () => {
  const cache = new ValueCache(1000)
  cache.set('k', 'old')
  cache.set('filler', 'x'.repeat(300))
  cache.set('turns', 'x'.repeat(300))
  cache.set('k', 'new')
  for (let at = 0; at < 5; at++) {
    assert.notEqual(cache.get('k'), 'old')
    cache.set(`filler ${at}`, 'x'.repeat(300))
  }
})

test('a value too large to be kept makes what was known before unknown', () => {
  const cache = new ValueCache(1000)
  cache.set('k', 'small')
  cache.set('k', 'x'.repeat(5000))
  assert.equal(cache.get('k'), undefined)
})

test('a value used in every generation stays, one that is not used goes', () => {
  const cache = new ValueCache(4000)
  cache.set('hot', 'h')
  cache.set('cold', 'c')
  for (let at = 0; at < 200; at++) {
    cache.set(`filler ${at}`, 'x'.repeat(100))
    assert.equal(cache.get('hot'), 'h')
  }
  assert.equal(cache.get('cold'), undefined)
})

test('absence is remembered, and forgotten by clear', () => {
  const cache = new ValueCache(1000)
  cache.set('k', null)
  assert.equal(cache.get('k'), null)
  cache.clear()
  assert.equal(cache.get('k'), undefined)
  assert.equal(cache.bytes, 0)
})
