/** docs/requirements.md cites only tests that exist, and forgets no requirement. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { checkRequirements, expectedItems, parseRequirements, REQUIREMENTS_PAGE } from './requirements.ts'
import { readSourceFiles, type SourceFile } from './source-files.ts'

const TESTS: readonly SourceFile[] = [
  {
    path: 'src/a.test.ts',
    text: "describe('suite', () => {\n  it('one test', () => {})\n  it(`of ${name}`, run)\n})\n",
  },
  { path: 'src/a.ts', text: "it('no test file', run)\n" },
]

function pageWith(proof: string, missing: string): string {
  return expectedItems()
    .map((item) =>
      item === 'A0.1' ? `| A0.1 | what | ${proof} | ${missing} |` : `| ${item} | what | | later |`,
    )
    .join('\n')
}

function problemsOf(proof: string, missing: string = ''): readonly string[] {
  return checkRequirements(parseRequirements(pageWith(proof, missing)), TESTS)
}

it('a page that is true has no problems', () => {
  assert.deepEqual(problemsOf('`src/a.test.ts#one test`, `src/a.test.ts#suite`'), [])
  assert.deepEqual(problemsOf('`src/a.test.ts#one test`', 'the rest'), [])
  assert.deepEqual(problemsOf('', 'everything'), [])
})

it('a test that does not exist is a problem', () => {
  for (const proof of [
    '`src/a.test.ts#another test`',
    '`src/b.test.ts#one test`',
    '`src/a.ts#no test file`',
    '`src/a.test.ts#one`',
  ]) {
    assert.equal(problemsOf(proof).length, 1, proof)
  }
})

it('an item without a row, with two rows, with nothing to say or that does not exist is a problem', () => {
  const page = pageWith('', 'everything')
  const check = (text: string) => checkRequirements(parseRequirements(text), TESTS)
  assert.deepEqual(check(page.replace(/^\| A2[.]7 .*\n/m, '')), ['A2.7 has no row'])
  assert.deepEqual(check(`${page}\n| E.1 | again | | later |`), ['E.1 has two rows'])
  assert.deepEqual(check(`${page}\n| A9.1 | what | | later |`), ['A9.1 is no item'])
  assert.deepEqual(problemsOf(''), ['A0.1 has neither a proof nor says what is missing'])
})

it('the page of the project is true', () => {
  const files = readSourceFiles()
  const page = files.find(({ path }) => path === REQUIREMENTS_PAGE)
  assert(page !== undefined, `${REQUIREMENTS_PAGE} is missing`)
  assert.deepEqual(checkRequirements(parseRequirements(page.text), files), [])
})
