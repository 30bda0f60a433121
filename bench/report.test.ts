import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LoadFigures } from './load/load-task.ts'
import { placeBetweenMarkers, renderReport } from './report.ts'
import { Rounds, summarize } from './rounds.ts'
import type { SubjectName } from './subjects.ts'

function figures(requestsPerSecond: number, p99Ms: number): LoadFigures {
  const counts = { requests: 100, errors: 0, firstError: null, absent: 0, ownLoad: 0.5 }
  return {
    ...counts,
    requestsPerSecond,
    p50Ms: 1,
    p99Ms,
    maxMs: p99Ms * 2,
    cpuUsPerRequest: 10,
    residentMib: 100,
  }
}

function measured(rates: Readonly<Partial<Record<SubjectName, readonly number[]>>>): Rounds {
  const rounds = new Rounds()
  for (const [subject, values] of Object.entries(rates) as [SubjectName, number[]][])
    for (const [at, value] of values.entries())
      rounds.add({ subject, test: 'set', pipeline: 1 }, figures(value, at + 1))
  return rounds
}

describe('summing up rounds', () => {
  it('takes the middle one, or the mean of the two in the middle', () => {
    assert.deepEqual(summarize([3, 1, 2]), { median: 2, min: 1, max: 3 })
    assert.deepEqual(summarize([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 })
  })

  it('divides figures of the same round only', () => {
    const rounds = measured({ 'holdfast-1': [10, 20, 30], 'redis-always': [10, 40, 10] })
    const cell = { subject: 'holdfast-1', test: 'set', pipeline: 1 } as const
    assert.deepEqual(rounds.ratio(cell, 'redis-always', 'requestsPerSecond'), { median: 1, min: 0.5, max: 3 })
    assert.equal(rounds.ratio(cell, 'etcd-1', 'requestsPerSecond'), null)
    assert.equal(rounds.worstMs(cell), 6)
  })
})

describe('the report', () => {
  const report = {
    circumstances: [['machine', 'a test']] as const,
    subjects: ['redis-always', 'holdfast-1'] as const,
    loads: [
      { test: 'set', pipeline: 1 },
      { test: 'incr', pipeline: 1 },
    ] as const,
    disk: [{ syncsPerSecond: 1_000, p50Us: 900, p99Us: 2_000 }],
    idleCpuMs: { 'holdfast-1': 1.25 },
    crossChecks: [],
  }

  it('has a table for each load that was measured, and says which targets are missed', () => {
    const text = renderReport(
      report,
      measured({ 'holdfast-1': [44, 40, 20], 'redis-always': [100, 100, 100] }),
    )
    assert.match(
      text,
      /^\| holdfast-1 \| 40 \(20–44\) \| 1\.00 .* \| 2\.00 \(1\.00–3\.00\) \| 6 \| 10\.0 .* \| 100 \|$/m,
    )
    assert.match(
      text,
      /^\| SET, rate, one node \/ redis-always \| 1 \| ≥ 0\.45 .* 0\.40 \(0\.20–0\.44\) \| \*\*missed\*\* \|$/m,
    )
    assert.doesNotMatch(text, /INCR|etcd/)
    const better = renderReport(report, measured({ 'holdfast-1': [50], 'redis-always': [100] }))
    assert.match(better, /0\.50 \(0\.50–0\.50\) \| met \|/)
    const best = renderReport(report, measured({ 'holdfast-1': [90], 'redis-always': [100] }))
    assert.match(best, /\| stretch met \|/)
  })

  it('goes between the markers of a page, again and again', () => {
    const page =
      'before\n<!-- bench:begin: written by npm run bench -- --write -->\nold\n<!-- bench:end -->\nafter\n'
    const once = placeBetweenMarkers(page, 'new')
    assert.match(once, /^before\n<!-- bench:begin.*-->\n\nnew\n<!-- bench:end -->\nafter\n$/)
    assert.equal(placeBetweenMarkers(once, 'new'), once)
    assert.throws(() => placeBetweenMarkers('no markers', 'new'), /needs the lines/)
  })
})
