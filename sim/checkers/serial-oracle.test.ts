import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SerialOracle } from './serial-oracle.ts'

/** What the client was told, in order: a = acknowledged, u = unknown, r = refused. */
function told(fates: string, lengths: readonly number[] = []): SerialOracle {
  const oracle = new SerialOracle('s1', true)
  for (const [at, fate] of fates.split('').entries()) {
    const { serial } = oracle.next()
    if (fate === 'a') oracle.told(serial, { kind: 'acknowledged', length: lengths[at] ?? 2 * (at + 1) })
    else oracle.told(serial, { kind: fate === 'u' ? 'unknown' : 'refused' })
  }
  return oracle
}

test('what was acknowledged is there, once, in order', () => {
  told('aaa').read('1,2,3,')
  assert.throws(() => told('aaa').read('1,2,'), /3 was acknowledged and is gone/)
  assert.throws(() => told('aa', [2, 6]).read('1,1,2,'), /1 took effect twice/)
  assert.throws(() => told('aa').read('2,1,'), /2 is there before 1/)
  assert.throws(() => told('a').read('1,7,'), /7 was never asked for/)
  assert.throws(() => told('a').read('1,2'), /never asked|middle/)
})

test('what nobody knows is there once or never, and late if at all', () => {
  told('aua', [2, 0, 4]).read('1,3,')
  told('aua', [2, 0, 6]).read('1,2,3,')
  told('aua', [2, 0, 4]).read('1,3,2,')
  assert.throws(() => told('aua', [2, 0, 6]).read('2,1,3,'), /2 is there before 1/)
  assert.throws(() => told('aua', [2, 0, 4]).read('1,3,2,2,'), /2 took effect twice/)
})

test('what was refused never happened', () => {
  told('ara', [2, 0, 4]).read('1,3,')
  assert.throws(() => told('ara', [2, 0, 6]).read('1,2,3,'), /2 was refused/)
})

test('an answer names the place of what it acknowledges', () => {
  assert.throws(() => told('aua', [2, 0, 6]).read('1,3,2,'), /3 ends at 4, and its answer said 6/)
})

test('a value only grows', () => {
  const oracle = told('au', [2])
  oracle.read('1,2,')
  assert.throws(() => oracle.read('1,'), /what was read before is gone/)
  const { serial } = oracle.next()
  assert.throws(() => oracle.told(serial, { kind: 'acknowledged', length: 4 }), /the value had 4 bytes/)
})

test('what was asked at once takes effect in its order, where the network keeps one', () => {
  const burst = (keepsOrder: boolean): SerialOracle => {
    const oracle = new SerialOracle('s1', keepsOrder)
    for (let count = 3; count > 0; count--) oracle.next()
    assert.throws(() => oracle.read(''), /3 is on its way/)
    oracle.told(1, { kind: 'acknowledged', length: 4 })
    oracle.told(2, { kind: 'unknown' })
    oracle.told(3, { kind: 'acknowledged', length: 2 })
    return oracle
  }
  assert.throws(() => burst(true).read('3,1,'), /3 is there before 1/)
  burst(false).read('3,1,')
  burst(false).read('3,1,2,')
  assert.throws(() => burst(false).read('3,'), /1 was acknowledged and is gone/)
  const later = burst(false)
  later.next()
  later.told(4, { kind: 'unknown' })
  assert.throws(() => later.read('3,4,1,'), /4 is there before 1/)
})
