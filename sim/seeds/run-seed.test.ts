import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSeed } from './run-seed.ts'

/** Whole ones take a minute of virtual time and run by themselves: `npm run sim`. */
const SHORT = { durationMs: 6_000 }
const SEEDS = [2_001, 2_002, 2_003]

test('two runs of a seed are the same run, and clients are served', async () => {
  for (const seed of SEEDS) {
    const first = await runSeed(seed, SHORT)
    assert(first.answered > 0, 'no client was served')
    assert.deepEqual(await runSeed(seed, SHORT), first)
  }
})
