import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SLOT_COUNT } from '../base/ids.ts'
import { hashKey, slotOf } from './slot.ts'

test('slots are those of Redis Cluster', () => {
  // As `CLUSTER KEYSLOT` of redis-server answers them.
  const known: readonly (readonly [string, number])[] = [
    ['', 0],
    ['123456789', 12739],
    ['foo', 12182],
    ['bar', 5061],
    ['{user1000}.following', 3443],
    ['{user1000}.followers', 3443],
    ['user1000', 3443],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
    ['foo{bar', 15278],
    ['}foo{bar}', 5061],
  ]
  for (const [key, slot] of known) assert.equal(slotOf(key), slot, JSON.stringify(key))
})

test('keys with one hash tag share its slot', () => {
  const bytes = fc.string({ unit: 'binary-ascii', maxLength: 12 })
  const tag = bytes.filter((text) => text.length > 0 && !text.includes('}'))
  const property = fc.property(
    bytes.filter((text) => !text.includes('{')),
    tag,
    bytes,
    (before, name, after) => {
      assert.equal(slotOf(`${before}{${name}}${after}`), slotOf(`{${name}}`))
      assert(slotOf(before) < SLOT_COUNT)
    },
  )
  fc.assert(property, { seed: 1 })
})

test('the hash of a key never changes: it is on disk', () => {
  assert.deepEqual(['', 'a', 'foo', 'foo2', '\xff\x00', 'x'.repeat(1000)].map(hashKey), GOLDEN_HASHES)
})

test('the hash spreads keys that differ little', () => {
  const buckets = new Uint32Array(1024)
  const keys = 102_400
  for (let index = 0; index < keys; index++) {
    const bucket = hashKey(`{tag}user:${index}`) >>> 22
    buckets[bucket] = (buckets[bucket] as number) + 1
  }
  const expected = keys / buckets.length
  let chiSquare = 0
  for (const count of buckets) chiSquare += (count - expected) ** 2 / expected
  // 1,023 degrees of freedom: 1,023 expected, 1,250 would be once in 10^6.
  assert(chiSquare < 1_250, `chi square ${chiSquare}`)
})

const GOLDEN_HASHES = [1947474976, 3698182641, 1075104658, 2921982433, 3465590285, 1322171712]
