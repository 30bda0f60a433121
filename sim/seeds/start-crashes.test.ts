/**
 * A crash at every event, and a disk error at every call, of a node's first start, of the join of a second node, on either side, and of
 * a restart: afterwards the nodes come up by themselves, there is one cluster, nobody has two votes, and
 * every write that was acknowledged is there. Consensus is watched throughout (raft-checker.ts).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toStorageError } from '../../src/base/errors.ts'
import { readIdentity } from '../../src/storage/identity.ts'
import { createSimCluster, type SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import { missingAt, NumberedWriter } from '../workloads/numbered-writer.ts'
import { driveUntilSettled } from '../world/drive.ts'
import { failOnUnhandledRejection } from '../world/unhandled-rejection.ts'

const SEGMENT_BYTES = 16 * 1024
/** Events of a phase that are made crash points; `START_CRASHES=1` takes all of them. */
const CRASHES_PER_PHASE = process.env['START_CRASHES'] === undefined ? 24 : Number.POSITIVE_INFINITY
const SERVING_MS = 20_000
/** A phase ends when all serve and this many writes were acknowledged: late crash points put them at risk. */
const WRITES_AFTERWARDS = 8
const RUNNING_MS = 300

type Phase = {
  readonly nodes: number
  /** Brings the cluster to where the phase begins. */
  readonly prepare: (cluster: SimCluster) => Promise<void>
  readonly begin: (cluster: SimCluster) => void
  readonly victim: number
}

function serves(node: SimNode): boolean {
  if (node.startFailure !== null) throw toStorageError(node.startFailure)
  if (node.failure !== null) throw node.failure
  return node.running !== null
}

function firstServes(cluster: SimCluster): Promise<void> {
  nodeAt(cluster, 0).start()
  return cluster.runUntil('the founder serves', () => serves(nodeAt(cluster, 0)), SERVING_MS)
}

function nodeAt(cluster: SimCluster, at: number): SimNode {
  const node = cluster.nodes[at]
  assert(node !== undefined)
  return node
}

function make(phase: Phase): SimCluster {
  return createSimCluster({ seed: 'starts', nodes: phase.nodes, node: { logSegmentBytes: SEGMENT_BYTES } })
}

const nobodyYet = async (): Promise<void> => {}

const PHASES: Readonly<Record<string, Phase>> = {
  'the first start': {
    nodes: 1,
    prepare: nobodyYet,
    begin: (cluster) => nodeAt(cluster, 0).start(),
    victim: 0,
  },
  'a restart': {
    nodes: 1,
    prepare: async (cluster) => {
      await firstServes(cluster)
      await cluster.run(RUNNING_MS)
      nodeAt(cluster, 0).crash('reset', true)
    },
    begin: (cluster) => nodeAt(cluster, 0).start(),
    victim: 0,
  },
  'joining, the node that joins': {
    nodes: 2,
    prepare: firstServes,
    begin: (cluster) => nodeAt(cluster, 1).start(),
    victim: 1,
  },
  'joining, the only member': {
    nodes: 2,
    prepare: firstServes,
    begin: (cluster) => nodeAt(cluster, 1).start(),
    victim: 0,
  },
  'founding, while another waits to join': {
    nodes: 2,
    prepare: nobodyYet,
    begin: (cluster) => {
      for (const node of cluster.nodes) node.start()
    },
    victim: 0,
  },
}

/** Events from the beginning of the phase until all serve and some writes were made. */
async function eventsOf(phase: Phase): Promise<number> {
  const cluster = make(phase)
  await phase.prepare(cluster)
  const writer = new NumberedWriter(cluster, 'writer', hostsOf(cluster))
  const before = cluster.scheduler.eventCount
  phase.begin(cluster)
  await cluster.runUntil('all serve', () => cluster.nodes.every(isMember), SERVING_MS)
  const { acknowledged } = writer
  await cluster.runUntil(
    'writes are acknowledged',
    () => acknowledged.length >= WRITES_AFTERWARDS,
    SERVING_MS,
  )
  writer.stop()
  return cluster.scheduler.eventCount - before
}

function hostsOf(cluster: SimCluster): readonly string[] {
  return cluster.nodes.map((node) => node.host)
}

function isMember(node: SimNode, _at: number, nodes: readonly SimNode[]): boolean {
  if (!serves(node)) return false
  const groups = node.running?.status().groups ?? []
  return (
    groups.length > 0 &&
    groups.every(({ replicas }) => replicas.filter(({ role }) => role === 'voter').length === nodes.length)
  )
}

async function crashAt(phase: Phase, event: number, losesPower: boolean): Promise<void> {
  const cluster = make(phase)
  await failOnUnhandledRejection(cluster.scheduler, async () => {
    await phase.prepare(cluster)
    const writer = new NumberedWriter(cluster, 'writer', hostsOf(cluster))
    const until = cluster.scheduler.eventCount + event
    phase.begin(cluster)
    const victim = nodeAt(cluster, phase.victim)
    await cluster.runUntil('the crash', () => cluster.scheduler.eventCount >= until, SERVING_MS)
    victim.crash('reset', losesPower)
    await cluster.run(event % 3)
    victim.start()
    await assertGoesOn(cluster, writer)
  })
}

async function assertGoesOn(cluster: SimCluster, writer: NumberedWriter): Promise<void> {
  await cluster.runUntil('all are members', () => cluster.nodes.every(isMember), SERVING_MS)
  const { acknowledged } = writer
  const before = acknowledged.length
  await cluster.runUntil('writes go on', () => acknowledged.length > before, SERVING_MS)
  writer.stop()
  await driveUntilSettled(cluster.scheduler, async () => {
    await writer.done
    await assertWhole(cluster, acknowledged)
  })
}

async function assertWhole(cluster: SimCluster, acknowledged: readonly number[]): Promise<void> {
  const clusters = new Set<string>()
  const replicas = new Set<number>()
  for (const node of cluster.nodes) {
    const identity = await readIdentity(node.disk.disk())
    assert(identity !== null, `${node.host} has no identity yet`)
    assert(identity.clusterId !== null && identity.replicaId !== null, `${node.host} has no place yet`)
    clusters.add(identity.clusterId)
    replicas.add(identity.replicaId)
    assert.deepEqual(await missingAt(cluster, node.host, acknowledged), [], `writes are lost at ${node.host}`)
  }
  assert.equal(clusters.size, 1, 'one cluster')
  assert.equal(replicas.size, cluster.nodes.length, 'every node its own vote')
}

/** Calls of the victim's disk from the beginning of the phase until all are members. */
async function callsOf(phase: Phase): Promise<number> {
  const cluster = make(phase)
  await phase.prepare(cluster)
  let calls = 0
  nodeAt(cluster, phase.victim).disk.setFaults(() => {
    calls += 1
    return null
  })
  phase.begin(cluster)
  await cluster.runUntil('all serve', () => cluster.nodes.every(isMember), SERVING_MS)
  return calls
}

async function failCall(phase: Phase, call: number, errno: string): Promise<void> {
  const cluster = make(phase)
  await failOnUnhandledRejection(cluster.scheduler, async () => {
    await phase.prepare(cluster)
    const writer = new NumberedWriter(cluster, 'writer', hostsOf(cluster))
    const victim = nodeAt(cluster, phase.victim)
    let calls = 0
    victim.disk.setFaults(() => (++calls === call ? { kind: 'error', errno } : null))
    phase.begin(cluster)
    const hasGivenUp = (): boolean => victim.startFailure !== null || victim.failure !== null
    const isOver = (): boolean => hasGivenUp() || (calls > call && cluster.nodes.every(isMember))
    await cluster.runUntil('it is a member or gives up', isOver, SERVING_MS)
    victim.disk.setFaults(null)
    if (hasGivenUp()) {
      victim.crash('reset', call % 2 === 0)
      victim.start()
    }
    await assertGoesOn(cluster, writer)
  })
}

describe('a disk error at any call during', () => {
  for (const [name, phase] of Object.entries(PHASES)) {
    test(name, async () => {
      const calls = await callsOf(phase)
      assert(calls > 10, `only ${calls} calls`)
      const step = Math.max(1, calls / CRASHES_PER_PHASE)
      for (let at = 1, round = 0; at <= calls; at += step, round++) {
        const call = Math.floor(at)
        const errno = round % 2 === 0 ? 'EIO' : 'ENOSPC'
        await failCall(phase, call, errno).catch((error: unknown) => {
          throw new Error(`${errno} at call ${call} of ${calls}: ${String(error)}`, { cause: error })
        })
      }
    })
  }
})

describe('a crash at any point of', () => {
  for (const [name, phase] of Object.entries(PHASES)) {
    for (const losesPower of [false, true]) {
      test(`${name}, ${losesPower ? 'of the machine' : 'of the process'}`, async () => {
        const events = await eventsOf(phase)
        assert(events > 50, `only ${events} events`)
        const step = Math.max(1, events / CRASHES_PER_PHASE)
        for (let at = 1; at <= events; at += step) {
          const event = Math.floor(at)
          await crashAt(phase, event, losesPower).catch((error: unknown) => {
            throw new Error(`crash at event ${event} of ${events}: ${String(error)}`, { cause: error })
          })
        }
      })
    }
  }
})
