import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeReplicaId } from '../base/ids.ts'
import { makeLogIndex } from '../base/log-entry.ts'
import { DivergenceDetector } from './divergence-detector.ts'

const VOTERS = [1, 2, 3].map(makeReplicaId)
const at = makeLogIndex(5)

function record(detector: DivergenceDetector, from: number, digest: string, index = at, voters = VOTERS) {
  return detector.record(index, makeReplicaId(from), digest, voters)
}

test('agreement is known when all have spoken', () => {
  const detector = new DivergenceDetector()
  assert.equal(record(detector, 1, 'x'), null)
  assert.equal(record(detector, 2, 'x'), null)
  assert.deepEqual(record(detector, 3, 'x'), { kind: 'agreed', index: at })
})

test('the minority is named as soon as a majority agrees, whatever the order', () => {
  for (const order of [
    [1, 2, 3],
    [3, 1, 2],
    [2, 3, 1],
  ]) {
    const detector = new DivergenceDetector()
    const verdicts = order.map((from) => record(detector, from, from === 3 ? 'wrong' : 'right'))
    const named = verdicts.find((verdict) => verdict?.kind === 'diverged')
    assert.deepEqual(named, { kind: 'diverged', index: at, minority: [3] })
  }
})

test('a learner that differs is named too, and counts for no majority', () => {
  const detector = new DivergenceDetector()
  assert.equal(record(detector, 9, 'wrong'), null)
  assert.equal(record(detector, 8, 'wrong'), null)
  assert.equal(record(detector, 1, 'right'), null)
  assert.deepEqual(record(detector, 2, 'right'), { kind: 'diverged', index: at, minority: [8, 9] })
})

test('without a majority nobody can tell, and only when all have spoken', () => {
  const detector = new DivergenceDetector()
  assert.equal(record(detector, 1, 'x'), null)
  assert.equal(record(detector, 2, 'y'), null)
  assert.deepEqual(record(detector, 3, 'z'), { kind: 'undecidable', index: at })
  const two = VOTERS.slice(0, 2)
  const pair = new DivergenceDetector()
  assert.equal(record(pair, 1, 'x', at, two), null)
  assert.deepEqual(record(pair, 2, 'y', at, two), { kind: 'undecidable', index: at })
})

test('a replica that does not know the voters yet concludes nothing', () => {
  assert.equal(record(new DivergenceDetector(), 1, 'x', at, []), null)
})

test('two indexes are never mixed up, and old comparisons are forgotten', () => {
  const detector = new DivergenceDetector()
  for (let index = 1; index <= 100; index++) {
    assert.equal(record(detector, 1, `state ${index}`, makeLogIndex(index)), null)
  }
  // Too late: that comparison was given up.
  assert.equal(record(detector, 2, 'other', makeLogIndex(1)), null)
  assert.equal(record(detector, 3, 'other', makeLogIndex(1)), null)
  assert.equal(record(detector, 2, 'state 100', makeLogIndex(100)), null)
  assert.equal(record(detector, 3, 'state 100', makeLogIndex(100))?.kind, 'agreed')
})
