/** The page of errors says what the code says: every code and errno, nothing stale. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'
import { errnoRows } from '../src/base/errno.ts'
import { ERROR_CATALOGUE } from '../src/base/error-catalogue.ts'
import { ERROR_REFERENCE, renderErrorReference } from './generate-error-reference.ts'
import { PROJECT_ROOT } from './source-files.ts'

it('the page of errors is up to date (npm run generate writes it)', () => {
  assert.equal(readFileSync(path.join(PROJECT_ROOT, ERROR_REFERENCE), 'utf8'), renderErrorReference())
})

it('the page of errors names every code and every errno', () => {
  const page = renderErrorReference()
  for (const [name, { code }] of Object.entries(ERROR_CATALOGUE))
    assert(page.includes(`\n### ${code} ${name}\n`), name)
  for (const { errno } of errnoRows()) assert(page.includes(`\n| ${errno} | `), errno)
  assert(!page.includes('undefined'))
})
