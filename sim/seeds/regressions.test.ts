/**
 * What whole clusters once did wrong in runs from random seeds, as stories of their own: a seed tells
 * another story as soon as anything that is drawn changes.
 *
 * Told elsewhere: a founder that crashes early (start-crashes.test.ts); logs and engines that are
 * lost (lost-files.test.ts); damage of frames and logs (beside their sources).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_GROUP_OPTIONS } from '../../src/replica/group-options.ts'
import { createSimCluster, formCluster, type SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import { missingAt, NumberedWriter } from '../workloads/numbered-writer.ts'
import { driveUntilSettled } from '../world/drive.ts'

const SERVING_MS = 20_000
/** Nothing fits: whatever is not being written right now is read from the engine. */
const NO_CACHE = { store: { ...DEFAULT_GROUP_OPTIONS.store, flushRecords: 1, cacheBytes: 0 } }

async function write(cluster: SimCluster, count: number): Promise<readonly number[]> {
  const hosts = cluster.nodes.filter((node) => node.isUp).map((node) => node.host)
  const writer = new NumberedWriter(cluster, `writer ${cluster.scheduler.nowMs}`, hosts)
  await cluster.runUntil('writes', () => writer.acknowledged.length >= count, SERVING_MS)
  writer.stop()
  await driveUntilSettled(cluster.scheduler, () => writer.done)
  return writer.acknowledged
}

async function assertServes(cluster: SimCluster, node: SimNode, numbers: readonly number[]): Promise<void> {
  const missing = await driveUntilSettled(cluster.scheduler, () => missingAt(cluster, node.host, numbers))
  assert.deepEqual(missing, [])
}

function leaderOf(cluster: SimCluster): SimNode {
  const leader = cluster.nodes.find((node) => node.replicas.some(({ raft }) => raft.role === 'leader'))
  assert(leader !== undefined)
  return leader
}

test('a catalog too large for the cache is read all the same', async () => {
  const cluster = createSimCluster({ seed: 'large catalog', nodes: 7, node: { groupOptions: NO_CACHE } })
  await formCluster(cluster)
  const numbers = await write(cluster, 20)
  for (const node of cluster.nodes) await assertServes(cluster, node, numbers)
})

test('after a cold start the members find each other', async () => {
  const cluster = createSimCluster({ seed: 'cold start', nodes: 3, node: { groupOptions: NO_CACHE } })
  await formCluster(cluster)
  const numbers = await write(cluster, 20)
  for (const node of cluster.nodes) node.crash('nothing', true)
  await cluster.run(1_000)
  for (const node of cluster.nodes) node.start()
  for (const node of cluster.nodes) await assertServes(cluster, node, numbers)
})

test('a write that is on its way to a leader that dies is answered', async () => {
  const cluster = createSimCluster({ seed: 'gone leader', nodes: 3 })
  await formCluster(cluster)
  for (let round = 0; round < 5; round++) {
    const leader = leaderOf(cluster)
    const gateway = cluster.nodes.find((node) => node !== leader)
    assert(gateway !== undefined)
    const writer = new NumberedWriter(cluster, `writer ${round}`, [gateway.host])
    await cluster.runUntil('writes', () => writer.acknowledged.length >= 10, SERVING_MS)
    leader.crash('nothing', true)
    await cluster.runUntil('more writes', () => writer.acknowledged.length >= 20, SERVING_MS)
    writer.stop()
    await driveUntilSettled(cluster.scheduler, () => writer.done)
    leader.start()
    await assertServes(cluster, leader, writer.acknowledged)
  }
})
