import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createProgressJudge, MAX_SAMPLE_GAP_MS, type ProgressSample } from './progress-judge.ts'

const LIMITS = { mainLimitMs: 1_000, logLimitMs: 3_000 }

function sample(nowMs: number, beats: number, logBegun = 0, logFinished = 0): ProgressSample {
  return { nowMs, beats, logBegun, logFinished }
}

describe('the main loop', () => {
  test('is alive while it counts, wedged after the limit, alive at once when it counts again', () => {
    const judge = createProgressJudge(LIMITS)
    for (let nowMs = 0; nowMs <= 1_000; nowMs += 100) {
      assert.equal(judge.judge(sample(nowMs, nowMs)).kind, 'alive')
    }
    for (let nowMs = 1_100; nowMs <= 2_000; nowMs += 100) {
      assert.equal(judge.judge(sample(nowMs, 1_000)).kind, 'alive', `${nowMs}`)
    }
    assert.deepEqual(judge.judge(sample(2_001, 1_000)), { kind: 'wedged', part: 'main loop', stuckMs: 1_001 })
    assert.equal(judge.judge(sample(2_100, 1_001)).kind, 'alive')
  })

  test('is not blamed for a time in which the judge was absent too', () => {
    const judge = createProgressJudge(LIMITS)
    judge.judge(sample(0, 1))
    assert.equal(judge.judge(sample(60_000, 1)).kind, 'alive')
    assert.equal(judge.judge(sample(60_000 + MAX_SAMPLE_GAP_MS, 1)).kind, 'alive')
    assert.equal(judge.judge(sample(61_000, 1)).kind, 'alive')
    assert.equal(judge.judge(sample(61_001, 1)).kind, 'wedged')
  })
})

describe('the log', () => {
  test('owes nothing while idle, and progress while something is on its way', () => {
    const judge = createProgressJudge(LIMITS)
    let nowMs = 0
    const at = (begun: number, finished: number): string => {
      nowMs += 400
      return judge.judge(sample(nowMs, nowMs, begun, finished)).kind
    }
    for (let round = 0; round < 20; round++) assert.equal(at(7, 7), 'alive')
    for (let round = 0; round < 20; round++) assert.equal(at(9 + round, 7 + round), 'alive', 'busy is alive')
    for (let round = 0; round < 7; round++) assert.equal(at(30, 26), 'alive')
    assert.equal(at(31, 26), 'wedged', 'more begun is no progress')
    assert.equal(at(31, 27), 'alive')
  })
})
