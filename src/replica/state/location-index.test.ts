import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashOf, LocationIndex, NOWHERE } from './location-index.ts'

const SEED = 20260121

/** Location n is that of the n-th key. */
function withKeys(keys: readonly string[], tableBits: number): LocationIndex {
  return new LocationIndex({ isKeyAt: (location, key) => keys[location] === key }, tableBits)
}

test('finds what was inserted and not removed, however the hashes fall on each other', () => {
  const keys = Array.from({ length: 60 }, (_, at) => `key ${at}`)
  // Few hashes, close together and at both ends: long runs, around the end of a table too.
  const hash = fc.constantFrom(0, 1, 2, 6, 7, 0xffff_ffff, 0x8000_0000)
  const acts = fc.array(fc.record({ at: fc.integer({ min: 1, max: 59 }), isRemoval: fc.boolean() }), {
    maxLength: 300,
    size: 'max',
  })
  fc.assert(
    fc.property(
      fc.array(hash, { minLength: 60, maxLength: 60 }),
      acts,
      fc.constantFrom(0, 2),
      (hashes, all, bits) => {
        const index = withKeys(keys, bits)
        const inside = new Set<number>()
        for (const { at, isRemoval } of all) {
          const key = keys[at] as string
          const hashed = hashes[at] as number
          if (isRemoval) assert.equal(index.remove(hashed, key), inside.delete(at))
          else if (!inside.has(at)) {
            index.prepare(hashed)
            assert(index.insert(hashed, at))
            inside.add(at)
          }
          for (let other = 1; other < keys.length; other++) {
            const found = index.find(hashes[other] as number, keys[other] as string)
            assert.equal(found, inside.has(other) ? other : NOWHERE)
          }
        }
      },
    ),
    { seed: SEED, numRuns: 60 },
  )
})

test('keys that all have one hash are refused beyond a limit, and the others are not slowed down', () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `key ${at}`)
  let compared = 0
  const index = new LocationIndex(
    {
      isKeyAt: (location, key) => {
        compared += 1
        return keys[location] === key
      },
    },
    4,
  )
  let taken = 0
  for (let at = 1; at < keys.length; at++) {
    index.prepare(42)
    if (index.insert(42, at)) taken += 1
  }
  assert(taken >= 64, `${taken}`)
  assert(index.bytes <= 64 * 1_024, `${index.bytes} bytes`)
  compared = 0
  assert.equal(index.find(42, 'another'), NOWHERE)
  assert(compared <= 64, `${compared}`)
})

test('keys that differ in little fall on all tables and places alike', () => {
  const tables = new Uint32Array(256)
  const places = new Uint32Array(256)
  const keys = 256 * 200
  for (let at = 0; at < keys; at++) {
    const hash = hashOf(`d\x12\x34\x00\x00\x00\x16bench:key:${String(at).padStart(12, '0')}`)
    tables[hash >>> 24] = (tables[hash >>> 24] as number) + 1
    places[hash & 0xff] = (places[hash & 0xff] as number) + 1
  }
  for (const count of [...tables, ...places]) assert(count > 120 && count < 280, `${count} instead of 200`)
})
