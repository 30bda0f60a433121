import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTROL_GROUP, makeGroupId, makeNodeId, makeReplicaId, type ReplicaId } from '../../base/ids.ts'
import type { LogIndex } from '../../base/log-entry.ts'
import type { Catalog } from '../../cluster/catalog.ts'
import type { PeerProgress, RaftStatus } from '../../raft/raft.ts'
import { type Members, nextMembership, wantedMembers } from './membership-keeper.ts'

const DATA_GROUP = makeGroupId(1)
const ids = (...numbers: number[]): ReplicaId[] => numbers.map(makeReplicaId)

function catalogOf(...numbers: number[]): Catalog {
  const address = { host: 'h', port: 1 }
  const nodes = numbers.map((number) => ({
    replicaId: makeReplicaId(number),
    nodeId: makeNodeId(`n${number}`),
    joinToken: String(number),
    peer: address,
    redis: address,
    http: null,
    processId: number,
  }))
  return { clusterId: 'c', replicationFactor: 3, nextReplicaId: 99, nodes, groups: [], displacedTokens: [] }
}

function statusOf(
  voters: number[],
  learners: number[],
  match: Record<number, number>,
  more: Partial<RaftStatus> = {},
): RaftStatus {
  const progress = new Map<ReplicaId, PeerProgress>()
  for (const [id, index] of Object.entries(match)) {
    progress.set(makeReplicaId(Number(id)), {
      state: 'replicate',
      match: index as LogIndex,
      next: (index + 1) as LogIndex,
      inflightMessages: 0,
      inflightBytes: 0,
      recentlyActive: true,
    })
  }
  const membership = {
    voters: ids(...voters),
    votersOutgoing: [],
    learners: ids(...learners),
    learnersNext: [],
  }
  return {
    role: 'leader',
    membershipPending: false,
    commit: 5_000,
    membership,
    progress,
    ...more,
  } as RaftStatus
}

const wanted = (...numbers: number[]): Members => wantedMembers(catalogOf(...numbers), DATA_GROUP)

test('the oldest nodes vote; the rest listen in the control group only', () => {
  assert.deepEqual(wanted(1, 3, 4, 7, 9), { voters: ids(1, 3, 4), learners: [] })
  assert.deepEqual(wantedMembers(catalogOf(1, 3, 4, 7, 9), CONTROL_GROUP), {
    voters: ids(1, 3, 4),
    learners: ids(7, 9),
  })
})

test('a new replica listens first', () => {
  const next = nextMembership(statusOf([1], [], { 1: 5_000 }), wanted(1, 2, 3))
  assert.deepEqual(next, { voters: ids(1), learners: ids(2, 3) })
})

test('it votes once it has caught up, and not before', () => {
  assert.equal(nextMembership(statusOf([1], [2], { 1: 5_000, 2: 10 }), wanted(1, 2)), null)
  assert.deepEqual(nextMembership(statusOf([1], [2], { 1: 5_000, 2: 4_990 }), wanted(1, 2)), {
    voters: ids(1, 2),
    learners: [],
  })
})

test('a replica that left is let go of in the change that brings its successor', () => {
  const next = nextMembership(
    statusOf([1, 2, 3], [4], { 1: 5_000, 2: 5_000, 3: 0, 4: 5_000 }),
    wanted(1, 2, 4),
  )
  assert.deepEqual(next, { voters: ids(1, 2, 4), learners: [] })
})

test('nothing happens while a change is pending, on followers, or when all is as it should be', () => {
  const match = { 1: 5_000, 2: 5_000, 3: 5_000 }
  assert.equal(nextMembership(statusOf([1, 2, 3], [], match), wanted(1, 2, 3)), null)
  assert.equal(nextMembership(statusOf([1], [], match, { membershipPending: true }), wanted(1, 2, 3)), null)
  assert.equal(nextMembership(statusOf([1], [], match, { role: 'follower' }), wanted(1, 2, 3)), null)
})
