/** A run that did not end must not look like one in which nothing failed. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseTestSummary } from './test-summary.ts'

const SUMMARY =
  'ℹ tests 7\nℹ suites 2\nℹ pass 4\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\nℹ duration_ms 9.1\n'

it('counts of a finished run are read, cancelled tests among the failed', () => {
  assert.deepEqual(parseTestSummary(`✔ a (1ms)\n${SUMMARY}`), { tests: 7, passed: 4, failed: 2, skipped: 1 })
})

it('the last summary counts, whatever a test printed', () => {
  assert.equal(parseTestSummary(`ℹ tests 1\nℹ pass 1\nℹ fail 0\nℹ cancelled 0\n${SUMMARY}`)?.tests, 7)
})

it('a run without an end has no summary', () => {
  assert.equal(parseTestSummary('✔ a (1ms)\n'), null)
  assert.equal(parseTestSummary(SUMMARY.slice(0, 20)), null)
  assert.equal(parseTestSummary(''), null)
})
