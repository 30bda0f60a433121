import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { errorNames } from '../base/error-catalogue.ts'
import { HOLDFAST_VERSION } from '../base/version.ts'
import type { CommandContext } from './command-context.ts'
import { collectFlags } from './commands/start.ts'
import { OPTION_NAMES, specOf } from './options/option-table.ts'
import { makeProgram, runProgram } from './program.ts'

type Result = { readonly code: number; readonly out: string; readonly err: string }

async function run(...words: readonly string[]): Promise<Result> {
  let out = ''
  let err = ''
  const context: CommandContext = {
    environment: {},
    processId: 1,
    write: (text) => void (out += text),
    writeError: (text) => void (err += text),
    exit: (code) => assert.fail(`exit ${code}`),
  }
  const code = await runProgram(words, context)
  return { code, out, err }
}

async function temporaryFile(t: TestContext, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-cli-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'holdfast.yaml')
  await writeFile(path, text)
  return path
}

test('--version and --help answer on standard output and succeed', async () => {
  assert.deepEqual(await run('--version'), { code: 0, out: `${HOLDFAST_VERSION}\n`, err: '' })
  const help = await run('--help')
  assert.deepEqual([help.code, help.err], [0, ''])
  for (const command of ['start', 'demo', 'status', 'explain', 'config'])
    assert.match(help.out, new RegExp(`\\n {2}${command} `))
})

test('the help of start has every option of the table, with its default', async () => {
  const { out, code } = await run('start', '--help')
  assert.equal(code, 0)
  const text = out.replaceAll(/\s+/g, ' ')
  for (const name of OPTION_NAMES) {
    const { kind, default: value, summary } = specOf(name)
    assert.ok(text.includes(`--${name} `), name)
    assert.ok(text.includes(summary.replaceAll(/\s+/g, ' ')), name)
    if (value !== null && value !== false) assert.ok(text.includes(`(default: ${kind.show(value)})`), name)
  }
})

test('no command, an unknown command and an unknown flag fail with a hint', async () => {
  const nothing = await run()
  assert.equal(nothing.code, 1)
  assert.match(nothing.err, /Usage: holdfast/)
  const unknown = await run('strat')
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /strat/)
  const flag = await run('start', '--redis-prot', '1')
  assert.equal(flag.code, 1)
  assert.match(flag.err, /holdfast: .*unknown option '--redis-prot'[^]*--redis-port/)
})

test('flags reach the option table under its own names', () => {
  const program = makeProgram({} as CommandContext, () => undefined)
  const start = program.commands.find((command) => command.name() === 'start')
  assert.ok(start)
  start.action(() => undefined)
  start.parse(['--redis-port', '1', '--force-insecure-bind', '--join', 'a:1,b:2'], { from: 'user' })
  const expected = { 'redis-port': '1', join: 'a:1,b:2', 'force-insecure-bind': 'true' }
  assert.deepEqual(Object.fromEntries(collectFlags(start.opts())), expected)
})

test('every error can be explained by code and by name', async () => {
  for (const name of errorNames()) {
    const byName = await run('explain', name.toUpperCase())
    assert.equal(byName.code, 0, name)
    const code = /^(\d+) /.exec(byName.out)?.[1]
    assert.ok(code)
    assert.deepEqual(await run('explain', code), byName)
  }
  const full = await run('explain', '2002')
  assert.match(full.out, /^2002 diskFull \(resourceExhausted\)\n[^]*heals by itself +yes/)
})

test('an unknown code fails and suggests', async () => {
  const near = await run('explain', 'diskful')
  assert.deepEqual([near.code, near.out], [1, ''])
  assert.match(near.err, /did you mean diskFull\?/)
  assert.match((await run('explain', '99999')).err, /there is no error 99999; docs\/reference\/errors\.md/)
  assert.equal((await run('explain', '-1')).code, 1)
})

test('config check says that a good file is good', async (t) => {
  const path = await temporaryFile(t, 'redis-port: 1234\nhost: 127.0.0.1\n')
  assert.deepEqual(await run('config', 'check', path), {
    code: 0,
    out: `${path}: no problems, 2 options\n`,
    err: '',
  })
})

test('config check reports every problem with line and column', async (t) => {
  const path = await temporaryFile(t, 'redis-port: 99999\nhots: a\nelection-timeout: 5x\n')
  const { code, out, err } = await run('config', 'check', path)
  assert.deepEqual([code, out], [1, ''])
  assert.deepEqual(
    err
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(path.length, path.length + 6))
      .sort(),
    [':1:13:', ':2:1: ', ':3:19:'],
  )
  assert.match(err, /did you mean host\?/)
})

test('config check says why a file can not be read', async () => {
  const { code, err } = await run('config', 'check', '/nonexistent/holdfast.yaml')
  assert.equal(code, 1)
  assert.match(
    err,
    /9006 invalidConfiguration: the configuration file \/nonexistent\/holdfast\.yaml can't be read.*ENOENT/,
  )
})

test('status says that nobody serves, and where it looked', async () => {
  const { code, out, err } = await run('status', '--data-dir', '/nonexistent')
  assert.deepEqual([code, out], [1, ''])
  assert.match(err, /3002 connectionFailed: no node serves from \/nonexistent/)
  const wrong = await run('status', '--http', 'nowhere')
  assert.match(wrong.err, /--http: option http: "nowhere" is not allowed/)
})

test('demo refuses a number of nodes that is none', async () => {
  for (const nodes of ['0', '33', 'x']) {
    const { code, err } = await run('demo', '--nodes', nodes)
    assert.equal(code, 1)
    assert.match(err, /it must be a whole number, 1 to 32/)
  }
})
