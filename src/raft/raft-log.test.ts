import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Entry, LogIndex, LogPosition, Term } from '../base/log-entry.ts'
import { EntryKind } from '../base/log-entry.ts'
import { RaftLog } from './raft-log.ts'

const at = (index: number): LogIndex => index as LogIndex
const position = (term: number, index: number): LogPosition => ({ term: term as Term, index: at(index) })
const entry = (index: number, term: number, bytes = 1): Entry => ({
  index: at(index),
  term: term as Term,
  kind: EntryKind.command,
  payload: new Uint8Array(bytes),
})
/** Entries from 1 on, one per term given. */
const logOf = (...terms: number[]): RaftLog =>
  new RaftLog(
    position(0, 0),
    terms.map((term, slot) => entry(slot + 1, term)),
  )

test('what the log does not hold has no term, not term 0', () => {
  const log = logOf(1, 1, 2)
  assert.equal(log.termAt(0), 0)
  assert.equal(log.termAt(4), null)
  assert(!log.matches(position(0, 4)))
  log.compactTo(at(2))
  assert.equal(log.termAt(1), null)
  assert(!log.matches(position(0, 1)))
  assert(log.matches(position(1, 2)))
})

test('the later term wins, then the longer log (§5.4.1)', () => {
  const log = logOf(1, 2, 2)
  assert(log.isUpToDate(position(2, 3)))
  assert(log.isUpToDate(position(2, 4)))
  assert(log.isUpToDate(position(3, 1)))
  assert(!log.isUpToDate(position(2, 2)))
  assert(!log.isUpToDate(position(1, 9)))
})

test('the hint is the last index that may agree', () => {
  const log = logOf(1, 1, 3, 3, 5)
  const hint = (index: number, term: number): number => log.lastIndexWithTermAtMost(at(index), term as Term)
  assert.equal(hint(5, 5), 5)
  assert.equal(hint(9, 5), 5)
  assert.equal(hint(5, 4), 4)
  assert.equal(hint(5, 2), 2)
  assert.equal(hint(4, 1), 2)
  assert.equal(hint(5, 0), 0)
  log.compactTo(at(4))
  assert.equal(hint(2, 1), 2, 'below the base nothing is known')
  assert.equal(hint(5, 2), 3, 'the base itself is too new')
})

test('gaps and falling terms are refused', () => {
  const log = logOf(1, 2)
  assert.throws(() => log.append(entry(4, 2)), /does not follow/)
  assert.throws(() => log.append(entry(3, 1)), /term 1 follows 2/)
  assert.throws(() => log.truncateFrom(at(0)), /outside/)
  assert.throws(() => log.slice(at(2), at(3)), /outside/)
})

test('a log is an array with a moving start: the same answers as a plain model', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), bytes: fc.nat(9) }),
    fc.record({ kind: fc.constant('truncate' as const), share: fc.nat(99) }),
    fc.record({ kind: fc.constant('compact' as const), share: fc.nat(99) }),
    fc.record({ kind: fc.constant('look' as const), share: fc.nat(99), bytes: fc.nat(30) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const log = new RaftLog(position(0, 0), [])
      let model: Entry[] = []
      let base = 0
      const pick = (share: number): number => base + 1 + Math.floor((share * model.length) / 100)
      for (const each of steps) {
        if (each.kind === 'append') {
          const next = entry(base + model.length + 1, 1, each.bytes)
          log.append(next)
          model.push(next)
        } else if (model.length > 0 && each.kind === 'truncate') {
          log.truncateFrom(at(pick(each.share)))
          model = model.slice(0, pick(each.share) - base - 1)
        } else if (model.length > 0 && each.kind === 'compact') {
          const to = pick(each.share)
          log.compactTo(at(to))
          model = model.slice(to - base)
          base = to
        } else if (model.length > 0 && each.kind === 'look') {
          const from = pick(each.share)
          const rest = model.slice(from - base - 1)
          let sum = 0
          const fitting = rest.findIndex((one) => (sum += one.payload.length) > each.bytes)
          const count = fitting === -1 ? rest.length : Math.max(fitting, 1)
          assert.equal(log.lastWithin(at(from), log.lastIndex, each.bytes), from + count - 1)
          const kept = log.lastLeavingBytes(log.lastIndex, each.bytes)
          const after = (index: number): number => log.bytesBetween(at(index), log.lastIndex)
          assert(kept === base || after(kept) >= each.bytes)
          assert(kept === log.lastIndex || after(kept + 1) < each.bytes)
        }
        assert.equal(log.lastIndex, base + model.length)
        assert.equal(log.base.index, base)
        if (model.length === 0) continue
        assert.deepEqual(log.slice(at(base + 1), log.lastIndex), model)
        const bytes = model.reduce((total, one) => total + one.payload.length, 0)
        assert.equal(log.bytesBetween(log.base.index, log.lastIndex), bytes)
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test('compaction is amortised: a long log is cut often without moving it each time', () => {
  const log = new RaftLog(position(0, 0), [])
  for (let index = 1; index <= 50_000; index++) {
    log.append(entry(index, 1))
    if (index > 100) log.compactTo(at(index - 100))
  }
  assert.equal(log.base.index, 49_900)
  assert.equal(log.bytesBetween(log.base.index, log.lastIndex), 100)
  assert.equal(log.entryAt(at(49_901)).index, 49_901)
})
