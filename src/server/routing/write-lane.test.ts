import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeGroupId, makeReplicaId } from '../../base/ids.ts'
import { WriteLane } from './write-lane.ts'

const GROUP = makeGroupId(1)
const A = makeReplicaId(1)
const B = makeReplicaId(2)

type Member = { isDone: boolean; group: typeof GROUP; position: number }

function laneWith(count: number): { lane: WriteLane; members: Member[]; end: (at: number) => void } {
  const lane = new WriteLane()
  const members = Array.from({ length: count }, () => ({ isDone: false, group: GROUP, position: 0 }))
  for (const member of members) lane.add(member)
  const end = (at: number): void => {
    ;(members[at] as Member).isDone = true
    lane.settle()
  }
  return { lane, members, end }
}

const admitted = (lane: WriteLane, members: readonly Member[], to = A, term = 5): boolean[] =>
  members.map((member) => lane.admit(member, to, term, false))

test('by one route writes follow each other at once', () => {
  const { lane, members } = laneWith(4)
  assert.deepEqual(admitted(lane, members), [true, true, true, true])
})

test('without a term only one is under way', () => {
  const { lane, members, end } = laneWith(3)
  assert.deepEqual(admitted(lane, members, A, 0), [true, false, false])
  end(0)
  assert.deepEqual(admitted(lane, members.slice(1), A, 7), [true, true])
})

test('another route is taken only when all before was answered', () => {
  const { lane, members, end } = laneWith(3)
  const [first, second, third] = members as [Member, Member, Member]
  assert.ok(lane.admit(first, A, 5, false))
  assert.ok(!lane.admit(second, B, 6, false))
  assert.ok(!lane.admit(second, A, 6, false))
  end(0)
  assert.ok(lane.admit(second, B, 6, false))
  assert.ok(lane.admit(third, B, 6, false))
})

test('what has to go again holds back everything behind it', () => {
  const { lane, members } = laneWith(4)
  const [first, second, third, fourth] = members as [Member, Member, Member, Member]
  assert.deepEqual(admitted(lane, [first, second, third]), [true, true, true])
  lane.returned(second)
  assert.ok(!lane.admit(fourth, A, 5, false))
  assert.ok(!lane.admit(third, A, 5, false))
  assert.ok(lane.admit(second, A, 5, false))
  assert.ok(lane.admit(third, A, 5, false))
  assert.ok(lane.admit(fourth, A, 5, false))
})

test('the first may always go, by any route, and those behind it follow by the new one', () => {
  const { lane, members } = laneWith(3)
  assert.deepEqual(admitted(lane, members), [true, true, true])
  for (const member of members) lane.returned(member)
  assert.deepEqual(admitted(lane, members, B, 6), [true, true, true])
})

test('what was answered in the middle is passed over', () => {
  const { lane, members, end } = laneWith(4)
  const [first, second, third, fourth] = members as [Member, Member, Member, Member]
  assert.deepEqual(admitted(lane, [first, second, third]), [true, true, true])
  lane.returned(first)
  end(1)
  assert.ok(lane.admit(first, B, 6, false))
  assert.ok(lane.admit(third, B, 6, false))
  assert.ok(lane.admit(fourth, B, 6, false))
})

test('a long-lived lane keeps nothing of what is done', () => {
  const lane = new WriteLane()
  for (let count = 0; count < 5_000; count++) {
    const member = { isDone: false, group: GROUP, position: 0 }
    lane.add(member)
    assert.ok(lane.isFirst(member))
    assert.ok(lane.admit(member, A, 5, false))
    member.isDone = true
    lane.settle()
  }
  const last = { isDone: false, group: GROUP, position: 0 }
  lane.add(last)
  assert.equal(last.position, 5_000)
  assert.ok(lane.admit(last, A, 5, false))
})
