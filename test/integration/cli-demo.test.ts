/** `holdfast demo` and `holdfast status` over real processes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type EndpointsJson,
  type HoldfastProcess,
  hasEndpoints,
  isRunning,
  readEndpointsJson,
  runHoldfast,
  startHoldfast,
  temporaryDirectory,
} from './holdfast-process.ts'

const IDS = ['n1', 'n2', 'n3'] as const

async function startDemo(
  t: TestContext,
  directory: string,
  words: readonly string[] = [],
): Promise<HoldfastProcess> {
  const demo = startHoldfast(t, ['demo', '--data-dir', directory, ...words])
  await demo.waitForOutput(/Stop: +Ctrl-C/)
  return demo
}

function allEndpoints(directory: string): Promise<readonly EndpointsJson[]> {
  return Promise.all(IDS.map((id) => readEndpointsJson(join(directory, id))))
}

async function stopDemo(demo: HoldfastProcess, pids: readonly number[]): Promise<void> {
  demo.kill('SIGTERM')
  assert.deepEqual(await demo.exited, { code: 0, signal: null })
  assert.deepEqual(pids.filter(isRunning), [])
}

test('a demo runs three nodes, shows them, survives on its directory and keeps its ports', async (t) => {
  const directory = await temporaryDirectory(t)
  const demo = await startDemo(t, directory)
  const first = await allEndpoints(directory)
  assert.deepEqual(
    first.map(({ nodeId }) => nodeId),
    IDS,
  )
  for (const { nodeId, pid, redis } of first) {
    assert.match(demo.out(), new RegExp(`${nodeId} +127\\.0\\.0\\.1:${redis.port} .* ${pid}\\n`))
  }
  const { code, out } = await runHoldfast(t, ['status', '--json', '--data-dir', directory])
  assert.equal(code, 0)
  const status = JSON.parse(out) as {
    readonly nodes: readonly { readonly id: string; readonly pid: number }[]
  }
  assert.deepEqual(status.nodes.map(({ id }) => id).sort(), IDS)
  const table = await runHoldfast(t, ['status', '--data-dir', join(directory, 'n2')])
  assert.match(table.out, /answered by n2[^]*NODE +STATE[^]*GROUP +LEADER/)
  await stopDemo(
    demo,
    first.map(({ pid }) => pid),
  )
  for (const id of IDS) assert.ok(!hasEndpoints(join(directory, id)))

  const again = await startDemo(t, directory)
  const second = await allEndpoints(directory)
  const ports = (all: readonly EndpointsJson[]): unknown =>
    all.map(({ redis, http, peer }) => [redis.port, http.port, peer.port])
  assert.deepEqual(ports(second), ports(first))
  await stopDemo(
    again,
    second.map(({ pid }) => pid),
  )
})

test('a node that is killed is reported, and started again only with --restart', async (t) => {
  const directory = await temporaryDirectory(t)
  const demo = await startDemo(t, directory)
  const nodes = await allEndpoints(directory)
  const victim = nodes[1]
  assert.ok(victim)
  process.kill(victim.pid, 'SIGKILL')
  await demo.waitForOutput(/demo \| node n2 was ended by SIGKILL; the others go on/, 'err')
  await stopDemo(
    demo,
    nodes.map(({ pid }) => pid),
  )

  const restarting = await startDemo(t, directory, ['--restart'])
  const before = await allEndpoints(directory)
  process.kill(before[1]?.pid ?? assert.fail(), 'SIGKILL')
  await restarting.waitForOutput(/demo \| node n2 serves again/, 'err')
  const after = await allEndpoints(directory)
  assert.notEqual(after[1]?.pid, before[1]?.pid)
  assert.deepEqual(after[1]?.redis, before[1]?.redis)
  await stopDemo(
    restarting,
    after.map(({ pid }) => pid),
  )
})

test('a demo that is killed leaves no node behind', async (t) => {
  const directory = await temporaryDirectory(t)
  const demo = await startDemo(t, directory, ['--nodes', '3'])
  const pids = (await allEndpoints(directory)).map(({ pid }) => pid)
  demo.kill('SIGKILL')
  await demo.exited
  const deadline = performance.now() + 20_000
  while (pids.some(isRunning) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50))
  const left = pids.filter(isRunning)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  assert.deepEqual(left, [])
})
