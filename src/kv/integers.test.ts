import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addIntegers, negateInteger, parseInteger } from './integers.ts'

const MAX = 9_223_372_036_854_775_807n
const MIN = -9_223_372_036_854_775_808n
const int64 = fc.oneof(fc.bigInt({ min: MIN, max: MAX }), fc.bigInt({ min: -1000n, max: 1000n }))

test('every 64-bit integer is read in its one spelling, small ones as numbers', () => {
  const property = fc.property(int64, (value) => {
    const parsed = parseInteger(value.toString())
    assert(parsed !== null)
    assert.equal(BigInt(parsed), value)
    assert.equal(typeof parsed === 'number', Number.isSafeInteger(Number(value)))
  })
  fc.assert(property, { seed: 1 })
})

test('everything else is refused', () => {
  const refused = [
    '',
    '-',
    '+1',
    ' 1',
    '1 ',
    '01',
    '-0',
    '-01',
    '00',
    '1.0',
    '1e3',
    '0x1',
    'a',
    '1a',
    '--1',
    '\xb2',
  ]
  const tooLarge = [(MAX + 1n).toString(), (MIN - 1n).toString(), '99999999999999999999', '1'.repeat(400)]
  for (const text of [...refused, ...tooLarge]) assert.equal(parseInteger(text), null, JSON.stringify(text))
})

test('sums are exact or refused', () => {
  const property = fc.property(int64, int64, (left, right) => {
    const sum = addIntegers(parseInteger(left.toString()) ?? 0, parseInteger(right.toString()) ?? 0)
    const exact = left + right
    if (exact > MAX || exact < MIN) assert.equal(sum, null)
    else assert.equal(String(sum), exact.toString())
  })
  fc.assert(property, { seed: 1, numRuns: 1000 })
})

test('the smallest integer has no opposite', () => {
  assert.equal(negateInteger(MIN), null)
  assert.equal(negateInteger(MAX), -MAX)
  assert(Object.is(negateInteger(0), 0))
  assert.equal(negateInteger(5), -5)
})
