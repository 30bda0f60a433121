import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseConfigFile } from './config-file.ts'
import { OPTION_NAMES } from './option-table.ts'
import { renderOptionsPage } from './options-page.ts'
import { resolveOptions } from './resolve-options.ts'

test('docs/reference/options.md is what the option table says (node tools/write-options-page.ts writes it)', () => {
  const page = readFileSync(new URL('../../../docs/reference/options.md', import.meta.url), 'utf8')
  assert.equal(page, renderOptionsPage())
})

test('every option has its place on the page', () => {
  const page = renderOptionsPage()
  for (const name of OPTION_NAMES) assert.equal(page.split(`\n### ${name}\n`).length, 2, name)
})

test('the example on the page is a valid file', async () => {
  const yaml = /```yaml\n([^]*?)```/.exec(renderOptionsPage())?.[1]
  assert.ok(yaml)
  const file = await parseConfigFile('example.yaml', yaml)
  const { problems } = resolveOptions({ flags: new Map(), environment: {}, file })
  assert.deepEqual(problems, [])
  assert.equal(file.entries.size, 6)
})
