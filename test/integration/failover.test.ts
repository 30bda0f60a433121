/**
 * Three real processes, clients that write without pause, and a leader that is killed, stopped or
 * frozen. Safety is asserted to the last write; times only so far that a hang fails. What they are is
 * measured by test/nemesis/kill-test.ts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type KillResult, runKills } from '../nemesis/kill-run.ts'
import { powerCutsMissing } from '../nemesis/power-cut/build-shim.ts'
import { type CutCluster, startCutCluster } from '../nemesis/power-cut/cut-cluster.ts'
import { type RealCluster, startCluster } from '../nemesis/real-cluster.ts'

const GAP_MS_MAX = 15_000

const noCuts = await powerCutsMissing()

function assertKeptWord(result: KillResult): void {
  assert.deepEqual([result.lost, result.doubled, result.stale], [[], [], []])
  assert.ok(result.acknowledged > 100, `only ${result.acknowledged} writes were acknowledged`)
  assert.ok(result.keysRead > 0)
  assert.ok(result.gapMs.cluster.max < GAP_MS_MAX, `no write for ${result.gapMs.cluster.max} ms`)
}

describe('failover', () => {
  let cluster: RealCluster
  let cuts: CutCluster | null = null
  before(async () => {
    cuts = noCuts === null ? await startCutCluster({ nodes: 3, seed: 1 }) : null
    cluster = cuts?.cluster ?? (await startCluster({ nodes: 3 }))
  })
  after(() => cluster?.destroy())

  const name = noCuts === null ? 'kill -9 and a power cut of the leader' : `kill -9 of the leader (${noCuts})`
  test(`${name}: nothing acknowledged is lost, nothing happens twice`, async () => {
    const afterKill = cuts?.cut
    const kill = { kills: 3, signal: 'SIGKILL', clients: 8, seed: 1 } as const
    const result = await runKills(cluster, afterKill === undefined ? kill : { ...kill, afterKill })
    assertKeptWord(result)
    assert.deepEqual(result.exits, { SIGKILL: 3 })
  })

  test('SIGTERM of the leader: it ends with code 0 within 5 s, and clients of other nodes see no error', async () => {
    const result = await runKills(cluster, { kills: 1, signal: 'SIGTERM', clients: 8, seed: 2 })
    assertKeptWord(result)
    assert.deepEqual(result.exits, { 'code 0': 1 })
    assert.ok(result.stopMs.max < 5_000, `it took ${result.stopMs.max} ms`)
    assert.equal(result.survivorErrors, 0)
  })

  test('a frozen leader: others take over, and it serves nothing stale when it wakes up', async () => {
    const result = await runKills(cluster, { kills: 1, signal: 'SIGSTOP', clients: 8, seed: 3 })
    assertKeptWord(result)
    assert.ok(
      result.gapMs.cluster.max < 3_000,
      `no write for ${result.gapMs.cluster.max} ms: nobody took over`,
    )
  })
})
