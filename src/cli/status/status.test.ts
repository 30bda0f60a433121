import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StorageError } from '../../base/errors.ts'
import { makeGroupId, makeNodeId, makeReplicaId } from '../../base/ids.ts'
import { makeLogIndex, makeTerm } from '../../base/log-entry.ts'
import type { HttpResponse } from '../../env/http.ts'
import type { Logger } from '../../env/logger.ts'
import { listenHttp } from '../../env-node/http-server.ts'
import type { NodeStatus, NodeSummary } from '../../server/node-status.ts'
import { type Endpoints, readEndpoints, removeEndpoints, writeEndpoints } from '../endpoints-file.ts'
import { fetchStatus, findTargets } from './fetch-status.ts'
import { renderStatus, showBytes, showSlots, showUptime } from './render-status.ts'

const N1 = makeNodeId('n1')
const N2 = makeNodeId('n2')
const silent: Logger = { debug() {}, info() {}, warning() {}, error() {}, with: () => silent }

function summary(id: typeof N1, change: Partial<NodeSummary>): NodeSummary {
  const address = { host: '127.0.0.1', port: 7400 }
  return { id, pid: 7, address, redis: null, http: null, roles: ['data'], state: 'serving', ...change }
}

const STATUS: NodeStatus = {
  version: '0.1.0',
  clusterId: 'c0ffee',
  nodeId: N1,
  uptimeMs: 3_723_000,
  nodes: [
    summary(N1, { redis: { host: '::1', port: 6379 } }),
    summary(N2, { pid: null, state: 'unreachable' }),
  ],
  groups: [
    {
      gid: makeGroupId(1),
      term: makeTerm(3),
      leader: null,
      replicas: [
        { nodeId: N1, replicaId: makeReplicaId(1), role: 'voter', lag: 0 },
        { nodeId: N2, replicaId: makeReplicaId(2), role: 'learner', lag: 12 },
      ],
      commit: makeLogIndex(42),
      slots: [[0, 16_383]],
      local: {
        role: 'follower',
        applied: makeLogIndex(41),
        applyLag: 1,
        logEntries: 40,
        healthy: false,
        reason: '1005 logDamaged',
      },
    },
  ],
  storage: {
    state: 'degraded',
    reason: '2002 diskFull',
    logBytes: 5_242_880,
    freeBytes: 0,
    totalBytes: 2 ** 40,
    syncs: 8,
  },
  clients: { connections: 1, commands: 2, errors: 3, refusedConnections: 4 },
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-status-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

async function serve(
  t: TestContext,
  response: HttpResponse,
): Promise<{ readonly host: string; readonly port: number }> {
  const listener = await listenHttp({ host: '127.0.0.1', port: 0 }, async () => response, silent)
  t.after(() => listener.close())
  return listener.address
}

function endpoints(http: { readonly host: string; readonly port: number }, pid = process.pid): Endpoints {
  return { nodeId: N1, pid, redis: http, milvus: null, http, peer: http }
}

async function failureOf(promise: Promise<unknown>): Promise<StorageError> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof StorageError, String(error))
  return error
}

test('tables show nodes, groups, lag and what is wrong', () => {
  assert.equal(
    renderStatus(STATUS),
    'cluster c0ffee, answered by n1 (version 0.1.0, up 1 h 2 min)\n' +
      'storage degraded (2002 diskFull): log 5.00 MiB, 0 B free of 1.00 TiB\n' +
      '\n' +
      'NODE  STATE        PEERS           REDIS       HTTP  PID  ROLES\n' +
      'n1    serving      127.0.0.1:7400  [::1]:6379  -     7    data\n' +
      'n2    unreachable  127.0.0.1:7400  -           -     -    data\n' +
      '\n' +
      'GROUP  LEADER  TERM  COMMIT  SLOTS    REPLICAS                  HERE\n' +
      '    1  none       3      42  0-16383  n1, n2 (learner, lag 12)  follower, applied 41, UNHEALTHY: 1005 logDamaged\n',
  )
})

test('quantities for people', () => {
  assert.deepEqual([0, 999, 1_000, 1_536, 123_456_789].map(showBytes), [
    '0 B',
    '999 B',
    '0.98 KiB',
    '1.50 KiB',
    '118 MiB',
  ])
  assert.deepEqual([5, 61_000, 86_400_000, 90_000_000].map(showUptime), [
    '0 s',
    '1 min 1 s',
    '1 d',
    '1 d 1 h',
  ])
  assert.equal(
    showSlots([
      [0, 5],
      [7, 7],
    ]),
    '0-5,7',
  )
  assert.equal(showSlots([]), '-')
})

test('endpoints are read back as written; anything else there counts as none', async (t) => {
  const directory = await temporaryDirectory(t)
  assert.equal(await readEndpoints(directory), null)
  const written = endpoints({ host: '127.0.0.1', port: 9091 })
  await writeEndpoints(directory, written)
  assert.deepEqual(await readEndpoints(directory), written)
  await removeEndpoints(directory)
  await removeEndpoints(directory)
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"nodeId":"n1"}',
    JSON.stringify({ ...written, http: { host: 'a', port: 0 } }),
  ]) {
    await writeFile(join(directory, 'endpoints.json'), text)
    assert.equal(await readEndpoints(directory), null, text)
  }
})

test('a node is found through its directory, and through the directory of a demo', async (t) => {
  const directory = await temporaryDirectory(t)
  const http = await serve(t, { status: 200, headers: {}, body: JSON.stringify(STATUS) })
  await mkdir(join(directory, 'n1'))
  await writeEndpoints(join(directory, 'n1'), endpoints(http))
  for (const folder of [directory, join(directory, 'n1')]) {
    const targets = await findTargets([folder])
    assert.equal(targets.length, 1)
    assert.deepEqual(await fetchStatus(targets, [folder]), STATUS)
  }
})

test('a node that does not answer is passed over; when none answers, the error names it', async (t) => {
  const dead = await listenHttp({ host: '127.0.0.1', port: 0 }, async () => assert.fail(), silent)
  await dead.close()
  const alive = await serve(t, { status: 200, headers: {}, body: JSON.stringify(STATUS) })
  const targets = [
    { address: dead.address, who: 'node n9' },
    { address: alive, who: 'node n1' },
  ]
  assert.deepEqual(await fetchStatus(targets, ['d']), STATUS)
  const error = await failureOf(fetchStatus(targets.slice(0, 1), ['d']))
  assert.equal(error.name, 'connectionRefused')
  assert.match(error.message, /^node n9 does not answer at http:/)
})

test('a process that is gone is said to be gone', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeEndpoints(directory, endpoints({ host: '127.0.0.1', port: 1 }, 2 ** 30))
  const [target] = await findTargets([directory])
  assert.match(target?.who ?? '', /^node n1 \(.*, pid 1073741824, which no longer runs\)$/)
})

test('a node that is starting, and something that is no node, are told apart', async (t) => {
  const starting = await serve(t, { status: 503, headers: {}, body: '{"detail":"the node is starting"}' })
  const error = await failureOf(fetchStatus([{ address: starting, who: 'node n1' }], []))
  assert.equal(error.name, 'replicaRecovering')
  assert.match(error.message, /the node is starting/)
  for (const body of ['', '{}', '<html>', '[]', 'null']) {
    const other = await serve(t, { status: 200, headers: {}, body })
    assert.equal(
      (await failureOf(fetchStatus([{ address: other, who: 'x' }], []))).name,
      'peerProtocol',
      body,
    )
  }
})
