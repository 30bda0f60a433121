import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { HOLDFAST_VERSION } from './version.ts'

test('the program and the package say the same version', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  assert.equal(HOLDFAST_VERSION, manifest.version)
})
