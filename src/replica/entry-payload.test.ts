import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTinyMachine, type TinyCommand } from '../../test/tiny-machine.ts'
import { MalformedBytes } from '../base/byte-reader.ts'
import { makeReplicaId } from '../base/ids.ts'
import { commandSeed, decodePayload, type EntryPayload, encodePayload } from './entry-payload.ts'
import type { ProposalMark } from './forwarding/proposal-mark.ts'

const SEED = 20260103
const machine = createTinyMachine()
const COUNT: TinyCommand = { kind: 'count' }

const bytes = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 })
  .map((codes) => String.fromCharCode(...codes))
const command: fc.Arbitrary<TinyCommand> = fc.record({
  kind: fc.constant('set' as const),
  key: bytes,
  value: bytes,
})
const timeMs = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const whole = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const run = fc.record({
  gap: fc.nat({ max: 2 }),
  count: fc.integer({ min: 1, max: 3 }),
  gateway: whole.map(makeReplicaId),
  incarnation: whole,
  stream: whole,
  first: whole,
})
/** As many runs as the commands have room for. */
function marksIn(
  commands: number,
  runs: readonly (typeof run extends fc.Arbitrary<infer Run> ? Run : never)[],
) {
  const marks: ProposalMark[] = []
  let end = 0
  for (const { gap, count, ...id } of runs) {
    if (end + gap + count > commands) break
    marks.push({ ...id, ordinal: end + gap, count })
    end += gap + count
  }
  return marks
}
const commands = fc
  .record({
    timeMs,
    seed: fc.integer({ min: 0, max: 0xffff_ffff }),
    commands: fc.array(command, { minLength: 1, maxLength: 8 }),
    runs: fc.array(run, { maxLength: 3 }),
  })
  .map(({ runs, ...rest }) => ({
    kind: 'commands' as const,
    ...rest,
    marks: marksIn(rest.commands.length, runs),
  }))
const payload: fc.Arbitrary<EntryPayload<TinyCommand>> = fc.oneof(
  { weight: 3, arbitrary: commands },
  fc.record({ kind: fc.constant('check' as const), timeMs }),
  fc.record({
    kind: fc.constant('version' as const),
    timeMs,
    machineVersion: fc.integer({ min: 1, max: 1000 }),
  }),
)

test('what was encoded is decoded', () => {
  fc.assert(
    fc.property(payload, (before) => {
      const after = decodePayload(machine, encodePayload(machine, before))
      if (before.kind !== 'commands') return assert.deepEqual(after, { ...before })
      assert(after.kind === 'commands')
      assert.deepEqual({ ...after, commands: [] }, { ...before, commands: [] })
      const told = after.commands.map((one) => (one.kind === 'set' ? [one.key, one.value] : null))
      assert.deepEqual(
        told,
        before.commands.map((one) => (one.kind === 'set' ? [one.key, one.value] : null)),
      )
    }),
    { seed: SEED },
  )
})

test('a payload that is cut anywhere, or has a byte too many, is refused', () => {
  fc.assert(
    fc.property(payload, (before) => {
      const whole = encodePayload(machine, before)
      for (let length = 0; length < whole.length; length++) {
        assert.throws(() => decodePayload(machine, whole.subarray(0, length)), MalformedBytes)
      }
      assert.throws(() => decodePayload(machine, Uint8Array.of(...whole, 0)), MalformedBytes)
    }),
    { seed: SEED, numRuns: 50 },
  )
})

test('unknown kinds and impossible counts are refused without being believed', () => {
  const check = Uint8Array.from(encodePayload(machine, { kind: 'check', timeMs: 5 }))
  assert.throws(
    () => decodePayload(machine, Uint8Array.of(9, ...check.subarray(1))),
    /unknown payload kind 9/,
  )
  const commands = [
    ...encodePayload(machine, {
      kind: 'commands',
      timeMs: 5,
      seed: 1,
      commands: [{ kind: 'count' }],
      marks: [],
    }),
  ]
  const huge = [...commands.slice(0, 13), 0xff, 0xff, 0xff, 0x7f, ...commands.slice(14)]
  assert.throws(() => decodePayload(machine, Uint8Array.from(huge)), /commands in \d+ bytes/)
})

test('marks that reach beyond the commands, or are none, are refused', () => {
  const mark = { gateway: makeReplicaId(3), incarnation: 4, stream: 5, first: 6, ordinal: 1, count: 1 }
  const two = { kind: 'commands' as const, timeMs: 5, seed: 1, commands: [COUNT, COUNT], marks: [mark] }
  const good = encodePayload(machine, two)
  // Runs, then gap, length, gateway, incarnation, stream, first: one byte each.
  assert.deepEqual([...good.subarray(13, 21)], [2, 1, 1, 1, 3, 4, 5, 6])
  const spoil = (at: number, value: number) => {
    const bad = Uint8Array.from(good)
    bad[at] = value
    return () => decodePayload(machine, bad)
  }
  assert.throws(spoil(14, 0), /0 marks for 2 commands/)
  assert.throws(spoil(14, 3), /3 marks for 2 commands/)
  assert.throws(spoil(15, 2), /a mark of 1 commands from 2 on, of 2/)
  assert.throws(spoil(16, 0), /a mark of 0 commands/)
  assert.throws(spoil(16, 2), /a mark of 2 commands/)
  assert.throws(spoil(20, 0), MalformedBytes)
})

test('the format page holds: kind, time, seed, count, commands', () => {
  const bytes = encodePayload(machine, {
    kind: 'commands',
    timeMs: 0x0102_0304_0506,
    seed: 0x0a0b_0c0d,
    commands: [{ kind: 'count' }],
    marks: [],
  })
  assert.equal(
    Buffer.from(bytes).subarray(0, 14).toString('hex'),
    '01060504030201' + '0000' + '0d0c0b0a' + '01',
  )
})

test('seeds of neighbouring commands share no pattern', () => {
  const seeds = new Set<number>()
  let bits = 0
  for (let ordinal = 0; ordinal < 1000; ordinal++) {
    const seed = commandSeed(7, ordinal)
    assert(Number.isInteger(seed) && seed >= 0 && seed <= 0xffff_ffff)
    seeds.add(seed)
    let differing = seed ^ commandSeed(7, ordinal + 1)
    while (differing !== 0) {
      bits += differing & 1
      differing >>>= 1
    }
  }
  assert.equal(seeds.size, 1000)
  assert(bits / 1000 > 8 && bits / 1000 < 24, `${bits / 1000} of 32 bits change`)
})
