/** What the atlas permits: never more than the store promises to survive. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimCluster, formCluster, type SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import { Atlas } from './atlas.ts'

test('one machine of three may be damaged, and another only when it is whole again', () => {
  const { nodes, atlas } = opened(3)
  const [one, other] = nodes as [SimNode, SimNode]
  assert(atlas.permits(one))
  atlas.hurt(one, true)
  assert(atlas.permits(one))
  assert(!atlas.permits(other))
})

test('machines of a cluster of one or two, and of a ruined one, are neither damaged nor replaced', () => {
  for (const count of [1, 2]) {
    const { nodes, atlas } = opened(count)
    for (const node of nodes) assert(!atlas.permits(node))
  }
  // Also one that had the permission before: replaced, it could found another cluster, or join ruins.
  const { nodes, atlas } = opened(3)
  const [victim] = nodes as [SimNode]
  assert(atlas.permits(victim))
  atlas.hurt(victim, true)
  atlas.declareUnrecoverable()
  for (const node of nodes) assert(!atlas.permits(node))
})

test('a shorter harm does not end a longer one that still goes on', async () => {
  const cluster = createSimCluster({ seed: 'overlapping harm', nodes: 3 })
  const atlas = new Atlas(cluster)
  await formCluster(cluster)
  atlas.open()
  const [victim, other] = cluster.nodes as readonly [SimNode, SimNode, SimNode]
  const restart = async (forMs: number): Promise<void> => {
    victim.crash('close', false)
    victim.start()
    await cluster.run(forMs)
  }
  assert(atlas.permits(victim))
  atlas.hurt(victim, true, 20_000)
  await cluster.run(1_000)
  atlas.hurt(victim, false)
  await restart(10_000)
  assert(!atlas.permits(other), 'its disk still loses writes')
  await restart(10_000)
  await restart(10_000)
  assert(atlas.permits(other), 'it is whole again')
})

function opened(nodes: number): { readonly nodes: SimCluster['nodes']; readonly atlas: Atlas } {
  const cluster = createSimCluster({ seed: 'atlas', nodes })
  const atlas = new Atlas(cluster)
  atlas.open()
  return { nodes: cluster.nodes, atlas }
}
