import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REGRESSION_SEEDS } from './regression-seeds.ts'
import { runSeed } from './run-seed.ts'

const FRESH_SEEDS = [2_001, 2_002, 2_003, 2_004]

test('seeds that once showed a bug', async (t) => {
  for (const [seed, story] of REGRESSION_SEEDS) {
    await t.test(`${seed}: ${story}`, async () => {
      const { answered, unknown } = await runSeed(seed)
      assert(answered + unknown > 0, 'no client was served')
    })
  }
})

test('two runs of a seed are the same run', async () => {
  for (const seed of FRESH_SEEDS) {
    const first = await runSeed(seed)
    assert.deepEqual(await runSeed(seed), first)
  }
})
