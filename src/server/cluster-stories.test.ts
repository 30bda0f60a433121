/** Whole nodes in the simulated world, one story each: what a client and an operator see when things go wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClientReply, RedisClient } from '../../sim/cluster/redis-client.ts'
import { createSimCluster, formCluster, type SimCluster } from '../../sim/cluster/sim-cluster.ts'
import { PEER_PORT, REDIS_PORT, type SimNode } from '../../sim/cluster/sim-node.ts'
import { createSimClock } from '../../sim/world/clock.ts'
import { StorageError } from '../base/errors.ts'
import { makeNodeId } from '../base/ids.ts'
import type { NodeFacts } from '../cluster/cluster-machine.ts'
import { Transport } from '../replica/transport/transport.ts'
import { joinCluster } from './control/join-request.ts'
import type { NodeStatus } from './node-status.ts'

const SEED = 1

type Story = {
  readonly cluster: SimCluster
  client(to: SimNode): Promise<RedisClient>
  /** Lets time pass until the promise settles. */
  settle<Value>(what: string, promise: Promise<Value>, limitMs?: number): Promise<Value>
  leader(group?: number): SimNode
  followers(group?: number): SimNode[]
}

async function tell(nodes: number): Promise<Story> {
  const cluster = createSimCluster({ seed: SEED, nodes })
  await formCluster(cluster)
  // The last change of members reaches the followers.
  await cluster.run(500)
  let clients = 0
  const settle: Story['settle'] = async (what, promise, limitMs = 30_000) => {
    let isSettled = false
    const settled = promise.finally(() => {
      isSettled = true
    })
    settled.catch(() => {})
    await cluster.runUntil(what, () => isSettled, limitMs)
    return settled
  }
  const isLeading = (node: SimNode, gid: number): boolean =>
    node.running?.status().groups.find((group) => group.gid === gid)?.local?.role === 'leader'
  return {
    cluster,
    settle,
    client: async (to) => {
      clients += 1
      const client = new RedisClient(
        cluster.network.attach(`client-${clients}`, createSimClock(cluster.scheduler)),
      )
      assert.ok(await settle('a client connects', client.connect(to.host, REDIS_PORT)))
      return client
    },
    leader: (gid = 1) =>
      cluster.nodes.find((node) => isLeading(node, gid)) ?? assert.fail(`group ${gid} has no leader`),
    followers: (gid = 1) => cluster.nodes.filter((node) => node.isUp && !isLeading(node, gid)),
  }
}

const count = (value: number): ClientReply => ({ kind: 'integer', value })
const statusOf = (node: SimNode): NodeStatus => (node.running ?? assert.fail(`${node.host} is down`)).status()
const votersOf = (node: SimNode, gid: number): readonly number[] =>
  (statusOf(node).groups.find((group) => group.gid === gid)?.replicas ?? [])
    .filter(({ role }) => role === 'voter')
    .map(({ replicaId }) => replicaId)

test('every node takes reads and writes, also one without a replica of the keys', async () => {
  const story = await tell(4)
  let expected = 0
  for (const node of story.cluster.nodes) {
    const client = await story.client(node)
    for (let again = 0; again < 3; again++) {
      expected += 1
      assert.deepEqual(await story.settle('INCR', client.call('INCR', 'n')), count(expected))
      const read = await story.settle('GET', client.call('GET', 'n'))
      assert.deepEqual(read, { kind: 'bulk', text: String(expected) })
    }
  }
})

test('while there is no leader a command waits, and is answered as soon as there is one', async () => {
  const story = await tell(3)
  const [gateway] = story.followers() as [SimNode]
  const client = await story.client(gateway)
  story.leader().crash('nothing', true)
  const beforeMs = story.cluster.scheduler.nowMs
  assert.deepEqual(await story.settle('INCR', client.call('INCR', 'n')), count(1))
  const tookMs = story.cluster.scheduler.nowMs - beforeMs
  assert.ok(tookMs > 50 && tookMs < 1_500, `${tookMs} ms`)
})

test('cut off from the others, a follower says after the deadline that nothing was changed', async () => {
  const story = await tell(3)
  const [alone] = story.followers() as [SimNode]
  const client = await story.client(alone)
  await cutOff(story, alone)
  await story.cluster.run(1_000)
  const beforeMs = story.cluster.scheduler.nowMs
  const reply = await story.settle('SET', client.call('SET', 'k', 'v'))
  assert.ok(reply.kind === 'error')
  assert.match(reply.text, /^CLUSTERDOWN 8002 noLeader: .*nothing was changed/)
  const tookMs = story.cluster.scheduler.nowMs - beforeMs
  assert.ok(tookMs >= 10_000 && tookMs < 10_200, `${tookMs} ms`)
})

test('cut off in the middle of a write, a leader says that it does not know; the write took no effect', async () => {
  const story = await tell(3)
  const alone = story.leader()
  const client = await story.client(alone)
  await cutOff(story, alone)
  const reply = await story.settle('SET', client.call('SET', 'k', 'v'))
  assert.ok(reply.kind === 'error')
  assert.match(reply.text, /^ERR 8004 outcomeUnknown: /)
  story.cluster.network.heal()
  const other = await story.client(story.cluster.nodes.find((node) => node !== alone) as SimNode)
  assert.deepEqual(await story.settle('GET', other.call('GET', 'k')), { kind: 'nil' })
})

test('a write whose leader dies between executing and answering takes effect once', async () => {
  for (const delayMs of [0, 1, 2, 3, 5, 8]) {
    const story = await tell(3)
    const leader = story.leader()
    const [gateway, other] = story.followers() as [SimNode, SimNode]
    const client = await story.client(gateway)
    assert.deepEqual(await story.settle('INCR', client.call('INCR', 'n')), count(1))
    // The gateway's request gets through; its answer does not.
    story.cluster.network.block(leader.host, gateway.host)
    const answer = client.call('INCR', 'n')
    await story.cluster.run(delayMs)
    leader.crash('nothing', true)
    story.cluster.network.heal()
    assert.deepEqual(await story.settle('INCR', answer), count(2), `${delayMs} ms`)
    const witness = await story.client(other)
    const read = await story.settle('GET', witness.call('GET', 'n'))
    assert.deepEqual(read, { kind: 'bulk', text: '2' }, `${delayMs} ms`)
  }
})

test('a pipeline of writes through a gateway keeps its order when the leader dies under it', async () => {
  for (const delayMs of [1, 2, 4, 6]) {
    const story = await tell(3)
    const leader = story.leader()
    const [gateway] = story.followers() as [SimNode]
    const network = story.cluster.network.attach('pipeline', createSimClock(story.cluster.scheduler))
    const connection = network.connect({ host: gateway.host, port: REDIS_PORT }, { timeoutMs: 1_000 })
    let answers = ''
    connection.handle({
      onOpen: () => {},
      onData: (chunk) => {
        answers += String(chunk)
      },
      onClose: () => {},
    })
    const total = 300
    const burst = 25
    let crashed = false
    for (let from = 0; from < total; from += burst) {
      let text = ''
      for (let at = from; at < from + burst; at++) {
        const word = `${at},`
        text += `*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$${word.length}\r\n${word}\r\n`
      }
      connection.write(text)
      await story.cluster.run(1)
      if (!crashed && from >= total / 3) {
        crashed = true
        await story.cluster.run(delayMs)
        leader.crash('reset', true)
      }
    }
    const isAnswered = (): boolean => answers.split('\r\n').length > total
    await story.cluster.runUntil('the pipeline is answered', isAnswered, 20_000)
    assert.ok(!answers.includes('-'), answers)
    const client = await story.client(gateway)
    const read = await story.settle('GET', client.call('GET', 'k'))
    const expected = Array.from({ length: total }, (_, at) => `${at},`).join('')
    assert.deepEqual(read, { kind: 'bulk', text: expected }, `${delayMs} ms`)
  }
})

test('a stopping leader hands over at once, and no client of another node notices', async () => {
  const story = await tell(3)
  const leader = story.leader()
  const [gateway] = story.followers() as [SimNode]
  const client = await story.client(gateway)
  const own = await story.client(leader)
  const replies: ClientReply[] = []
  let slowestMs = 0
  let isOver = false
  const work = (async () => {
    while (!isOver) {
      const beforeMs = story.cluster.scheduler.nowMs
      replies.push(await client.call('INCR', 'n'))
      slowestMs = Math.max(slowestMs, story.cluster.scheduler.nowMs - beforeMs)
    }
  })()
  await story.cluster.run(200)
  const lastOfOwn = own.call('INCR', 'own')
  const beforeMs = story.cluster.scheduler.nowMs
  await story.settle('stop', leader.running?.stop() ?? assert.fail())
  const stopMs = story.cluster.scheduler.nowMs - beforeMs
  assert.deepEqual(await story.settle('its own client', lastOfOwn), count(1), 'what was asked is answered')
  assert.ok(!own.isConnected, 'then its clients are sent away')
  await story.cluster.run(500)
  isOver = true
  await story.settle('the client ends', work)
  assert.deepEqual(
    replies,
    replies.map((_, at) => count(at + 1)),
  )
  assert.ok(stopMs < 200, `the stop took ${stopMs} ms`)
  assert.ok(slowestMs < 50, `the slowest answer took ${slowestMs} ms`)
})

test('a stop ends in time although the other nodes are gone and a client reads nothing', async () => {
  const story = await tell(3)
  const leader = story.leader()
  const client = await story.client(leader)
  for (const other of story.followers()) other.crash('nothing', true)
  const answer = client.call('INCR', 'n')
  const beforeMs = story.cluster.scheduler.nowMs
  await story.settle('stop', leader.running?.stop() ?? assert.fail())
  assert.ok(story.cluster.scheduler.nowMs - beforeMs < 4_500)
  const reply = await story.settle('the open write', answer)
  assert.ok(reply.kind === 'lost' || reply.kind === 'error', reply.kind)
})

test('a node that asks to join again is the same member', async () => {
  const story = await tell(2)
  const [first, second] = story.cluster.nodes as [SimNode, SimNode]
  second.crash('reset', true)
  second.start()
  await story.cluster.runUntil('it is back', () => second.running !== null, 10_000)
  await story.cluster.run(1_000)
  assert.deepEqual(
    statusOf(first).nodes.map(({ id }) => id),
    ['n1', 'n2'],
  )
  assert.deepEqual(votersOf(first, 0), [1, 2])
})

test('a wiped machine comes back under its name as a new replica; the old one is let go', async () => {
  const story = await tell(3)
  const [first, , third] = story.cluster.nodes as [SimNode, SimNode, SimNode]
  const client = await story.client(first)
  await story.settle('SET', client.call('SET', 'k', 'v'))
  const before = votersOf(first, 1)
  third.crash('reset', true)
  third.wipe([{ host: 'n1', port: PEER_PORT }])
  third.start()
  const isReplaced = (): boolean =>
    [0, 1].every((gid) => {
      const voters = votersOf(first, gid)
      return voters.length === 3 && voters.some((voter) => !before.includes(voter))
    })
  await story.cluster.runUntil('the new replica votes', isReplaced, 30_000)
  assert.equal(statusOf(first).nodes.filter(({ id }) => id === 'n3').length, 1)
  assert.deepEqual(votersOf(first, 1).filter((voter) => before.includes(voter)).length, 2)
  const other = await story.client(third)
  assert.deepEqual(await story.settle('GET', other.call('GET', 'k')), { kind: 'bulk', text: 'v' })
})

test('a node that comes back at other ports is found again', async () => {
  const story = await tell(3)
  const [first, second, third] = story.cluster.nodes as [SimNode, SimNode, SimNode]
  third.crash('reset', true)
  third.changes = { peerPort: 7_777, redisPort: 7_778 }
  third.start()
  await story.cluster.runUntil('it serves', () => third.running !== null, 10_000)
  await story.cluster.run(1_000)
  for (const node of [first, second]) {
    const known = statusOf(node).nodes.find(({ id }) => id === 'n3')
    assert.deepEqual([known?.address.port, known?.redis?.port, known?.state], [7_777, 7_778, 'serving'])
  }
  second.crash('reset', true)
  const client = await story.client(first)
  assert.deepEqual(await story.settle('INCR', client.call('INCR', 'n')), count(1), 'it counts as a voter')
})

test('a machine that was replaced under its name stops and says why, running or started again', async () => {
  const story = await tell(4)
  const [, , third, fourth] = story.cluster.nodes as [SimNode, SimNode, SimNode, SimNode]
  const takeOver = async (): Promise<void> => {
    fourth.crash('reset', true)
    fourth.changes = { nodeId: makeNodeId('n3') }
    fourth.wipe([{ host: 'n1', port: PEER_PORT }])
    fourth.start()
    await story.cluster.runUntil('the successor serves', () => fourth.running !== null, 20_000)
  }
  await takeOver()
  await story.cluster.runUntil('it learns of it', () => third.failure !== null, 20_000)
  assertExpelled(third.failure)
  third.crash('reset', false)
  await story.cluster.run(5_000)
  third.start()
  const isOver = (): boolean => third.startFailure !== null || third.failure !== null
  await story.cluster.runUntil('it learns of it again', isOver, 30_000)
  assertExpelled(third.startFailure ?? third.failure)
})

test('a machine that was displaced before its replica was ever filled learns of it at its next start', async () => {
  const story = await tell(3)
  const [first, second, third] = story.cluster.nodes as [SimNode, SimNode, SimNode]
  third.crash('reset', true)
  third.wipe([{ host: 'n1', port: PEER_PORT }])
  third.start()
  await story.cluster.runUntil('it has joined', () => third.replicas.length > 0, 20_000)
  for (const { host } of [first, second]) story.cluster.network.block(host, 'n3')
  // Long enough to write down who it is, too short for any group to count on it.
  await story.cluster.run(20)
  third.crash('reset', true)
  for (const { host } of [first, second]) story.cluster.network.unblock(host, 'n3')
  await joinLate(story, 'n3', 'd'.repeat(32))
  await story.cluster.run(1_000)
  third.start()
  await story.cluster.runUntil('it learns of it', () => third.startFailure !== null, 30_000)
  assertExpelled(third.startFailure)
})

test('a follower whose loop stood still for a second causes no election', async () => {
  const story = await tell(3)
  const termOf = (node: SimNode): number => Math.max(...statusOf(node).groups.map(({ term }) => term))
  const before = story.cluster.nodes.map(termOf)
  const [frozen] = story.followers() as [SimNode]
  for (let again = 0; again < 5; again++) {
    frozen.clock?.freeze()
    await story.cluster.run(1_000)
    frozen.clock?.thaw()
    await story.cluster.run(300)
  }
  assert.deepEqual(story.cluster.nodes.map(termOf), before)
})

test('a client that is silent for longer than CONFIG timeout is closed; one that is not stays', async () => {
  const story = await tell(1)
  const [node] = story.cluster.nodes as [SimNode]
  const silent = await story.client(node)
  const lively = await story.client(node)
  await story.settle('CONFIG', lively.call('CONFIG', 'SET', 'timeout', '3'))
  for (let second = 0; second < 8; second++) {
    assert.deepEqual(await story.settle('INCR', lively.call('INCR', 'n')), count(second + 1))
    await story.cluster.run(1_000)
  }
  assert.deepEqual([silent.isConnected, lively.isConnected], [false, true])
})

test('INFO names the port, and counts the keys', async () => {
  const story = await tell(1)
  const client = await story.client(story.cluster.nodes[0] as SimNode)
  for (const key of ['a', 'b', 'c']) await story.settle('SET', client.call('SET', key, 'v'))
  const info = await story.settle('INFO', client.call('INFO'))
  assert.ok(info.kind === 'bulk')
  assert.match(info.text, /^tcp_port:6379\r$/m)
  assert.match(info.text, /^db0:keys=3\r$/m)
})

function assertExpelled(error: unknown): void {
  assert.ok(error instanceof StorageError, String(error))
  assert.equal(error.name, 'joinRefused')
  assert.match(error.message, /does not belong to the cluster/)
  assert.match(error.hint, /--join and an empty data directory/)
}

/** What a node asked for before its disk was replaced is carried out now, under the address it still has. */
async function joinLate(story: Story, nodeId: string, joinToken: string): Promise<void> {
  const { scheduler, network, log, random } = story.cluster
  const clock = createSimClock(scheduler)
  const address = { host: 'late', port: PEER_PORT }
  const transport = new Transport(
    { network: network.attach(address.host, clock), clock, random, logger: log.logger(address.host) },
    { clusterId: '', replicaId: null, nodeId: makeNodeId(nodeId), incarnation: 1, address },
    {
      onRaftMessages: () => {},
      onNotice: () => {},
      onPeerClosed: () => {},
      onPeerRestarted: () => {},
      onUnreachable: () => {},
      onPeerAddress: () => {},
    },
  )
  const node: NodeFacts = {
    nodeId: makeNodeId(nodeId),
    joinToken,
    peer: { host: nodeId, port: PEER_PORT },
    redis: { host: nodeId, port: REDIS_PORT },
    http: null,
    processId: 1,
  }
  const joined = joinCluster(
    { transport, clock, logger: log.logger(address.host) },
    [{ host: 'n1', port: PEER_PORT }],
    node,
    () => false,
  )
  await story.settle('the late request is carried out', joined)
  await transport.stop()
}

async function cutOff(story: Story, node: SimNode): Promise<void> {
  for (const other of story.cluster.nodes) {
    if (other === node) continue
    story.cluster.network.block(node.host, other.host)
    story.cluster.network.block(other.host, node.host)
  }
}
