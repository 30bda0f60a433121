import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchEnd } from './batch-end.ts'

test('a batch ends at the count or the bytes, whatever comes first, and has one at least', () => {
  const items = [5, 5, 100, 1, 1].map((bytes) => ({ bytes }))
  const ends = (countMax: number, bytesMax: number): number[] =>
    items.map((_, from) => batchEnd(items, from, countMax, bytesMax))
  assert.deepEqual(ends(2, 1_000), [2, 3, 4, 5, 5])
  assert.deepEqual(ends(10, 10), [2, 2, 3, 5, 5])
  assert.deepEqual(ends(10, 1), [1, 2, 3, 4, 5])
  assert.equal(batchEnd(items, 5, 2, 10), 5)
})
