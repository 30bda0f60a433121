/**
 * The canary: in a small copy of the tree every rule about layers must find the violation planted
 * for it, and nothing when there is none. Without this, a check that sees nothing would pass.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { checkLayers } from './layers.ts'

const SOUND: Readonly<Record<string, string>> = {
  'package.json': '{"type":"module","dependencies":{"zod":"1.0.0"},"devDependencies":{"fast-check":"1.0.0"}}',
  'node_modules/zod/package.json': '{"name":"zod","version":"1.0.0","main":"index.js"}',
  'node_modules/zod/index.js': 'exports.z = 1',
  'node_modules/fast-check/package.json': '{"name":"fast-check","version":"1.0.0","main":"index.js"}',
  'node_modules/fast-check/index.js': 'exports.fc = 1',
  'src/base/ids.ts': "import assert from 'node:assert/strict'\nexport const a: number = 1\nassert(a)\n",
  'src/env/clock.ts': "import type { b } from './random.ts'\nexport type Clock = { now: typeof b }\n",
  'src/env/random.ts': "import { a } from '../base/ids.ts'\nexport const b = a\n",
  'src/raft/raft.ts': "import { a } from '../base/ids.ts'\nexport const term = a\n",
  'src/raft/raft.test.ts':
    "import { readFileSync } from 'node:fs'\nimport { fc } from 'fast-check'\nimport '../env/random.ts'\nimport './raft.ts'\nexport const t = [readFileSync, fc]\n",
  'src/kv/keyspace.ts': "import { a } from '../base/ids.ts'\nexport const keys = a\n",
  'src/storage/log.ts': "import type { Clock } from '../env/clock.ts'\nexport type Log = Clock\n",
  'src/replica/replica.ts':
    "import { term } from '../raft/raft.ts'\nimport type { Log } from '../storage/log.ts'\nexport const r = (l: Log) => [l, term]\n",
  'src/redis/resp.ts': "import { keys } from '../kv/keyspace.ts'\nexport const resp = keys\n",
  'src/server/node.ts':
    "import { r } from '../replica/replica.ts'\nimport { resp } from '../redis/resp.ts'\nexport const node = [r, resp]\n",
  'src/env-node/disk.ts':
    "import { readFileSync } from 'node:fs'\nimport { z } from 'zod'\nimport type { Clock } from '../env/clock.ts'\nexport const disk = (c: Clock) => [readFileSync, z, c]\n",
  'src/cli/main.ts':
    "import { disk } from '../env-node/disk.ts'\nimport { node } from '../server/node.ts'\nexport const main = [disk, node]\n",
  'sim/main.ts': "import { node } from '../src/server/node.ts'\nexport const sim = node\n",
}

/** Each: the rule that must find it, the file it is planted in, and the line that does it. */
const PLANTED: readonly (readonly [string, string, string])[] = [
  ['layer-base', 'src/base/ids.ts', "import '../env/random.ts'"],
  ['layer-env', 'src/env/random.ts', "import '../raft/raft.ts'"],
  ['layer-raft', 'src/raft/raft.ts', "import '../env/random.ts'"],
  ['layer-raft', 'src/raft/raft.ts', "import type { Clock } from '../env/clock.ts'\nexport type C = Clock"],
  ['layer-raft', 'src/raft/raft.ts', "export const late = () => import('../storage/log.ts')"],
  ['layer-kv', 'src/kv/keyspace.ts', "import '../raft/raft.ts'"],
  ['layer-storage', 'src/storage/log.ts', "import '../raft/raft.ts'"],
  ['layer-replica', 'src/replica/replica.ts', "import '../kv/keyspace.ts'"],
  ['layer-redis', 'src/redis/resp.ts', "import '../env/random.ts'"],
  ['layer-server', 'src/server/node.ts', "import '../env-node/disk.ts'"],
  ['layer-env-node', 'src/env-node/disk.ts', "import '../kv/keyspace.ts'"],
  ['known-layer', 'src/utils/helpers.ts', "import '../base/ids.ts'"],
  [
    'io-behind-env',
    'src/server/node.ts',
    "import { readFileSync } from 'node:fs'\nexport const x = readFileSync",
  ],
  ['io-behind-env', 'src/storage/log.ts', "import net from 'node:net'\nexport const x = net"],
  ['io-behind-env', 'src/raft/raft.ts', "import 'node:timers/promises'"],
  ['few-dependencies', 'src/raft/raft.ts', "import { z } from 'zod'\nexport const x = z"],
  ['no-dev-dependencies', 'src/env-node/disk.ts', "import { fc } from 'fast-check'\nexport const x = fc"],
  ['ship-no-tests', 'src/server/node.ts', "import '../../sim/main.ts'"],
  ['ship-no-tests', 'src/raft/raft.ts', "import './raft.test.ts'"],
  ['no-cycle', 'src/env/random.ts', "import './clock.ts'\nexport const c = 1"],
  ['resolves', 'src/raft/raft.ts', "import './gone.ts'"],
  ['no-dead-file', 'src/raft/dead.ts', 'export const dead = 1'],
]

describe('the check of layers', () => {
  const made: string[] = []
  after(() => {
    for (const folder of made) rmSync(folder, { recursive: true })
  })

  function plant(files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(path.join(tmpdir(), 'holdfast-layers-'))
    made.push(root)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
      writeFileSync(path.join(root, name), text)
    }
    return root
  }

  it('sees every file of a sound tree and finds nothing', async () => {
    const report = await checkLayers(plant(SOUND))
    assert.deepEqual(report.violations, [])
    assert(report.modules >= 14, `${report.modules} modules`)
    assert(report.dependencies >= 15, `${report.dependencies} imports`)
  })

  for (const [rule, file, line] of PLANTED) {
    it(`${rule} finds ${JSON.stringify(line)} in ${file}`, async () => {
      let text = `${SOUND[file] ?? ''}${line}\n`
      // A cycle needs both halves to be loaded.
      const extra =
        rule === 'no-cycle' ? { 'src/env/clock.ts': "import './random.ts'\nexport type Clock = 1\n" } : {}
      if (rule === 'no-cycle') text = `${line}\n`
      const report = await checkLayers(plant({ ...SOUND, ...extra, [file]: text }))
      const found = report.violations.filter((violation) => violation.startsWith(`${rule}: `))
      assert.notEqual(found.length, 0, `found only: ${report.violations.join('; ') || 'nothing'}`)
      assert(
        report.violations.some((violation) => violation.includes(file)),
        report.violations.join('; '),
      )
    })
  }

  it('fails when there is nothing to see', async () => {
    await assert.rejects(checkLayers(plant({ 'package.json': '{}' })), /no module was seen/)
  })
})
