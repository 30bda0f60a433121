import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberOption } from './number-option.ts'

test('numbers are read, and anything else is refused by the name of its option', () => {
  assert.equal(numberOption('--kills', '50'), 50)
  assert.equal(numberOption('--minutes', '0.7'), 0.7)
  for (const text of ['ioredis', '', ' ', '-1', 'Infinity', '5s']) {
    assert.throws(() => numberOption('--clients', text), /--clients is a number from 0 on/)
  }
})
