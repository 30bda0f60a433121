import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SerialOracle } from './serial-oracle.ts'

/** What the client was told, in order: a = acknowledged, u = unknown, r = refused. */
function told(fates: string, lengths: readonly number[] = []): SerialOracle {
  const oracle = new SerialOracle('s1')
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
