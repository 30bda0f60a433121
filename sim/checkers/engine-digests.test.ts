import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeLogIndex, makeTerm } from '../../src/base/log-entry.ts'
import type { Engine, EngineOperation } from '../../src/env/engine.ts'
import { APPLIED_KEY, encodeApplied, makeEngineKeys } from '../../src/replica/state/engine-records.ts'
import { createMemoryEngineStore } from '../../src/storage/memory-engine.ts'
import { digestingStore } from './engine-digests.ts'

const EPOCHS = { data: 1, meta: 1 }
const NEXT_EPOCHS = { data: 2, meta: 2 }

function put(key: string, value: string, epochs = EPOCHS): EngineOperation {
  return { kind: 'put', key: makeEngineKeys(epochs).of(key), value }
}

function appliedAt(index: number, epochs = EPOCHS): EngineOperation {
  const position = { index: makeLogIndex(index), term: makeTerm(1) }
  const record = { position, timeMs: 1, machineVersion: 1, epochs, membership: new Uint8Array() }
  return { kind: 'put', key: APPLIED_KEY, value: encodeApplied(record) }
}

async function replica(): Promise<{
  engine: Engine
  digests: Map<number, number>
  reopen: () => Promise<Engine>
}> {
  const digests = new Map<number, number>()
  const store = digestingStore(createMemoryEngineStore(), (name, index, digest) => {
    assert.equal(name, 'group-1')
    digests.set(index, digest)
  })
  return { engine: await store.open('group-1'), digests, reopen: () => store.open('group-1') }
}

test('equal states have equal digests, however they came about', async () => {
  const [left, right] = [await replica(), await replica()]
  await left.engine.write([put('x', '1'), put('y', '2'), appliedAt(2)])
  await right.engine.write([put('x', '0'), appliedAt(1)])
  await right.engine.write([put('y', '2'), put('z', '3'), put('x', '1')])
  await right.engine.close()
  const again = await right.reopen()
  await again.write([{ kind: 'delete', key: makeEngineKeys(EPOCHS).of('z') }, appliedAt(2)])
  assert.equal(left.digests.get(2), right.digests.get(2))
})

test('a value, a key or a missing record makes another digest', async () => {
  const digestOf = async (...operations: EngineOperation[]): Promise<number | undefined> => {
    const { engine, digests } = await replica()
    await engine.write([...operations, appliedAt(1)])
    return digests.get(1)
  }
  const states = [
    await digestOf(put('x', '1'), put('y', '2')),
    await digestOf(put('x', '2'), put('y', '1')),
    await digestOf(put('x', '1')),
    await digestOf(put('x', '1'), put('z', '2')),
    await digestOf(),
  ]
  assert.equal(new Set(states).size, states.length)
})

test('only the present epochs count', async () => {
  const [left, right] = [await replica(), await replica()]
  await left.engine.write([put('x', '1'), appliedAt(3)])
  await right.engine.write([put('old', '9'), appliedAt(1)])
  await right.engine.write([put('x', '1', NEXT_EPOCHS), appliedAt(3, NEXT_EPOCHS)])
  assert.equal(left.digests.get(3), right.digests.get(3))
  const { from, to } = { from: makeEngineKeys(NEXT_EPOCHS).of('a'), to: makeEngineKeys(NEXT_EPOCHS).of('z') }
  await right.engine.write([{ kind: 'deleteRange', from, to }, appliedAt(3, NEXT_EPOCHS)])
  assert.notEqual(left.digests.get(3), right.digests.get(3))
})
