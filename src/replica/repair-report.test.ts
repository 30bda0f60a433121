import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, Bench, id, logOf, members, position, term } from '../../test/raft-bench.ts'
import { recordingLogger } from '../../test/replica-parts.ts'
import { makeGroupId } from '../base/ids.ts'
import type { Clock } from '../env/clock.ts'
import { RepairReporter, reportRepair } from './repair-report.ts'

const LOST = { entries: logOf(1, 2), term: 2, mayVoteFrom: at(2), isVoteLost: true }

function answer(bench: Bench, from: number, isSure: boolean): void {
  bench.tick(2)
  const question = bench.work().find((message) => message.kind === 'termRequest')
  assert(question !== undefined && question.kind === 'termRequest')
  bench.step('termReply', { from: id(from), term: term(2), number: question.number, isSure })
}

test('a whole log has nothing to report', () => {
  assert.equal(reportRepair(new Bench({ entries: logOf(1), term: 1 }).raft.status()), null)
})

test('one damaged of three says whom it waits for, and that waiting is enough', () => {
  const bench = new Bench(LOST)
  const first = reportRepair(bench.raft.status())
  assert.match(first?.text ?? '', /no leader has shown.*did not from replicas 2, 3/)
  bench.append(2, 2, position(2, 2), [], 2)
  answer(bench, 2, true)
  const second = reportRepair(bench.raft.status())
  assert.match(second?.text ?? '', /did not from replica 3$/)
  assert.equal(second?.needsOperator, false)
})

test('two damaged of three need an operator, and it is said how many whole copies are missing', () => {
  const bench = new Bench(LOST)
  answer(bench, 3, false)
  const report = reportRepair(bench.raft.status())
  assert.equal(report?.needsOperator, true)
  assert.match(
    report?.text ?? '',
    /replica 3 lost its votes too; at most 1 of 3 copies are whole and 2 must be/,
  )
})

test('a sole voter whose log is damaged has nobody to ask', () => {
  const report = reportRepair(new Bench({ ...LOST, membership: members(1) }).raft.status())
  assert.equal(report?.needsOperator, true)
  assert.match(report?.text ?? '', /at most 0 of 1/)
})

test('the line is written every ten seconds while it lasts, and not before', () => {
  const lines: string[] = []
  let nowMs = 5
  const clock = { monotonicMs: () => nowMs } as Clock
  const { raft } = new Bench(LOST)
  const reporter = new RepairReporter(makeGroupId(1), raft, { clock, logger: recordingLogger(lines) })
  for (; nowMs < 35_000; nowMs += 10) reporter.tick()
  assert.equal(lines.length, 3, lines.join('\n'))
})
