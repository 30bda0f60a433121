/** docs/dependencies.md explains exactly the packages of package.json, all of them pinned. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'
import { PROJECT_ROOT } from './source-files.ts'

type Manifest = {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(path.join(PROJECT_ROOT, 'package.json'), 'utf8')) as Manifest
const page = readFileSync(path.join(PROJECT_ROOT, 'docs/dependencies.md'), 'utf8')

it('the page of dependencies has a row for each package, under the right heading, and no other', () => {
  const [, atRunTime = '', forDevelopment = ''] = page.split(/^## .*$/m)
  assert.deepEqual(packagesOf(atRunTime), new Set(Object.keys(manifest.dependencies)))
  assert.deepEqual(packagesOf(forDevelopment), new Set(Object.keys(manifest.devDependencies)))
})

it('every version is exact', () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name)
  }
})

function packagesOf(section: string): Set<string> {
  const rows = section.split('\n').filter((line) => /^\| (?!package |-)/.test(line))
  return new Set(rows.flatMap((row) => (row.split('|')[1] as string).split(',').map((name) => name.trim())))
}
