import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeyRange, KeyValue } from '../base/machine.ts'
import { KV_MACHINE_VERSION } from './machine.ts'
import { KvTransaction } from './transaction.ts'
import { PAGES_MAX, readAll } from './whole-range.ts'

const PAGE_RECORDS = 16
const RANGE = { from: 'a', to: 'b', limit: 1 }

/** Answers ranges over so many records once they were asked for; counts the rounds. */
function readWithRounds(recordCount: number, expectedCount: number) {
  const records: KeyValue[] = Array.from({ length: recordCount }, (_, index) => ({
    key: `a${String(index).padStart(6, '0')}${'\0'.repeat(index % 3)}`,
    value: String(index),
  }))
  const known = new Map<string, readonly KeyValue[]>()
  const nameOf = (range: KeyRange) => JSON.stringify(range)
  const view = { get: () => null, range: (range: KeyRange) => known.get(nameOf(range)) }
  for (let rounds = 0; ; rounds++) {
    const context = { timeMs: 0, seed: 0, machineVersion: KV_MACHINE_VERSION }
    const transaction = new KvTransaction(view, context, 0, { maxValueBytes: 1 })
    const found = readAll(transaction, RANGE, expectedCount, PAGE_RECORDS)
    if (found !== undefined) return { found, rounds, records }
    for (const range of transaction.need().ranges) {
      const answer = records.filter(({ key }) => key >= range.from && key < range.to).slice(0, range.limit)
      known.set(nameOf(range), answer)
    }
  }
}

test('a range is read whole, each record once, whatever count was expected', () => {
  for (const recordCount of [0, 1, 15, 16, 17, 31, 32, 33, 200]) {
    for (const expectedCount of [0, 16, 1_000]) {
      const { found, rounds, records } = readWithRounds(recordCount, expectedCount)
      assert.deepEqual(found, records)
      assert.equal(rounds, Math.floor(recordCount / PAGE_RECORDS) + 1)
    }
  }
})

test('a range of too many pages is refused instead of exceeding the rounds', () => {
  assert.equal(readWithRounds(PAGES_MAX * PAGE_RECORDS, 0).found, null)
  assert.notEqual(readWithRounds(PAGES_MAX * PAGE_RECORDS - 1, 0).found, null)
})
