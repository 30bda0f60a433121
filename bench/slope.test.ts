import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitLine } from './slope.ts'

test('a line is found, and how certain it is', () => {
  const exact = fitLine([0, 1, 2, 3].map((at) => ({ at, value: 5 + 2 * at })))
  assert.deepEqual([exact.mean, exact.slope], [8, 2])
  assert(exact.uncertainty < 1e-9)
  const noisy = fitLine([0, 1, 2, 3, 4, 5].map((at) => ({ at, value: 100 + (at % 2) * 10 })))
  assert(Math.abs(noisy.slope) < noisy.uncertainty, 'noise is no growth')
})

test('points that have no line are refused', () => {
  assert.throws(() => fitLine([{ at: 1, value: 1 }]), /three points/)
  assert.throws(() => fitLine([1, 2, 3].map((value) => ({ at: 1, value }))), /one place/)
})
