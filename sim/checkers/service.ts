/** Whether nodes answer reads and writes of every key, each node for itself. */

import { RedisClient } from '../cluster/redis-client.ts'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import { REDIS_PORT, type SimNode } from '../cluster/sim-node.ts'
import { KEYS_PER_GROUP, keyName } from '../workloads/key-client.ts'
import type { KeyHistory } from '../workloads/key-history.ts'
import { answerOf } from '../workloads/key-model.ts'
import { createSimClock } from '../world/clock.ts'

const RETRY_MS = 50
/** A connection to a machine that is cut off, or a request that it keeps, is given up after this. */
const PATIENCE_MS = 2_000

/** Resolves when one of the nodes serves: where links are cut, some of a majority may reach no leader. */
export async function serveSomewhere(
  cluster: SimCluster,
  nodes: readonly SimNode[],
  histories: readonly KeyHistory[],
  occasion: string,
): Promise<void> {
  let isServed = false
  const isEnough = (): boolean => isServed
  await Promise.any(nodes.map((node) => serveBy(cluster, node, histories, occasion, isEnough)))
  isServed = true
}

/**
 * Resolves when each of the nodes has taken a write and answered a read of all keys. What it read is
 * part of the histories: so is the last word on what was acknowledged.
 */
export async function serveEverything(
  cluster: SimCluster,
  nodes: readonly SimNode[],
  histories: readonly KeyHistory[],
  occasion: string,
): Promise<void> {
  await Promise.all(nodes.map((node) => serveBy(cluster, node, histories, occasion, () => false)))
}

async function serveBy(
  cluster: SimCluster,
  node: SimNode,
  histories: readonly KeyHistory[],
  occasion: string,
  isEnough: () => boolean,
): Promise<void> {
  const name = `${occasion}-${node.host}`
  const clock = createSimClock(cluster.scheduler)
  const client = new RedisClient(cluster.network.attach(name, clock))
  const pause = (): Promise<void> => new Promise((resolve) => clock.setTimer(RETRY_MS, resolve))
  for (const [group, history] of histories.entries()) {
    const keys = Array.from({ length: KEYS_PER_GROUP }, (_, key) => key)
    const names = keys.map((key) => keyName(group, key))
    while (!isEnough()) {
      if (!client.isConnected && !(await client.connect(node.host, REDIS_PORT))) {
        await pause()
        continue
      }
      const timer = clock.setTimer(PATIENCE_MS, () => client.close())
      const written = await client.call('SET', `${occasion}:${node.host}:${group}`, 'x')
      const invocation = history.invoke(name, { kind: 'get', keys })
      const reply = await client.call('MGET', ...names)
      timer.cancel()
      if (reply.kind === 'array') {
        invocation.answered(answerOf(reply))
        if (written.kind === 'status') break
      } else invocation.refused()
      await pause()
    }
  }
  client.close()
}
