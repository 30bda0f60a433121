import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeNodeId } from '../../base/ids.ts'
import { isOptionName, type OptionName } from '../options/option-table.ts'
import { resolveOptions } from '../options/resolve-options.ts'
import { type DemoNode, findLeftOut, planDemo, rememberPorts, startFlags } from './demo-plan.ts'

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

function endpoints(port: number): Parameters<typeof rememberPorts>[1] {
  const address = (offset: number): { host: string; port: number } => ({
    host: '127.0.0.1',
    port: port + offset,
  })
  return {
    nodeId: makeNodeId('n1'),
    pid: 1,
    redis: address(0),
    milvus: null,
    http: address(1),
    peer: address(2),
  }
}

/** The flags as `holdfast start` understands them. */
function parse(flags: readonly string[]): ReadonlyMap<OptionName, string> {
  const parsed = new Map<OptionName, string>()
  for (const [index, flag] of flags.entries()) {
    if (!flag.startsWith('--')) continue
    const name = flag.slice(2)
    assert.ok(isOptionName(name), name)
    const value = flags[index + 1]
    parsed.set(name, value === undefined || value.startsWith('--') ? 'true' : value)
  }
  return parsed
}

test('ports are drawn at the first start and remembered after', async (t) => {
  const directory = await temporaryDirectory(t)
  const fresh = await planDemo(directory, 2)
  assert.deepEqual(
    fresh.map(({ id, ports }) => [id, ports]),
    [
      ['n1', null],
      ['n2', null],
    ],
  )
  const [n1] = fresh
  assert.ok(n1)
  const remembered = await rememberPorts(n1, endpoints(7000))
  assert.deepEqual(remembered.ports, { redis: 7000, http: 7001, peer: 7002 })
  assert.deepEqual((await planDemo(directory, 2))[0], remembered)
})

test('the flags of every node are valid, and only the others join', async (t) => {
  const [n1, n2] = await planDemo(await temporaryDirectory(t), 2)
  assert.ok(n1 && n2)
  const known: DemoNode = { ...n2, ports: { redis: 7000, http: 7001, peer: 7002 } }
  for (const [node, join] of [
    [n1, null],
    [n2, 7400],
    [known, 7400],
  ] as const) {
    const { resolved, problems } = resolveOptions({
      flags: parse(startFlags(node, join)),
      environment: {},
      file: null,
    })
    assert.deepEqual(problems, [])
    assert.equal(resolved.values['redis-port'], node.ports?.redis ?? 0)
    assert.deepEqual(resolved.values.join, join === null ? null : [{ host: '127.0.0.1', port: 7400 }])
    assert.equal(resolved.values['stop-with-stdin'], true)
  }
})

test('what is remembered is not guessed when it was damaged', async (t) => {
  const directory = await temporaryDirectory(t)
  await mkdir(join(directory, 'n1'))
  for (const text of ['', '{}', '{"redis":0,"http":1,"peer":2}', '{"redis":"7000","http":1,"peer":2}']) {
    await writeFile(join(directory, 'n1', 'demo.json'), text)
    await assert.rejects(planDemo(directory, 1), /demo\.json does not name the ports/, text)
  }
})

test('nodes of an earlier, larger demo are found', async (t) => {
  const directory = await temporaryDirectory(t)
  await planDemo(directory, 5)
  await mkdir(join(directory, 'notes'))
  assert.deepEqual(await findLeftOut(directory, 3), ['n4', 'n5'])
  assert.deepEqual(await findLeftOut(directory, 5), [])
})
