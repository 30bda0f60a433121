/** Shows every rule of tidy a violation, and a sound file beside it that it must leave alone. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SourceFile } from './source-files.ts'
import { RULES, tidy } from './tidy.ts'
import { findFunctions } from './tidy-functions.ts'

const SOUND: readonly SourceFile[] = [
  {
    path: 'README.md',
    text: 'See [the map](ARCHITECTURE.md#layers), [code](src/raft/) and [them](https://example.org/x).\n',
  },
  { path: 'ARCHITECTURE.md', text: '# Layers\n' },
  {
    path: 'src/cli/main.js',
    text: "#!/usr/bin/env node\n/** Starts. */\nimport '../raft/raft.ts'\nawait Promise.resolve()\n",
  },
  { path: 'src/raft/raft.ts', text: '/** Pure: no async. */\n// await nothing\nexport const term = 1\n' },
  {
    path: 'src/raft/raft.test.ts',
    text: "/** Tests. */\nimport './raft.ts'\nasync function run() {}\nvoid run()\n",
  },
]

/** Each: the rule that must find it, the file, its text. */
const PLANTED: readonly (readonly [keyof typeof RULES, string, string])[] = [
  ['fileLength', 'sim/long.ts', `/** Long. */\n${'const x = 1\n'.repeat(600)}`],
  ['functionLength', 'sim/long.ts', `/** Long. */\nfunction long() {\n${'  call()\n'.repeat(69)}}\n`],
  [
    'functionLength',
    'src/raft/raft.ts',
    `/** Long. */\nclass A {\n  #p = () => {\n${'call()\n'.repeat(70)}}\n}\n`,
  ],
  ['functionLength', 'sim/a.test.ts', `/** Long. */\nit('x', () => {\n${'  call()\n'.repeat(69)}})\n`],
  ['openingComment', 'sim/bare.ts', "import './x.ts'\n"],
  ['openingComment', 'sim/bare.ts', 'const x = 1\n/** Too late. */\n'],
  ['noAsync', 'src/raft/raft.ts', '/** Not pure. */\nexport async function f() {}\n'],
  ['noAsync', 'src/kv/x.ts', '/** Not pure. */\nexport const f = (p: PromiseLike<1>) => p.then(() => 1)\n'],
  ['noAsync', 'src/cluster/x.ts', '/** Not pure. */ export const f = new Promise(() => {})\n'],
  ['onlyHashing', 'src/server/x.ts', "/** X. */\nimport { createHash, randomBytes } from 'node:crypto'\n"],
  ['words', 'sim/x.ts', '/** X. */\n// FIXME later\n'],
  ['words', 'sim/x.ts', '/** X. */\n// TODO: later\n'],
  ['words', 'docs/x.md', 'TODO write this\n'],
  ['words', 'sim/x.ts', '/** X. */\n// @ts-ignore\n'],
  ['words', 'sim/x.ts', '/** X. */\n// oxlint-disable-next-line no-console\n'],
  ['words', 'sim/x.test.ts', "/** X. */\nit.only('x', () => {})\n"],
  ['words', 'sim/x.test.ts', "/** X. */\ndescribe.skip('x', () => {})\n"],
  ['words', 'sim/x.ts', '/** X. */\ndebugger\n'],
  ['words', 'docs/x.md', 'a\n=======\nb\n'],
  ['words', 'docs/x.md', 'cd /home/somebody/holdfast\n'],
  ['words', 'sim/x.ts', "/** X. */\nconst root = '/work/x'\n"],
  ['words', 'package-lock.json', '{ "resolved": "https://mirror/x.tgz" }\n'],
  ['deadFiles', 'src/raft/dead.ts', '/** Nobody wants me. */\nexport const x = 1\n'],
  ['deadFiles', 'src/base/error-json.ts', '/** Awaited, and used. */\nexport const x = 1\n'],
  ['links', 'docs/x.md', 'See [gone](../GONE.md).\n'],
]

/** What the rules must not mind. */
const ALLOWED: readonly (readonly [string, string])[] = [
  ['sim/x.ts', '/** X. */\n// TODO(storage): shrink segments\n'],
  ['sim/x.ts', '/** X. */\n// oxlint-disable-next-line no-console -- the command prints\n'],
  ['sim/x.ts', '/** X. */\n// @ts-expect-error the types leave this out\n'],
  ['sim/x.ts', `/** X. */\nfunction fits() {\n${'  call()\n'.repeat(68)}}\n`],
  ['sim/x.test.ts', `/** X. */\ndescribe('many', () => {\n${"  it('x', () => {})\n".repeat(100)}})\n`],
  ['sim/x.ts', `/** X. */\n${'const x = 1\n'.repeat(599)}`],
  ['src/server/x.ts', "/** X. */\nimport { createHash } from 'node:crypto'\n"],
  [
    'docs/x.md',
    'POST /work/items and curl http://127.0.0.1/home/\n'.replace('/work/', '/jobs/').replace('/home/', '/h/'),
  ],
]

function replaced(file: string, text: string): readonly SourceFile[] {
  const use = { path: 'sim/use.ts', text: `/** Uses it. */\nimport '../${file}'\n` }
  const files = SOUND.filter((each) => each.path !== file)
  return file.startsWith('src/') && !file.includes('dead')
    ? [...files, { path: file, text }, use]
    : [...files, { path: file, text }]
}

describe('tidy', () => {
  it('finds nothing in a sound tree', () => {
    assert.deepEqual(tidy(SOUND), [])
  })

  for (const [rule, file, text] of PLANTED) {
    it(`${rule} finds ${JSON.stringify(text.slice(0, 60))} in ${file}`, () => {
      const findings = tidy(replaced(file, text))
      assert.equal(findings.length, 1, findings.join('; ') || 'nothing found')
      assert(findings[0]?.startsWith(`${file}:`), findings.join('; '))
      assert(findings[0]?.endsWith(`[${rule}]`), findings.join('; '))
    })
  }

  for (const [file, text] of ALLOWED) {
    it(`allows ${JSON.stringify(text.slice(0, 60))} in ${file}`, () => {
      assert.deepEqual(tidy(replaced(file, text)), [])
    })
  }

  it('has a violation planted for every rule', () => {
    assert.deepEqual(new Set(PLANTED.map(([rule]) => rule)), new Set(Object.keys(RULES)))
  })
})

describe('the length of functions', () => {
  it('is measured for every kind of function, whatever stands before it', () => {
    const text = [
      '/** Umlauts move bytes: äöü. */',
      'export function declared() {',
      '  return 1',
      '}',
      'export class A {',
      '  constructor() {',
      '  }',
      '  #secret() {}',
      '  get value() {',
      '    return 1',
      '  }',
      '}',
      'const arrow = async () => {',
      '  return () => 1',
      '}',
      'const object = { method() {',
      '} }',
    ].join('\n')
    const found = findFunctions(text).map(({ name, line, lines }) => `${name} ${line} ${lines}`)
    assert.deepEqual(found, [
      'declared 2 3',
      'constructor 6 2',
      'secret 8 1',
      'value 9 3',
      'arrow 13 3',
      'anonymous 14 1',
      'method 16 2',
    ])
  })
})
