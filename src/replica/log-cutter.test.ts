import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeRaft } from '../../test/fake-raft.ts'
import { createGatedEngine, settled } from '../../test/gated-engine.ts'
import { freshStore, HandClock, recordingLogger } from '../../test/replica-parts.ts'
import { makeLogIndex, makeTerm } from '../base/log-entry.ts'
import { EngineFault } from '../env/engine.ts'
import type { Raft } from '../raft/raft.ts'
import { createMemoryEngineStore } from '../storage/memory-engine.ts'
import { LogCutter } from './log-cutter.ts'
import type { Persister } from './persister.ts'
import type { StateStore } from './state/state-store.ts'

const MEMBERSHIP = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] }

async function makeWorld(faultFor: (call: string) => EngineFault | null = () => null) {
  const events: string[] = []
  const lines: string[] = []
  const gated = createGatedEngine(await createMemoryEngineStore({ faultFor }).open('e'))
  const store = freshStore(gated.engine, {}, { onFailure: () => events.push('store failed') })
  const world = { logBytes: 1_000, canCut: true, ends: 0 }
  const raft = fakeRaft({
    get logBytes() {
      return world.logBytes
    },
    compactionPoint(upTo, keepBytes) {
      events.push(`cuttable to ${upTo}, keeping ${keepBytes}`)
      return world.canCut ? { position: { index: upTo, term: makeTerm(1) }, membership: MEMBERSHIP } : null
    },
    compact: (index) => events.push(`forget ${index}`),
  } as Partial<Raft>)
  const persister = { setBase: (position: { index: number }) => events.push(`base ${position.index}`) }
  const clock = new HandClock()
  const options = { logBytesMax: 500, logKeepBytes: 100 }
  const cutter = new LogCutter(
    raft,
    store,
    persister as unknown as Persister,
    options,
    {
      clock,
      logger: recordingLogger(lines),
    },
    () => {
      world.ends += 1
    },
  )
  return { events, lines, gated, store, world, clock, cutter }
}

function apply(store: StateStore): void {
  const { index } = store.applied.position
  store.write([], false, null, 0)
  store.finishEntry({ term: makeTerm(1), index: makeLogIndex(index + 1) }, 0, 1, Uint8Array.of(1))
}

test('a short log is left alone', async () => {
  const { cutter, world, events } = await makeWorld()
  world.logBytes = 500
  cutter.consider()
  await settled()
  assert.deepEqual(events, [])
})

test('the log is cut only at what a finished persist covers, however far applying has gone since', async () => {
  const { cutter, store, gated, events } = await makeWorld()
  apply(store)
  gated.isOpen = false
  cutter.consider()
  await settled()
  apply(store)
  apply(store)
  assert.deepEqual(events, [], 'the flush is not in the engine')
  await gated.release()
  assert.deepEqual(events, [], 'in the engine, and not yet durable')
  await gated.releaseAll()
  assert.deepEqual(events, ['cuttable to 1, keeping 100', 'base 1', 'forget 1'])
})

test('one cut at a time, and a pause between two: not even a log that stays too long costs a flush each turn', async () => {
  const { cutter, store, events, world, clock } = await makeWorld()
  world.canCut = false
  apply(store)
  for (let turn = 0; turn < 5; turn++) {
    cutter.consider()
    await settled()
  }
  assert.equal(events.length, 1)
  clock.monotonic += 1_001
  cutter.consider()
  await settled()
  assert.equal(events.length, 2)
  world.logBytes += 500
  cutter.consider()
  await settled()
  assert.equal(events.length, 3, 'no pause for one that has grown by as much as it may have')
  assert.deepEqual(
    events.filter((event) => event.startsWith('forget')),
    [],
  )
})

test('a log that grows faster than it is cut takes nothing more until the cut has ended', async () => {
  const { cutter, store, gated, world } = await makeWorld()
  apply(store)
  world.logBytes = 1_500
  assert.equal(cutter.isFull, false, 'nothing says yet that a cut would take long')
  gated.isOpen = false
  cutter.consider()
  await settled()
  assert.equal(cutter.isFull, true)
  world.logBytes = 1_499
  assert.equal(cutter.isFull, false)
  world.logBytes = 1_500
  await gated.releaseAll()
  assert.equal(cutter.isFull, false, 'what a cut could not change holds up nobody')
  assert.equal(world.ends, 1, 'and whoever waits is told')
})

test("an engine that can't persist: nothing is cut, and the store has failed", async () => {
  const fault = new EngineFault('io', 'e', 'EIO')
  const { cutter, store, events, lines } = await makeWorld((call) => (call === 'persist' ? fault : null))
  apply(store)
  cutter.consider()
  await settled()
  await cutter.stop()
  assert.deepEqual(events, ['store failed'])
  assert.deepEqual(lines, ['the log could not be cut'])
})
