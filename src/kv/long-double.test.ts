import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addLongDoubles, formatLongDouble, parseLongDouble } from './long-double.ts'

function sum(left: string, right: string): string {
  const one = parseLongDouble(left)
  const other = parseLongDouble(right)
  assert(one !== null && one !== 'infinity' && other !== null && other !== 'infinity')
  const result = addLongDoubles(one, other)
  assert(result !== null)
  return formatLongDouble(result)
}

test('sums print as redis-server prints them', () => {
  // Left operand stored, right operand added by INCRBYFLOAT of redis-server 7.0.15 on x86-64.
  for (const [left, right, expected] of RECORDED)
    assert.equal(sum(left, right), expected, `${left} + ${right}`)
})

test('small sums of numbers with few decimals are exact', () => {
  const cents = fc.integer({ min: -1_000, max: 1_000 })
  const property = fc.property(cents, cents, (left, right) => {
    const exact = ((left + right) / 100).toFixed(2).replace(/\.?0+$/, '')
    assert.equal(sum((left / 100).toFixed(2), (right / 100).toFixed(2)), exact === '-0' ? '0' : exact)
  })
  fc.assert(property, { seed: 1, numRuns: 1000 })
})

test('what is printed reads back as the same number', () => {
  const property = fc.property(fc.double({ min: -1e15, max: 1e15, noNaN: true }), (value) => {
    const printed = sum(String(value), '0')
    assert(Math.abs(Number(printed) - value) <= 1e-17 + Math.abs(value) * Number.EPSILON)
    assert.equal(sum(printed, '0'), printed)
  })
  fc.assert(property, { seed: 1 })
})

test('what is not a number is refused, also when it is long', () => {
  const refused = [
    '',
    '.',
    '-',
    '+',
    'e5',
    '1e',
    '1e+',
    '1x',
    ' 1',
    '1 ',
    '--1',
    '1.2.3',
    'nan',
    '1e999999999',
    '1e-999999999',
  ]
  for (const text of [...refused, '1'.repeat(6000)])
    assert.equal(parseLongDouble(text), null, text.slice(0, 20))
  for (const text of ['inf', '-inf', '+Infinity']) assert.equal(parseLongDouble(text), 'infinity')
})

test('a sum beyond the range is refused', () => {
  const huge = parseLongDouble('1.18e4932')
  assert(huge !== null && huge !== 'infinity')
  assert.equal(addLongDoubles(huge, huge), null)
})

const RECORDED: readonly (readonly [string, string, string])[] = [
  ['0.1', '0.2', '0.3'],
  ['9083e24', '-567.834e12', '9082999999999432166215778304'],
  ['-91.1', '-925335731863941', '-925335731864032.0999755859375'],
  ['-41', '-78346854793822.02', '-78346854793863.01999664306640625'],
  ['-7433282664253', '726507.074991', '-7433281937745.92500877380371094'],
  ['-908292.5310e-19', '-491554506', '-491554506'],
  ['41905', '236e14', '23600000000041905'],
  ['-52297', '-9490924921913', '-9490924974210'],
  ['408405.589', '95867', '504272.58899999999999864'],
  ['5388504897290925846784', '84174.87', '5388504897290925930496'],
  ['3.08970681733183044', '-05451', '-5447.91029318266816972'],
  ['-240329027435.7501971428802292', '649314088431982.455', '649073759404546.704833984375'],
]
