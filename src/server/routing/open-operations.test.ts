import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OpenOperations } from './open-operations.ts'

class Member {
  readonly bytes: number
  previous: Member | null = null
  next: Member | null = null

  constructor(bytes: number) {
    this.bytes = bytes
  }
}

function membersOf(chain: OpenOperations<Member>): Member[] {
  const members: Member[] = []
  for (let member = chain.first; member !== null; member = member.next) members.push(member)
  return members
}

test('members leave from anywhere, and the others stay in their order', () => {
  const step = fc.record({ adds: fc.boolean(), at: fc.nat(20), bytes: fc.nat(1_000) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const chain = new OpenOperations<Member>()
      const model: Member[] = []
      for (const { adds, at, bytes } of steps) {
        if (adds || model.length === 0) {
          const member = new Member(bytes)
          chain.add(member)
          model.push(member)
        } else {
          const [member] = model.splice(at % model.length, 1) as [Member]
          chain.remove(member)
          assert.ok(member.previous === null && member.next === null, 'what left keeps nobody alive')
        }
        assert.ok(membersOf(chain).every((member, place) => member === model[place]))
        assert.equal(chain.count, model.length)
        assert.equal(
          chain.bytes,
          model.reduce((sum, member) => sum + member.bytes, 0),
        )
      }
    }),
  )
})

test('leaving twice is a mistake that is noticed', () => {
  const chain = new OpenOperations<Member>()
  const [one, other] = [new Member(1), new Member(1)]
  chain.add(one)
  chain.add(other)
  chain.remove(other)
  assert.throws(() => chain.remove(other), /was not there/)
})
