/** Planning changes, their bytes, and which one is in force where. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MalformedBytes } from '../base/byte-reader.ts'
import type { ReplicaId } from '../base/ids.ts'
import type { Entry, LogIndex, Term } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import type { Membership } from './membership.ts'
import { allMembers, byId, isJoint } from './membership.ts'
import { enterChange, leaveJoint, membershipProblem, targetProblem } from './membership-change.ts'
import { decodeMembership, encodeMembership } from './membership-codec.ts'
import { MembershipHistory } from './membership-history.ts'

const ids = (...numbers: number[]): ReplicaId[] => numbers as ReplicaId[]
const plain = (voters: number[], learners: number[] = []): Membership => ({
  voters: ids(...voters),
  votersOutgoing: [],
  learners: ids(...learners),
  learnersNext: [],
})

const target = fc
  .tuple(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1 }), fc.nat(6))
  .map(([all, cut]) => ({ voters: ids(...all.slice(0, cut + 1)), learners: ids(...all.slice(cut + 1)) }))

test('every change reaches exactly its target, through valid configurations', () => {
  fc.assert(
    fc.property(target, target, (from, to) => {
      const start = enterChange(plain([9]), from)
      const current = isJoint(start) ? leaveJoint(start) : start
      const joint = enterChange(current, to)
      assert.equal(membershipProblem(joint), null)
      const end = isJoint(joint) ? leaveJoint(joint) : joint
      assert.deepEqual(end, plain([...to.voters].sort(byId), [...to.learners].sort(byId)))
      assert.deepEqual(decodeMembership(encodeMembership(joint)), joint)
      if (isJoint(joint)) assert.deepEqual(joint.votersOutgoing, current.voters)
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('a change of learners alone is not joint; an outgoing voter becomes a learner at the end', () => {
  assert(!isJoint(enterChange(plain([1, 2]), { voters: ids(1, 2), learners: ids(3) })))
  const joint = enterChange(plain([1, 2, 3]), { voters: ids(1, 2), learners: ids(3) })
  assert.deepEqual(joint.learners, [])
  assert.deepEqual(joint.learnersNext, [3])
  assert.deepEqual(allMembers(joint), [1, 2, 3])
})

test('impossible targets are named', () => {
  assert.match(targetProblem({ voters: [], learners: ids(1) }) ?? '', /at least one voter/)
  assert.match(targetProblem({ voters: ids(1, 1), learners: [] }) ?? '', /twice/)
  assert.match(targetProblem({ voters: ids(1), learners: ids(1) }) ?? '', /twice/)
  assert.match(targetProblem({ voters: ids(0), learners: [] }) ?? '', /not a replica id/)
  assert.throws(() => enterChange(plain([1]), { voters: [], learners: [] }), /at least one voter/)
})

test('malformed memberships are refused', () => {
  const good = encodeMembership(plain([1, 2], [3]))
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => decodeMembership(good.subarray(0, length)), MalformedBytes)
  }
  const bad: number[][] = [
    [2, 1, 1, 0, 0, 0], // unknown version
    [1, 2, 2, 1, 0, 0, 0], // not ascending
    [1, 1, 0, 0, 0, 0], // replica 0
    [1, 64, 0], // too many
    [1, 1, 1, 0, 1, 1, 0], // a voter that learns
    [1, 0, 1, 1, 0, 0], // outgoing without incoming
    [1, 1, 1, 0, 0, 1, 2], // a future learner that was no voter
    [1, 1, 1, 0, 0, 0, 0], // one byte too many
  ]
  for (const bytes of bad) assert.throws(() => decodeMembership(Uint8Array.from(bytes)), MalformedBytes)
})

test('a membership is in force from its entry on, until it is truncated', () => {
  const entry = (index: number, membership: Membership): Entry => ({
    index: index as LogIndex,
    term: 1 as Term,
    kind: EntryKind.membership,
    payload: encodeMembership(membership),
  })
  const at = (index: number): LogIndex => index as LogIndex
  const history = new MembershipHistory(at(5), plain([1]))
  history.append(entry(7, plain([1, 2])))
  history.append(entry(9, plain([1, 2, 3])))
  assert.deepEqual(
    [5, 6, 7, 8, 9, 20].map((index) => history.at(at(index)).voters.length),
    [1, 1, 2, 2, 3, 3],
  )
  assert.equal(history.currentIndex, 9)
  history.truncateFrom(at(9))
  assert.deepEqual(history.current.voters, [1, 2])
  history.compact(at(8))
  assert.equal(history.changeCount, 0)
  assert.deepEqual(history.current.voters, [1, 2])
  assert.throws(() => history.at(at(7)), /forgotten/)
  history.reset(at(30), plain([4]))
  assert.deepEqual(history.at(at(30)).voters, [4])
})
