import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesGlob } from './glob.ts'

/** Written for clarity alone: a class of single bytes and ranges, no escapes. */
function matchesNaively(pattern: string, subject: string): boolean {
  if (pattern === '') return subject === ''
  const first = pattern[0]
  if (first === '*') {
    for (let taken = 0; taken <= subject.length; taken++) {
      if (matchesNaively(pattern.slice(1), subject.slice(taken))) return true
    }
    return false
  }
  if (subject === '') return false
  if (first === '?') return matchesNaively(pattern.slice(1), subject.slice(1))
  return first === subject[0] && matchesNaively(pattern.slice(1), subject.slice(1))
}

test('stars and question marks agree with a matcher that tries everything', () => {
  const text = (...units: string[]) => fc.string({ unit: fc.constantFrom(...units), maxLength: 8 })
  const property = fc.property(text('a', 'b', '*', '?'), text('a', 'b'), (pattern, subject) => {
    assert.equal(matchesGlob(pattern, subject), matchesNaively(pattern, subject))
  })
  fc.assert(property, { seed: 1, numRuns: 5000 })
})

test('classes and escapes match as in Redis', () => {
  // Recorded from KEYS of redis-server 7.0.15.
  for (const [pattern, subject, expected] of RECORDED) {
    assert.equal(matchesGlob(pattern, subject), expected, `${pattern} on ${subject}`)
  }
})

test('a hostile pattern takes no exponential time', () => {
  const pattern = `${'a*'.repeat(500)}b`
  assert.equal(matchesGlob(pattern, 'a'.repeat(5_000)), false)
  assert.equal(matchesGlob(`${'*[a-z]'.repeat(100)}!`, 'q'.repeat(2_000)), false)
})

const RECORDED: readonly (readonly [string, string, boolean])[] = [
  ['[-b\\', 'b', true],
  ['[^-?', 'b', true],
  ['[a^c^*', '^', true],
  ['[b-', 'b', true],
  ['[ac?^c[', '[', true],
  ['\\a*', 'aa[', true],
  ['?[[cc--', 'a]', true],
  ['b?*[^*', 'b\\][', true],
  ['[^b', '-', true],
  ['\\b', 'b', true],
  ['[a\\]bc', ']', true],
  ['[-c\\][b', ']', true],
  ['[^\\^\\[', 'b', true],
  ['[^^', '-', true],
  ['[^', 'b', true],
  ['?[a-[-c', ']a', true],
  ['[?-c', '[', true],
  ['a[^', 'a-', true],
  ['[?[*', 'ab', false],
  ['\\]b-', 'cb-', false],
  ['*]a\\?', 'a\\^', false],
  ['\\c-]', '[]', false],
  ['cb?[a?', '[', false],
  ['\\[cc-b[', 'a[c^', false],
  ['[a-c]x', 'bx', true],
  ['[c-a]x', 'bx', true],
  ['[^a-c]x', 'bx', false],
  ['[^a-c]x', 'dx', true],
]
