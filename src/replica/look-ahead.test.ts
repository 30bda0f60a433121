import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ByteString } from '../base/bytes.ts'
import type { Done, Machine, MachineView, Need } from '../base/machine.ts'
import type { ExecutionView } from './execution.ts'
import { AHEAD_KEYS_MIN, fewerKeys, keysAhead, nextKeysMax, type Upcoming } from './look-ahead.ts'
import type { StateStore } from './state/state-store.ts'

/** A command reads one key, then writes another. */
type Copy = { readonly from: ByteString; readonly to: ByteString }

const context = { timeMs: 1, seed: 1, machineVersion: 1 }
const executed: Copy[] = []
const machine = {
  execute(view: MachineView, command: Copy): Done<string> | Need {
    executed.push(command)
    const value = view.get(command.from)
    if (value === undefined) return { kind: 'need', keys: [command.from], ranges: [] }
    return { kind: 'done', reply: '', writes: [{ partition: 0, key: command.to, value }], clearsData: false }
  },
} as unknown as Machine<Copy, string>

function lookAhead(
  known: ReadonlySet<ByteString>,
  commands: readonly Copy[],
  keysMax = AHEAD_KEYS_MIN,
  complete = new Set<number>(),
): readonly ByteString[] {
  const view = { fetched: null, get: (key: ByteString) => (known.has(key) ? 'v' : undefined) }
  const store = {
    unknownOldValues: (writes: readonly { readonly key: ByteString }[]) =>
      writes.map(({ key }) => key).filter((key) => !known.has(key)),
  }
  const upcoming = commands.map((command, place): Upcoming<Copy> => ({ place, command, context }))
  executed.length = 0
  const ahead = keysAhead(
    machine,
    store as unknown as StateStore,
    view as unknown as ExecutionView,
    upcoming,
    complete,
    keysMax,
  )
  return [...ahead]
}

test('names what commands read, and what they overwrite once that is known', () => {
  const commands = [
    { from: 'a', to: 'b' },
    { from: 'k', to: 'c' },
    { from: 'a', to: 'd' },
    { from: 'k', to: 'k' },
  ]
  assert.deepEqual(lookAhead(new Set(['k']), commands), ['a', 'c'])
})

test('looks at a bounded number of commands', () => {
  const commands = Array.from({ length: 1_000 }, (_value, at) => ({ from: `k${at % 3}`, to: 'x' }))
  assert.deepEqual(lookAhead(new Set(), commands), ['k0', 'k1', 'k2'])
  assert.equal(executed.length, 256)
})

test('names fewer keys when values are large, and more again when they are not', () => {
  const commands = Array.from({ length: 100 }, (_value, at) => ({ from: `k${at}`, to: 'x' }))
  assert.equal(lookAhead(new Set(), commands, 5).length, 5)
  let keysMax = AHEAD_KEYS_MIN
  for (let trip = 0; trip < 20; trip++) keysMax = nextKeysMax(keysMax, 1_000)
  assert.equal(keysMax, 512)
  for (let trip = 0; trip < 20; trip++) keysMax = nextKeysMax(keysMax, 100_000_000)
  assert.equal(keysMax, 1)
  assert.equal(nextKeysMax(keysMax, 0), 2)
})

test('a command that wanted nothing is not executed again by the next look', () => {
  const commands = [
    { from: 'k', to: 'k' },
    { from: 'a', to: 'k' },
    { from: 'k', to: 'b' },
  ]
  const complete = new Set<number>()
  assert.deepEqual(lookAhead(new Set(['k']), commands, AHEAD_KEYS_MIN, complete), ['a', 'b'])
  assert.deepEqual(lookAhead(new Set(['k']), commands, AHEAD_KEYS_MIN, complete), ['a', 'b'])
  assert.deepEqual(executed, commands.slice(1))
})

test('what was fetched in vain makes the next look a shorter one', () => {
  assert.equal(fewerKeys(512), 128)
  assert.equal(fewerKeys(1), 1)
})
