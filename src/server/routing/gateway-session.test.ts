import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../env/clock.ts'
import { GatewaySession, OPEN_SEQUENCES_MAX } from './gateway-session.ts'

const SEVEN_HOURS_MS = 7 * 3_600_000

class Hands {
  nowMs = 0
  next32 = 1
  readonly clock = { wallMs: () => 1_000_000 + this.nowMs, monotonicMs: () => this.nowMs } as Clock
  readonly random = { next: () => 0.5, u32: () => this.next32++ }
}

test('sequences count up, and the lowest open one is told', () => {
  const { clock, random } = new Hands()
  const session = new GatewaySession(clock, random)
  const [first, second, third] = [session.open(), session.open(), session.open()]
  assert.deepEqual([first.sequence, second.sequence, third.sequence], [1, 2, 3])
  assert.equal(third.lowestUnacknowledged, 1)
  session.release(second)
  assert.equal(session.refresh(third).lowestUnacknowledged, 1)
  session.release(first)
  assert.equal(session.refresh(third).lowestUnacknowledged, 3)
  assert.equal(session.open().lowestUnacknowledged, 3)
})

test('a tag never says of itself that it was acknowledged', () => {
  const { clock, random } = new Hands()
  const session = new GatewaySession(clock, random)
  const tag = session.open()
  session.release(tag)
  assert.equal(session.refresh(tag).lowestUnacknowledged, 1)
})

test('there is room for a bounded number of open writes', () => {
  const { clock, random } = new Hands()
  const session = new GatewaySession(clock, random)
  const first = session.open()
  while (session.hasRoom) session.open()
  assert.throws(() => session.open())
  session.release(first)
  assert.equal(session.hasRoom, true)
  assert.equal(session.open().sequence, OPEN_SEQUENCES_MAX + 1)
})

test('a wall clock that was set by hours makes a new session, in either direction', () => {
  for (const jumpMs of [SEVEN_HOURS_MS, -SEVEN_HOURS_MS]) {
    const { clock, random } = new Hands()
    let wallMs = 1e12
    const session = new GatewaySession({ ...clock, wallMs: () => wallMs }, random)
    const old = session.open()
    wallMs += jumpMs
    assert.notEqual(session.open().id, old.id)
  }
})

test('an old session is replaced even under load; its open writes keep their tags', () => {
  const hands = new Hands()
  const session = new GatewaySession(hands.clock, hands.random)
  const old = session.open()
  hands.nowMs = SEVEN_HOURS_MS
  const fresh = session.open()
  assert.notEqual(fresh.id, old.id)
  assert.equal(fresh.sequence, 1)
  assert.equal(fresh.startedMs, 1_000_000 + SEVEN_HOURS_MS)
  assert.deepEqual(session.refresh(old), old)
  session.release(old)
  assert.equal(session.refresh(fresh).lowestUnacknowledged, 1)
})
