/** Random clusters: every invariant of sim/raft/raft-checker.ts after every call, then the proof of life. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runRaftCluster } from '../../sim/raft/raft-cluster.ts'

const SEEDS = 300
const STEPS = 4000

test(`${SEEDS} random clusters keep every promise and recover`, () => {
  const totals = {
    commits: 0,
    elections: 0,
    grants: 0,
    snapshots: 0,
    membershipChanges: 0,
    crashes: 0,
    repairs: 0,
  }
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = runRaftCluster(seed, STEPS)
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += run[key]
  }
  // A simulation in which nothing happens proves nothing.
  for (const [what, count] of Object.entries(totals))
    assert(count > SEEDS / 20, `only ${count} ${what} in all runs`)
})

test('one seed is one run', () => {
  for (const seed of [3, 5, 8]) assert.deepEqual(runRaftCluster(seed, 1000), runRaftCluster(seed, 1000))
})
