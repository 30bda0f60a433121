import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, checkLinearizability, type Model } from './linearizability.ts'

type Input = { readonly kind: 'write'; readonly value: string } | { readonly kind: 'read' }
const register: Model<string, Input, string> = {
  initial: '',
  step: (state, input, output) =>
    input.kind === 'write' ? input.value : output === undefined || output === state ? state : null,
  keyOf: (state) => state,
}

function write(client: string, value: string, from: number, to: number | null): Call<Input, string> {
  return {
    client,
    input: { kind: 'write', value },
    invokedAt: from,
    answer: to === null ? null : { at: to, output: 'OK' },
  }
}
function read(client: string, value: string, from: number, to: number): Call<Input, string> {
  return { client, input: { kind: 'read' }, invokedAt: from, answer: { at: to, output: value } }
}

test('operations one after the other', () => {
  assert.equal(checkLinearizability([write('a', '1', 0, 1), read('b', '1', 2, 3)], register), 'linearizable')
})

test('a read that misses an acknowledged write is a violation', () => {
  assert.equal(checkLinearizability([write('a', '1', 0, 1), read('b', '', 2, 3)], register), 'violated')
})

test('overlapping operations may take effect in either order', () => {
  const both = [write('a', '1', 0, 10), write('b', '2', 0, 10)]
  assert.equal(checkLinearizability([...both, read('c', '1', 11, 12)], register), 'linearizable')
  assert.equal(checkLinearizability([...both, read('c', '2', 11, 12)], register), 'linearizable')
  assert.equal(
    checkLinearizability([...both, read('c', '1', 11, 12), read('d', '2', 13, 14)], register),
    'violated',
  )
})

test('values never go back', () => {
  const calls = [write('a', '1', 0, 1), write('a', '2', 2, 3), read('b', '2', 4, 5), read('c', '1', 6, 7)]
  assert.equal(checkLinearizability(calls, register), 'violated')
})

test('an unanswered write may take effect late, or never, but only once', () => {
  const lost = write('a', '1', 0, null)
  assert.equal(
    checkLinearizability([lost, read('b', '', 1, 2), read('b', '1', 3, 4)], register),
    'linearizable',
  )
  assert.equal(checkLinearizability([lost, read('b', '', 1, 2)], register), 'linearizable')
  const overwritten = [lost, read('b', '1', 1, 2), write('c', '2', 3, 4), read('b', '1', 5, 6)]
  assert.equal(checkLinearizability(overwritten, register), 'violated')
})

test('a stale read on a second client is found behind many good operations', () => {
  const calls: Call<Input, string>[] = []
  for (let at = 0; at < 200; at++) {
    calls.push(write('a', String(at), at * 10, at * 10 + 4), read('b', String(at), at * 10 + 5, at * 10 + 9))
  }
  assert.equal(checkLinearizability(calls, register), 'linearizable')
  assert.equal(checkLinearizability([...calls, read('b', '198', 3_000, 3_001)], register), 'violated')
})
