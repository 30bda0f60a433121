/** The table of planted bugs still fits the sources, and what counts as a kill is one. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { edit, edited, type Mutant } from './mutant.ts'
import { MUTANTS } from './mutant-table.ts'
import { FIRST_SEED, tryMutant } from './trial.ts'
import { chainOf, verdictOf } from './verdict.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
/** As many as were collected from the history of other systems; a kill that gets lost is a finding. */
const KILLS_MIN = 44
const KILLS = JSON.parse(readFileSync(path.join(import.meta.dirname, 'kills.json'), 'utf8')) as object

function mutatedFiles(mutant: Mutant): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const one of mutant.edits) {
    assert.match(one.file, /^src\/.*(?<!\.test)\.ts$/, 'bugs are put into the product, not into its tests')
    const before = texts.get(one.file) ?? readFileSync(path.join(ROOT, one.file), 'utf8')
    texts.set(one.file, edited(before, one))
  }
  return texts
}

test('every edit fits the sources exactly once, and what results can be read', () => {
  for (const mutant of MUTANTS) {
    for (const text of mutatedFiles(mutant).values())
      assert.doesNotThrow(() => stripTypeScriptTypes(text), mutant.name)
  }
})

test('every mutant has a name of its own; enough of them were killed, and the list names no others', () => {
  const names = MUTANTS.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  const killed = Object.keys(KILLS)
  assert.deepEqual(
    killed,
    names.filter((name) => killed.includes(name)),
    'in the order of the table',
  )
  assert(killed.length >= KILLS_MIN, `${killed.length} kills`)
})

test('an edit that fits nowhere, or twice, is refused', () => {
  assert.throws(() => edited('a b a', edit('x.ts', 'a', 'c')), /2 places/)
  assert.throws(() => edited('a b a', edit('x.ts', 'd', 'c')), /0 places/)
  assert.equal(edited('a b', edit('x.ts', 'b', '$&')), 'a $&')
})

test('a checker that speaks has found the bug; a program that stumbles has not', () => {
  const of = (error: unknown) => verdictOf(chainOf(error)).kind
  const assertion = new assert.AssertionError({ message: 'both 1 and 2 lead term 3' })
  assert.equal(of(new Error('seed 1 failed', { cause: assertion })), 'killed')
  assert.equal(
    of(new Error('seed 1 failed', { cause: new Error('n1 gave up without a reason', { cause: assertion }) })),
    'killed',
  )
  assert.equal(of(new Error('n1 gave up without a reason')), 'broken')
  assert.equal(of(new Error('seed 1 failed', { cause: new TypeError('x is not a function') })), 'broken')
  assert.equal(of(new Error('applying the log failed: RangeError: out of bounds')), 'broken')
  assert.equal(of('a text'), 'killed')
})

test('a copy of the sources has all that a judge needs', async () => {
  const mutant = MUTANTS.find(({ name }) => name === 'vote-before-durable')
  assert(mutant !== undefined)
  const attempt = { judge: 'raft', from: FIRST_SEED, budget: { seedsMax: 20, cpuSeconds: 20 } } as const
  const { fate, reason } = await tryMutant(mutant, [attempt])
  assert.equal(fate, 'killed', reason)
})
