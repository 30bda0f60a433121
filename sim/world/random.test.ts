import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimRandom } from './random.ts'

test('a seed is a run', () => {
  const draw = (seed: number) => {
    const random = createSimRandom(seed)
    return Array.from({ length: 20 }, () => random.u32())
  }
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
})

test('forks do not depend on what was drawn before, and differ from each other', () => {
  const early = createSimRandom(1).fork('n1')
  const parent = createSimRandom(1)
  parent.u32()
  const late = parent.fork('n1')
  assert.equal(early.u32(), late.u32())
  assert.notEqual(createSimRandom(1).fork('n1').u32(), createSimRandom(1).fork('n2').u32())
})

test('next is uniform enough, in [0, 1), with 53 bits', () => {
  const random = createSimRandom('uniform')
  const buckets = new Array<number>(16).fill(0)
  for (let draw = 0; draw < 64_000; draw++) {
    const value = random.next()
    assert(value >= 0 && value < 1)
    buckets[Math.floor(value * 16)]!++
  }
  for (const count of buckets) assert(Math.abs(count - 4000) < 400, `bucket of ${count}`)
})

test('below, between, pick and shuffle stay in their bounds and reach all of them', () => {
  const random = createSimRandom(3)
  const seen = new Set<number>()
  for (let draw = 0; draw < 400; draw++) seen.add(random.between(-2, 2))
  assert.deepEqual(
    [...seen].sort((left, right) => left - right),
    [-2, -1, 0, 1, 2],
  )
  assert.deepEqual(
    random.shuffle([1, 2, 3, 4]).toSorted((left, right) => left - right),
    [1, 2, 3, 4],
  )
  assert([5, 6].includes(random.pick([5, 6])))
  assert.throws(() => random.below(0))
})
