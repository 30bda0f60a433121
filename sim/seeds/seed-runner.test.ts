import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRunners } from './seed-runner.ts'

/** One node: the quickest. */
const SEED = 14

test('a seed in a process of its own is the same run as in this one', async () => {
  const runners = [...createRunners(1), ...createRunners(2)]
  assert.equal(runners.length, 3)
  try {
    const [here, there] = await Promise.all(runners.slice(0, 2).map((runner) => runner.run(SEED)))
    assert.equal(here?.kind, 'passed')
    assert.deepEqual(there, here)
  } finally {
    for (const runner of runners) runner.close()
  }
})

test('jobs are a whole number', () => {
  assert.throws(() => createRunners(0), /--jobs 0/)
  assert.throws(() => createRunners(1.5), /--jobs 1.5/)
})
