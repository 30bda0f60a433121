/** The clients that people use, connected to a node that is killed and started again: they come back by themselves. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { NodeProcess } from '../nemesis/node-process.ts'
import { type RealCluster, startCluster } from '../nemesis/real-cluster.ts'

const QUEUED = 200

describe('reconnecting clients', () => {
  let cluster: RealCluster
  before(async () => {
    cluster = await startCluster({ nodes: 3 })
  })
  after(() => cluster?.destroy())

  test('ioredis, connected to the leader: what is queued meanwhile is carried out, in order', async () => {
    const node = await cluster.leader()
    const client = new Redis({ ...node.redis, maxRetriesPerRequest: null, retryStrategy: () => 50 })
    client.on('error', () => {})
    try {
      assert.equal(await client.set('ioredis:k', '1'), 'OK')
      await killAndQueue(
        node,
        () => client.status !== 'ready',
        async () => {
          const queued = Array.from({ length: QUEUED }, (_, at) => client.append('ioredis:log', `${at},`))
          return Promise.all(queued)
        },
      )
      assert.equal(await client.get('ioredis:k'), '1')
      assert.equal(await client.get('ioredis:log'), inOrder())
    } finally {
      client.disconnect()
    }
  })

  test('node-redis, connected to a follower: likewise', async () => {
    await cluster.untilSettled()
    const leader = await cluster.leader()
    const node = cluster.nodes.find((other) => other !== leader) ?? assert.fail('no follower')
    const client = createClient({ socket: { ...node.redis, reconnectStrategy: 50 } })
    client.on('error', () => {})
    await client.connect()
    try {
      assert.equal(await client.set('node-redis:k', '1'), 'OK')
      await killAndQueue(
        node,
        () => !client.isReady,
        async () => {
          const queued = Array.from({ length: QUEUED }, (_, at) => client.append('node-redis:log', `${at},`))
          return Promise.all(queued)
        },
      )
      assert.equal(await client.get('node-redis:k'), '1')
      assert.equal(await client.get('node-redis:log'), inOrder())
    } finally {
      client.destroy()
    }
  })
})

/** The queue is filled once the client knows that its connection is gone: so nothing of it was sent twice. */
async function killAndQueue(
  node: NodeProcess,
  isDisconnected: () => boolean,
  queue: () => Promise<readonly unknown[]>,
): Promise<void> {
  await node.kill()
  while (!isDisconnected()) await new Promise((resolve) => setTimeout(resolve, 5))
  const answers = queue()
  await node.start()
  assert.equal((await answers).length, QUEUED)
}

function inOrder(): string {
  return Array.from({ length: QUEUED }, (_, at) => `${at},`).join('')
}
