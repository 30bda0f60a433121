import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { COMMAND_REFERENCE_PATH, renderCommandReference } from './generate-command-reference.ts'

test('docs/reference/commands.md is what the command table says', async () => {
  const page = await readFile(COMMAND_REFERENCE_PATH, 'utf8')
  assert.equal(page, renderCommandReference(), 'run: node tools/generate-command-reference.ts')
})
