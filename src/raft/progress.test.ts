/** One peer's progress, and the in-flight window that bounds it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import { Inflights } from './inflights.ts'
import { Progress } from './progress.ts'

const at = (index: number): LogIndex => index as LogIndex
const peer = (next: number): Progress => new Progress(2 as ReplicaId, at(next), true, 3, 100)

test('the window never leaks a byte, whatever comes and goes', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), bytes: fc.nat(60) }),
    fc.record({ kind: fc.constant('free' as const), ahead: fc.nat(5) }),
    fc.record({ kind: fc.constant('clear' as const) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 200 }), (maxMessages, steps) => {
      const window = new Inflights(maxMessages, 100)
      let model: { last: number; bytes: number }[] = []
      let last = 0
      for (const each of steps) {
        const held = model.reduce((sum, one) => sum + one.bytes, 0)
        if (each.kind === 'add') {
          const hasRoom = model.length === 0 || (model.length < maxMessages && held + each.bytes <= 100)
          assert.equal(window.hasRoomFor(each.bytes), hasRoom)
          if (!hasRoom) continue
          window.add(at(++last), each.bytes)
          model.push({ last, bytes: each.bytes })
        } else if (each.kind === 'free') {
          const upTo = (model[0]?.last ?? 0) + each.ahead
          window.freeTo(at(upTo))
          model = model.filter((one) => one.last > upTo)
        } else {
          window.clear()
          model = []
        }
        window.check()
        assert.equal(window.count, model.length)
        assert.equal(
          window.bytes,
          model.reduce((sum, one) => sum + one.bytes, 0),
        )
      }
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('a probe is one append at a time, until an answer or a sign of life', () => {
  const progress = peer(10)
  assert(!progress.isBlocked)
  progress.sent(at(12), 30)
  assert(progress.isBlocked)
  assert.equal(progress.next, 10)
  progress.heard(true)
  assert(!progress.isBlocked && progress.isDue)
})

test('refusals move a probe back to the hint, and old ones do nothing', () => {
  const progress = peer(10)
  assert(!progress.refused(at(9), at(3)), 'nothing was asked yet')
  progress.sent(at(12), 30)
  assert(!progress.refused(at(7), at(3)), 'another question')
  assert(progress.refused(at(9), at(3)))
  assert.equal(progress.next, 4)
  progress.sent(at(12), 30)
  progress.accepted(at(3))
  progress.toReplicate()
  progress.sent(at(8), 10)
  assert(!progress.refused(at(3), at(0)), 'already known to match')
  assert(progress.refused(at(8), at(5)))
  assert.equal(progress.state, 'probe')
  assert.equal(progress.next, 4)
  assert.equal(progress.inflights.count, 0)
})

test('acknowledgements free the window and move the peer forward, never back', () => {
  const progress = peer(1)
  progress.accepted(at(0))
  progress.toReplicate()
  progress.sent(at(2), 10)
  progress.sent(at(4), 20)
  assert(progress.accepted(at(2)))
  assert.equal(progress.inflights.bytes, 20)
  assert(!progress.accepted(at(1)))
  assert.equal(progress.match, 2)
  assert.equal(progress.next, 5)
  progress.check(at(4))
})

test('nothing is sent beside a snapshot, nor right after it', () => {
  const progress = peer(5)
  progress.toSnapshot()
  assert(progress.isBlocked)
  assert(!progress.refused(at(4), at(1)))
  progress.toProbeLater(at(21))
  assert(progress.isBlocked)
  assert(!progress.refused(at(20), at(1)), 'a late refusal of before the snapshot')
  progress.heard(true)
  assert(!progress.isBlocked)
})

test('a damaged peer counts from nothing, and agreement is sought where it may be', () => {
  const progress = peer(1)
  progress.accepted(at(9))
  progress.toReplicate()
  progress.lost(at(4))
  assert.equal(progress.match, 0)
  assert.equal(progress.next, 5)
  assert.equal(progress.state, 'probe')
})
