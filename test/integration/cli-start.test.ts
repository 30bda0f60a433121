/** `holdfast start` as an operator sees it: endpoints, signals, exit codes. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import {
  ANY_PORTS,
  hasEndpoints,
  isListening,
  readEndpointsJson,
  startHoldfast,
  startNodeProcess,
  temporaryDirectory,
} from './holdfast-process.ts'

test('a node says where it serves, once, and in endpoints.json', async (t) => {
  const directory = join(await temporaryDirectory(t), 'made', 'on', 'the', 'way')
  const node = await startNodeProcess(t, directory, ['--node-id', 'alpha'])
  const endpoints = await readEndpointsJson(directory)
  assert.deepEqual(Object.keys(endpoints), ['nodeId', 'pid', 'redis', 'milvus', 'http', 'peer'])
  assert.deepEqual([endpoints.nodeId, endpoints.pid], ['alpha', node.pid])
  const { redis, http, peer } = endpoints
  assert.equal(
    node.out(),
    `holdfast alpha is serving: redis://127.0.0.1:${redis.port}, http://127.0.0.1:${http.port}, ` +
      `peers 127.0.0.1:${peer.port} (data ${directory}, pid ${node.pid})\n`,
  )
  for (const { host, port } of [redis, http, peer]) {
    assert.equal(host, '127.0.0.1')
    assert.ok(await isListening(port))
  }
  assert.equal(new Set([redis.port, http.port, peer.port]).size, 3)
  const ask = async (path: string): Promise<readonly [number, string]> => {
    const response = await fetch(`http://127.0.0.1:${http.port}/${path}`)
    return [response.status, await response.text()]
  }
  // It serves before its groups have elected their leader, which takes a few milliseconds more.
  for (const endMs = performance.now() + 5_000; (await ask('readyz'))[0] !== 200; ) {
    assert.ok(performance.now() < endMs, 'it is ready')
    await setTimeout(10)
  }
  for (const path of ['livez', 'readyz', 'healthz'])
    assert.deepEqual([path, ...(await ask(path))], [path, 200, 'ok\n'])
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops a node within five seconds, with exit code 0, and removes endpoints.json`, async (t) => {
    const directory = await temporaryDirectory(t)
    const node = await startNodeProcess(t, directory)
    const { redis } = await readEndpointsJson(directory)
    const before = performance.now()
    node.kill(signal)
    assert.deepEqual(await node.exited, { code: 0, signal: null })
    assert.ok(performance.now() - before < 5_000)
    assert.ok(!hasEndpoints(directory))
    assert.ok(!(await isListening(redis.port)))
  })
}

test('a second signal ends the process at once with code 130', async (t) => {
  const node = await startNodeProcess(t, await temporaryDirectory(t))
  node.kill('SIGTERM')
  node.kill('SIGINT')
  assert.deepEqual(await node.exited, { code: 130, signal: null })
})

test('a node told to stop while it starts ends with code 0', async (t) => {
  const directory = await temporaryDirectory(t)
  const node = startHoldfast(t, ['start', '--data-dir', directory, ...ANY_PORTS, '--stop-with-stdin'])
  node.endStandardInput()
  assert.deepEqual(await node.exited, { code: 0, signal: null })
  assert.ok(!hasEndpoints(directory))
})

test('with --stop-with-stdin the end of standard input is an orderly stop', async (t) => {
  const directory = await temporaryDirectory(t)
  const node = await startNodeProcess(t, directory, ['--stop-with-stdin'])
  node.endStandardInput()
  assert.deepEqual(await node.exited, { code: 0, signal: null })
  assert.ok(!hasEndpoints(directory))
})

test('a node keeps its identity; each start raises the incarnation, also after kill -9', async (t) => {
  const directory = await temporaryDirectory(t)
  const ids = new Set<string>()
  for (const [start, signal] of (['SIGTERM', 'SIGKILL', 'SIGTERM'] as const).entries()) {
    const node = await startNodeProcess(t, directory)
    ids.add((await readEndpointsJson(directory)).nodeId)
    const identity = await readFile(join(directory, 'identity'), 'utf8')
    assert.match(identity, new RegExp(`"incarnation":${start + 1}}`))
    node.kill(signal)
    await node.exited
    assert.equal(hasEndpoints(directory), signal === 'SIGKILL')
  }
  assert.equal(ids.size, 1)
})

test('options come from the environment too, and without --data-dir the data is in ./holdfast-data', async (t) => {
  const cwd = await temporaryDirectory(t)
  const environment = { HOLDFAST_NODE_ID: 'from-environment', HOLDFAST_LOG_LEVEL: 'error' }
  const node = startHoldfast(t, ['start', ...ANY_PORTS], { cwd, environment })
  await node.waitForOutput(/ is serving: .*\n/)
  assert.equal((await readEndpointsJson(join(cwd, 'holdfast-data'))).nodeId, 'from-environment')
  assert.equal(node.err(), '')
})

test('the watchdog answers on its own port when told to', async (t) => {
  const node = await startNodeProcess(t, await temporaryDirectory(t), ['--livez-port', '0'])
  const said = /"address":"([^"]+)","message":"the watchdog answers GET \/livez"/
  const address = said.exec(await node.waitForOutput(said, 'err'))?.[1]
  const response = await fetch(`http://${address}/livez`)
  assert.deepEqual([response.status, await response.json()], [200, { status: 'alive' }])
  node.kill('SIGTERM')
  assert.deepEqual(await node.exited, { code: 0, signal: null })
})
