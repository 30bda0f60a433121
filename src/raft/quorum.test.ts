import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ReplicaId } from '../base/ids.ts'
import type { Membership } from './membership.ts'
import { isSoleVoter, majorityOf, quorumValue, voteOutcome } from './quorum.ts'

const ids = (...numbers: number[]): ReplicaId[] => numbers as ReplicaId[]
const members = (voters: ReplicaId[], votersOutgoing: ReplicaId[] = []): Membership => ({
  voters,
  votersOutgoing,
  learners: [],
  learnersNext: [],
})

test('a majority is more than half', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majorityOf), [1, 2, 2, 3, 3, 4, 4])
})

test('a quorum value is held by a majority of each half, and the next one is not', () => {
  const voters = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 })
  const values = fc.array(fc.nat(20), { minLength: 10, maxLength: 10 })
  fc.assert(
    fc.property(voters, fc.option(voters, { nil: [] }), values, (incoming, outgoing, held) => {
      const membership = members(ids(...incoming), ids(...outgoing))
      const value = quorumValue(membership, (id) => held[id] as number)
      const isHeld = (list: number[], floor: number): boolean =>
        list.length === 0 || list.filter((id) => (held[id] as number) >= floor).length > list.length / 2
      assert(isHeld(incoming, value) && isHeld(outgoing, value))
      assert(!isHeld(incoming, value + 1) || !isHeld(outgoing, value + 1))
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('no voters decide nothing', () => {
  assert.equal(
    quorumValue(members([]), () => 9),
    0,
  )
  assert.equal(voteOutcome(members([]), new Map()), 'pending')
})

test('joint votes need both halves, and are lost with either', () => {
  const joint = members(ids(1, 2, 3), ids(3, 4, 5))
  const votes = (granted: number[], refused: number[]): Map<ReplicaId, boolean> =>
    new Map([
      ...ids(...granted).map((id) => [id, true] as const),
      ...ids(...refused).map((id) => [id, false] as const),
    ])
  assert.equal(voteOutcome(joint, votes([1, 2], [])), 'pending')
  assert.equal(voteOutcome(joint, votes([1, 2, 3], [])), 'pending')
  assert.equal(voteOutcome(joint, votes([1, 2, 3, 4], [])), 'won')
  assert.equal(voteOutcome(joint, votes([1, 2, 3], [4, 5])), 'lost')
  assert.equal(voteOutcome(joint, votes([4, 5], [1, 2])), 'lost')
})

test('a sole voter is alone in both halves', () => {
  const [one] = ids(1)
  assert(isSoleVoter(members(ids(1)), one as ReplicaId))
  assert(!isSoleVoter(members(ids(1), ids(1, 2)), one as ReplicaId))
  assert(!isSoleVoter(members(ids(2)), one as ReplicaId))
})
