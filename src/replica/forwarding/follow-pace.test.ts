import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeReplicaId } from '../../base/ids.ts'
import type { Raft } from '../../raft/raft.ts'
import { FollowPace } from './follow-pace.ts'

const LEADER = makeReplicaId(1)
const OPTIONS = { tickMs: 10, maxFollowLagEntries: 5 }

function make() {
  const raft = {
    role: 'follower',
    leader: LEADER,
    term: 3,
    commit: 20,
    appliedIndex: 15,
    isRepairing: false,
    termAt: () => raft.appliedTerm,
    appliedTerm: 3,
  }
  const stall = { behindMs: 0 }
  const pace = new FollowPace(raft as unknown as Raft, OPTIONS, stall)
  return { raft, stall, pace, isClose: () => pace.isCloseTo(LEADER, 3) }
}

test('close is who follows this leader in this term, whole, and has applied nearly all', () => {
  const cases: [Record<string, unknown>, boolean][] = [
    [{}, true],
    [{ commit: 21 }, false],
    [{ role: 'candidate' }, false],
    [{ leader: null }, false],
    [{ term: 4 }, false],
    [{ isRepairing: true }, false],
    [{ appliedTerm: 2 }, false],
  ]
  for (const [change, expected] of cases) {
    const { raft, isClose } = make()
    Object.assign(raft, change)
    assert.equal(isClose(), expected, JSON.stringify(change))
  }
})

test('one that fell behind, or stands still, is not relied on for a second', () => {
  const { stall, pace, isClose } = make()
  const ticksUntilClose = (): number => {
    for (let ticks = 0; ; ticks++) {
      if (isClose()) return ticks
      pace.tick()
    }
  }
  pace.fellBehind()
  assert.equal(ticksUntilClose(), 100)
  stall.behindMs = 290
  pace.tick()
  assert.ok(isClose())
  stall.behindMs = 300
  pace.tick()
  stall.behindMs = 0
  assert.equal(ticksUntilClose(), 100)
})
