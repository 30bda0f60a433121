import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeReplicaId } from '../base/ids.ts'
import type { Raft } from '../raft/raft.ts'
import { bestSuccessor } from './leadership.ts'
import { StallWatch } from './stall.ts'

const TICK_MS = 10
const TICKS = 100

function watch() {
  const world = { waiting: null as number | null, stalls: 0 }
  const stall = new StallWatch(
    () => world.waiting,
    TICK_MS,
    () => {
      world.stalls += 1
    },
  )
  const tick = (times: number, isLeader = true): void => {
    for (let count = 0; count < times; count++) stall.tick(isLeader)
  }
  return { world, stall, tick }
}

test('a second without progress is told, once a second, and only by a leader', () => {
  const { world, tick } = watch()
  tick(10 * TICKS)
  world.waiting = 1
  tick(TICKS)
  assert.equal(world.stalls, 0)
  tick(1)
  assert.equal(world.stalls, 1)
  tick(TICKS)
  assert.equal(world.stalls, 2)
  world.waiting = 2
  tick(TICKS)
  assert.equal(world.stalls, 2, 'it went on')
})

test('who begins to lead is given a second, however long it stood still before', () => {
  const { world, stall, tick } = watch()
  world.waiting = 1
  tick(3 * TICKS, false)
  assert.ok(stall.ticks >= TICKS, 'whoever relies on it as a follower wants to know')
  tick(TICKS)
  assert.equal(world.stalls, 0)
  tick(1)
  assert.equal(world.stalls, 1)
})

test('leadership goes around among those that have all that is committed', () => {
  const raftOf = (id: number, matches: Record<number, number>, silent: readonly number[] = []): Raft => {
    const progress = new Map(
      Object.entries(matches).map(([peer, match]) => [
        makeReplicaId(Number(peer)),
        { match, recentlyActive: !silent.includes(Number(peer)) },
      ]),
    )
    const voters = [id, ...Object.keys(matches).map(Number)].map(makeReplicaId)
    return { id, status: () => ({ progress, membership: { voters }, commit: 10 }) } as unknown as Raft
  }
  assert.equal(bestSuccessor(raftOf(1, { 2: 10, 3: 12 })), 2)
  assert.equal(bestSuccessor(raftOf(2, { 1: 12, 3: 10 })), 3)
  assert.equal(bestSuccessor(raftOf(3, { 1: 10, 2: 12 })), 1)
  assert.equal(bestSuccessor(raftOf(1, { 2: 9, 3: 12 })), 3)
  assert.equal(bestSuccessor(raftOf(1, { 2: 10, 3: 12 }, [2])), 3)
  assert.equal(bestSuccessor(raftOf(1, { 2: 7, 3: 8 })), 3, 'else to the one that is furthest along')
  assert.equal(bestSuccessor(raftOf(1, { 2: 10 }, [2])), null)
  assert.equal(bestSuccessor(raftOf(1, {})), null)
})
