/** Whole replicas of one group in simulated time: what the parts' own tests can't show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CLUSTER_GROUP,
  type ClusterNode,
  groupOf,
  propose,
  query,
  ReplicaCluster,
} from '../../test/replica-cluster.ts'
import { COUNT_KEY } from '../../test/tiny-machine.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { makeGroupId, makeReplicaId } from '../base/ids.ts'
import type { LogIndex, Term } from '../base/log-entry.ts'
import { encodeMessage } from '../raft/message-codec.ts'
import { groupEngineName } from './open-group.ts'

/** Logs are cut soon, so that who is behind needs a snapshot. */
const SHORT_LOG = { logBytesMax: 2_000, logKeepBytes: 500, checkIntervalMs: 100 }

async function others(cluster: ReplicaCluster): Promise<[ClusterNode, ClusterNode, ClusterNode]> {
  const leader = await cluster.leader()
  const [first, second] = cluster.nodes.filter((node) => node !== leader)
  return [leader, first as ClusterNode, second as ClusterNode]
}

function digestsAgree(cluster: ReplicaCluster): boolean {
  const stores = cluster.nodes.filter((node) => node.isUp).map((node) => groupOf(node)?.store)
  const indexes = new Set(stores.map((store) => store?.applied.position.index))
  return indexes.size === 1 && new Set(stores.map((store) => store?.digest())).size === 1
}

async function append(cluster: ReplicaCluster, count: number, among?: readonly ClusterNode[]): Promise<void> {
  for (let at = 0; at < count; at++) {
    await cluster.execute({ kind: 'set', key: `k${at % 7}`, value: `${at} `.padEnd(100, '.') }, among)
  }
}

for (const size of [1, 3]) {
  test(`${size} replicas: writes are executed once, reads see them, everywhere`, () => {
    const cluster = new ReplicaCluster(size)
    return cluster.run(async () => {
      await cluster.found(size)
      for (let round = 1; round <= 20; round++) {
        assert.equal(await cluster.execute({ kind: 'count' }), String(round))
        for (const node of cluster.nodes) {
          const answer = await query(node, { kind: 'get', key: COUNT_KEY })
          assert.equal(answer, String(round), `${node.host} in round ${round}`)
        }
      }
      await cluster.until('all agree', () => digestsAgree(cluster))
    })
  })
}

test('many commands of one turn share entries, and each gets its own reply', () => {
  const cluster = new ReplicaCluster(11)
  return cluster.run(async () => {
    await cluster.found(3)
    const leader = await cluster.leader()
    await cluster.execute({ kind: 'time' })
    const before = groupOf(leader)?.raft.lastIndex ?? 0
    const replies = await Promise.all(Array.from({ length: 500 }, () => propose(leader, { kind: 'count' })))
    assert.deepEqual(
      replies.map(Number),
      Array.from({ length: 500 }, (_, at) => at + 1),
    )
    assert.equal((groupOf(leader)?.raft.lastIndex ?? 0) - before, 1)
  })
})

test('a follower says who leads, and a read there is as good as one at the leader', () => {
  const cluster = new ReplicaCluster(12)
  return cluster.run(async () => {
    await cluster.found(3)
    await cluster.execute({ kind: 'set', key: 'a', value: '1' })
    const [, follower] = await others(cluster)
    assert.equal(await propose(follower, { kind: 'count' }), '!notLeader')
    assert.equal(await query(follower, { kind: 'get', key: 'a' }), '1')
  })
})

test('the leader dies: the others go on without losing a write, and it comes back to the same state', () => {
  const cluster = new ReplicaCluster(13)
  return cluster.run(async () => {
    await cluster.found(3)
    let count = 0
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 5; at++) assert.equal(await cluster.execute({ kind: 'count' }), String(++count))
      const leader = await cluster.leader()
      cluster.crash(leader)
      assert.equal(await cluster.execute({ kind: 'count' }), String(++count))
      await cluster.start(leader)
    }
    await cluster.until('all agree', () => digestsAgree(cluster))
  })
})

test('power fails everywhere in the middle of writes: what was acknowledged is there, and nothing twice', () => {
  const cluster = new ReplicaCluster(14, SHORT_LOG)
  return cluster.run(async () => {
    await cluster.found(3)
    let acknowledged = 0
    let proposed = 0
    for (let round = 0; round < 6; round++) {
      const leader = await cluster.leader()
      for (let at = 0; at < 40; at++) {
        proposed += 1
        void propose(leader, { kind: 'count' }).then((outcome) => {
          if (!outcome.startsWith('!')) acknowledged = Math.max(acknowledged, Number(outcome))
        })
        if (at % 8 === 0) await cluster.wait(1)
      }
      await cluster.wait(3 * round)
      for (const node of cluster.nodes) cluster.crash(node)
      await cluster.wait(50)
      for (const node of cluster.nodes) await cluster.start(node)
      const found = Number(await readCount(cluster))
      assert(found >= acknowledged, `${found} of ${acknowledged} acknowledged`)
      assert(found <= proposed, `${found} of ${proposed} proposed`)
    }
    await cluster.until('all agree', () => digestsAgree(cluster))
  })
})

async function readCount(cluster: ReplicaCluster): Promise<string> {
  for (;;) {
    const answer = await query(await cluster.leader(), { kind: 'get', key: COUNT_KEY })
    if (!answer.startsWith('!')) return answer === 'nothing' ? '0' : answer
    await cluster.wait(20)
  }
}

test('a replica that was away too long is filled by a snapshot, and then serves', () => {
  const cluster = new ReplicaCluster(15, SHORT_LOG)
  return cluster.run(async () => {
    await cluster.found(3)
    await cluster.execute({ kind: 'set', key: 'a', value: 'old' })
    const [, away, other] = await others(cluster)
    cluster.crash(away)
    const rest = cluster.nodes.filter((node) => node !== away)
    for (let round = 0; round < 4; round++) {
      await append(cluster, 25, rest)
      await cluster.wait(1_100)
    }
    assert((groupOf(other)?.raft.status().firstIndex ?? 0) > 50, 'the log was cut')
    await cluster.start(away)
    await cluster.until('all agree', () => digestsAgree(cluster))
    assert(
      cluster.log.lines.some((line) => line.node === away.host && line.message === 'installed a snapshot'),
    )
    assert.equal(await query(away, { kind: 'get', key: 'a' }), 'old')
    // After the snapshot, and after another start, it goes on from its own disk.
    await append(cluster, 3)
    cluster.crash(away)
    await cluster.start(away)
    await cluster.until('all agree', () => digestsAgree(cluster))
  })
})

test('a replica that dies while it is filled starts over, and nothing half is ever served', () => {
  const cluster = new ReplicaCluster(16, SHORT_LOG)
  return cluster.run(async () => {
    await cluster.found(3)
    const [, away] = await others(cluster)
    cluster.crash(away)
    const rest = cluster.nodes.filter((node) => node !== away)
    for (let round = 0; round < 4; round++) {
      await append(cluster, 25, rest)
      await cluster.wait(1_100)
    }
    for (let ms = 1; ms < 400; ms *= 2) {
      await cluster.start(away)
      await cluster.wait(ms)
      cluster.crash(away)
    }
    await cluster.start(away)
    await cluster.until('all agree', () => digestsAgree(cluster))
  })
})

function failSyncs(node: ClusterNode): void {
  node.disk.setFaults((call) =>
    call.operation === 'datasync' || call.operation === 'open' ? { kind: 'error', errno: 'EIO' } : null,
  )
}

test("the leader's log fails: another leads, what was under way is unknown, and it comes back by itself", () => {
  const cluster = new ReplicaCluster(17)
  return cluster.run(async () => {
    await cluster.found(3)
    await cluster.execute({ kind: 'count' })
    const [leader] = await others(cluster)
    failSyncs(leader)
    const outcome = await propose(leader, { kind: 'set', key: 'a', value: 'maybe' })
    assert(outcome === '!unknown' || outcome === 'set', outcome)
    await cluster.until('it noticed', () => leader.logHealth.length > 0)
    assert.equal(groupOf(leader)?.isLeader, false)
    assert.equal(await propose(leader, { kind: 'count' }), '!unhealthy')
    assert.equal(await query(leader, { kind: 'get', key: 'a' }), '!notLeader')
    const rest = cluster.nodes.filter((node) => node !== leader)
    assert.equal(await cluster.execute({ kind: 'count' }, rest), '2')
    const { term } = groupOf(await cluster.leader(rest))?.raft ?? {}
    await cluster.wait(5_000)
    assert.equal(groupOf(leader)?.raft.term, term, "it disturbs nobody while it can't write")
    leader.disk.setFaults(null)
    await cluster.until('all agree', () => leader.logHealth.at(-1) === 'well' && digestsAgree(cluster))
    assert.equal(await query(leader, { kind: 'get', key: COUNT_KEY }), '2')
  })
})

test("the leader's disk stands still: another leads within two seconds, and nothing is lost", () => {
  const cluster = new ReplicaCluster(21)
  return cluster.run(async () => {
    await cluster.found(3)
    await cluster.execute({ kind: 'count' })
    const [leader] = await others(cluster)
    leader.disk.setFaults((call) => (call.operation === 'datasync' ? { kind: 'stall' } : null))
    const startMs = cluster.scheduler.nowMs
    void propose(leader, { kind: 'set', key: 'a', value: 'waits' })
    const rest = cluster.nodes.filter((node) => node !== leader)
    await cluster.until('another leads', () => rest.some((node) => groupOf(node)?.isLeader === true), 2_000)
    assert.equal(await cluster.execute({ kind: 'count' }, rest), '2')
    assert(cluster.scheduler.nowMs - startMs < 2_000)
    leader.disk.setFaults(null)
    leader.disk.releaseStalls()
    await cluster.until('all agree', () => digestsAgree(cluster))
    assert.equal(await query(leader, { kind: 'get', key: 'a' }), 'waits')
  })
})

test('it is noticed whatever the moment, also where the quorum is checked as often as the log', async () => {
  const tickMs = 50
  const electionTicks = 20
  for (let phase = 0; phase < electionTicks; phase++) {
    const cluster = new ReplicaCluster(25, { tickMs, electionTicks, heartbeatTicks: 2 })
    await cluster.run(async () => {
      await cluster.found(3)
      await cluster.execute({ kind: 'count' })
      await cluster.wait(phase * tickMs)
      const [leader] = await others(cluster)
      leader.disk.setFaults((call) => (call.operation === 'datasync' ? { kind: 'stall' } : null))
      void propose(leader, { kind: 'set', key: 'a', value: 'waits' })
      const rest = cluster.nodes.filter((node) => node !== leader)
      const leads = () => rest.some((node) => groupOf(node)?.isLeader === true)
      await cluster.until(`another leads, in phase ${phase}`, leads, 4_000)
      leader.disk.setFaults(null)
      leader.disk.releaseStalls()
    })
  }
})

test("the leader's engine stands still: another leads within two seconds, and nothing is lost", () => {
  const cluster = new ReplicaCluster(24)
  return cluster.run(async () => {
    await cluster.found(3)
    await cluster.execute({ kind: 'count' })
    const [leader] = await others(cluster)
    leader.engineDelayMs = 10_000
    const startMs = cluster.scheduler.nowMs
    // What is there already has to be asked of the engine.
    void propose(leader, { kind: 'append', key: 'a', value: 'waits' })
    const rest = cluster.nodes.filter((node) => node !== leader)
    await cluster.until('another leads', () => rest.some((node) => groupOf(node)?.isLeader === true), 2_000)
    assert.equal(
      await cluster.execute({ kind: 'append', key: 'a', value: ' no more' }, rest),
      'waits no more',
    )
    assert(cluster.scheduler.nowMs - startMs < 2_000)
    leader.engineDelayMs = 0
    await cluster.until('all agree', () => digestsAgree(cluster), 20_000)
  })
})

test('a node that starts again and again does not keep a segment of the log for each start', () => {
  const options = { logBytesMax: 1_000_000, logKeepBytes: 2_000, checkIntervalMs: 100 }
  const cluster = new ReplicaCluster(22, options)
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    // More than is copied to free a segment, less than what makes a log too long.
    await append(cluster, 200)
    for (let round = 0; round < 12; round++) {
      cluster.crash(node)
      await cluster.start(node)
      await append(cluster, 2)
      await cluster.wait(2_000)
    }
    const { segments } = node.log.metrics()
    assert(segments <= 5, `${segments} segments are kept`)
    cluster.crash(node)
    await cluster.start(node)
    assert.match(await cluster.execute({ kind: 'append', key: 'k0', value: '' }), /./)
  })
})

test('nor does one that dies each time before the states are compared', () => {
  const cluster = new ReplicaCluster(23, { logKeepBytes: 0, checkIntervalMs: 1_000_000_000 })
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    for (let round = 0; round < 30; round++) {
      cluster.crash(node)
      await cluster.start(node)
      await append(cluster, 1)
      await cluster.wait(200)
    }
    const { segments } = node.log.metrics()
    assert(segments <= 8, `${segments} segments are kept`)
  })
})

test('a leader whose log fails hands over: nobody waits for an election timeout', () => {
  const cluster = new ReplicaCluster(19)
  return cluster.run(async () => {
    await cluster.found(3)
    const gapsMs: number[] = []
    for (let round = 0; round < 5; round++) {
      const leader = await cluster.leader()
      for (let at = 0; at < 5; at++) await cluster.execute({ kind: 'set', key: `k${at}`, value: `${round}` })
      const others = cluster.nodes.filter((node) => node !== leader)
      failSyncs(leader)
      await propose(leader, { kind: 'set', key: 'u', value: '1' })
      const startMs = cluster.scheduler.nowMs
      await cluster.execute({ kind: 'set', key: 'next', value: `${round}` }, others)
      gapsMs.push(cluster.scheduler.nowMs - startMs)
      leader.disk.setFaults(null)
      await cluster.until('its log writes again', () => leader.log.status.kind === 'running')
      await cluster.wait(1_000)
    }
    assert(Math.max(...gapsMs) < 60, `gaps of ${gapsMs.join(', ')} ms`)
  })
})

test('a sole replica whose log fails: unknown at once, reads go on, and it writes again when it can', () => {
  const cluster = new ReplicaCluster(18)
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    await cluster.execute({ kind: 'set', key: 'a', value: 'sure' })
    failSyncs(node)
    const startMs = cluster.scheduler.nowMs
    assert.equal(await propose(node, { kind: 'set', key: 'b', value: 'maybe' }), '!unknown')
    assert(cluster.scheduler.nowMs - startMs < 50, 'at once')
    assert.equal(await propose(node, { kind: 'count' }), '!unhealthy')
    assert.equal(await query(node, { kind: 'get', key: 'a' }), 'sure')
    assert.equal(await query(node, { kind: 'get', key: 'b' }), 'nothing')
    await cluster.wait(3_000)
    node.disk.setFaults(null)
    await cluster.until('it writes again', () => node.logHealth.at(-1) === 'well')
    assert.equal(await cluster.execute({ kind: 'count' }), '1')
    // What was unknown was written after all, and that is for good now.
    const found = await query(node, { kind: 'get', key: 'b' })
    cluster.crash(node)
    await cluster.start(node)
    await cluster.leader()
    assert.equal(await query(node, { kind: 'get', key: 'b' }), found)
    assert.equal(await query(node, { kind: 'get', key: COUNT_KEY }), '1')
  })
})

test('a state that differs is found within seconds, stops, and is fetched anew at the next start', () => {
  const cluster = new ReplicaCluster(19, SHORT_LOG)
  return cluster.run(async () => {
    await cluster.found(3)
    for (let round = 0; round < 3; round++) {
      await append(cluster, 30)
      await cluster.wait(1_100)
    }
    const [, wrong] = await others(cluster)
    const { store } = groupOf(wrong) ?? assert.fail()
    // As if a bit had flipped in memory.
    store.write(
      [{ partition: 5, key: 'zzz', value: 'never written' }],
      false,
      await store.fetch(['zzz'], []),
      store.timeMs,
    )
    await append(cluster, 1)
    await cluster.until('it stops', () => groupOf(wrong)?.health.kind === 'failed', 5_000)
    assert.equal(await query(wrong, { kind: 'get', key: 'k1' }), '!unhealthy')
    assert.equal(await propose(wrong, { kind: 'count' }), '!unhealthy')
    const rest = cluster.nodes.filter((node) => node !== wrong)
    await append(cluster, 3, rest)
    assert(rest.every((node) => groupOf(node)?.health.kind === 'healthy'))
    await cluster.until('the wrong state is gone', () =>
      cluster.log.lines.some((line) => line.message.startsWith('the wrong state was removed')),
    )
    cluster.crash(wrong)
    await cluster.start(wrong)
    await cluster.until('all agree', () => digestsAgree(cluster))
    assert.equal(await query(wrong, { kind: 'get', key: 'zzz' }), 'nothing')
  })
})

test('logical time is advanced for a read that waits for it', () => {
  const cluster = new ReplicaCluster(20)
  return cluster.run(async () => {
    await cluster.found(3)
    await cluster.execute({ kind: 'time' })
    const leader = await cluster.leader()
    await cluster.wait(500)
    const timeMs = leader.clock.wallMs() - 100
    assert.equal(await query(leader, { kind: 'after', timeMs }), 'reached')
    assert.equal(await query(leader, { kind: 'after', timeMs: timeMs + 1e6 }), 'not yet')
  })
})

test('a stop flushes and answers everybody; a start finds it all', () => {
  const cluster = new ReplicaCluster(21)
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    await append(cluster, 10)
    const asked = [propose(node, { kind: 'count' }), query(node, { kind: 'get', key: 'k1' })]
    await cluster.stop(node)
    for (const outcome of await Promise.all(asked)) assert.match(outcome, /^!(unhealthy|unknown)$/)
    await cluster.start(node)
    await cluster.leader()
    assert.match(await query(node, { kind: 'get', key: 'k6' }), /^6 /)
  })
})

test('a node whose log forgot a group of which it holds a state does not start', () => {
  const cluster = new ReplicaCluster(22)
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    await append(cluster, 3)
    await cluster.stop(node)
    for (const path of node.disk.paths()) node.disk.loseFile(path)
    await assert.rejects(cluster.start(node), /the log has lost everything of group 0/)
    assert.deepEqual(await node.engines.list(), [groupEngineName(CLUSTER_GROUP)], 'and throws nothing away')
  })
})

test('what was meant for a replica that this node had before makes none on it', () => {
  const cluster = new ReplicaCluster(24)
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    const messageTo = (to: number): Uint8Array => {
      const writer = new ByteWriter()
      const [from, term] = [makeReplicaId(2), 3 as Term]
      const zero = 0 as LogIndex
      encodeMessage({ kind: 'heartbeat', from, to: makeReplicaId(to), term, commit: zero, round: 1 }, writer)
      return writer.takeBytes()
    }
    const deliver = (to: number): void =>
      node.groups.onRaftMessages(makeGroupId(9), makeReplicaId(2), [messageTo(to)])
    assert.throws(() => deliver(77), /from 2 to 77 came from 2 to 1/)
    assert.deepEqual(await node.engines.list(), [groupEngineName(CLUSTER_GROUP)])
    deliver(1)
    await cluster.until('the group is made', () => node.groups.groups.has(makeGroupId(9)))
  })
})

test("an engine that a crash left before its group's first record is removed", () => {
  const cluster = new ReplicaCluster(23)
  return cluster.run(async () => {
    await cluster.found(1)
    const [node] = cluster.nodes as [ClusterNode]
    await cluster.stop(node)
    await (await node.engines.open('group-5')).close()
    await cluster.start(node)
    assert.deepEqual(await node.engines.list(), [groupEngineName(CLUSTER_GROUP)])
  })
})

test('a log that fails on the first record of the only group is opened again', () => {
  const cluster = new ReplicaCluster(26)
  return cluster.run(async () => {
    await cluster.found(3)
    const [, , emptied] = await others(cluster)
    cluster.crash(emptied)
    for (const path of emptied.disk.paths()) emptied.disk.loseFile(path)
    await cluster.start(emptied)
    emptied.disk.setFaults(({ operation }) =>
      operation === 'datasync' ? { kind: 'error', errno: 'EIO' } : null,
    )
    await cluster.until('its log fails', () => emptied.log.status.kind === 'failed')
    assert.equal(groupOf(emptied), undefined)
    emptied.disk.setFaults(null)
    await cluster.until('the group is there', () => groupOf(emptied) !== undefined)
    assert.deepEqual(emptied.logHealth.at(-1), 'well')
  })
})
