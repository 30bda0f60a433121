import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeGroupId, makeNodeId, makeReplicaId } from '../base/ids.ts'
import { makeLogIndex, makeTerm } from '../base/log-entry.ts'
import type { HttpRequest, HttpResponse } from '../env/http.ts'
import { makeHttpRoutes, READY_APPLY_LAG_MAX } from './http-routes.ts'
import { renderMetrics } from './metrics-text.ts'
import type { GroupStatus, LocalReplicaStatus, NodeStatus } from './node-status.ts'

const N1 = makeNodeId('n1')
const LOCAL: LocalReplicaStatus = {
  role: 'leader',
  applied: makeLogIndex(41),
  applyLag: 1,
  logEntries: 40,
  healthy: true,
  reason: null,
}
const GROUP: GroupStatus = {
  gid: makeGroupId(1),
  term: makeTerm(3),
  leader: N1,
  replicas: [{ nodeId: N1, replicaId: makeReplicaId(1), role: 'voter', lag: 0 }],
  commit: makeLogIndex(42),
  slots: [
    [0, 9],
    [20, 20],
  ],
  local: LOCAL,
}
const STATUS: NodeStatus = {
  version: '0.1.0',
  clusterId: '0'.repeat(32),
  nodeId: N1,
  uptimeMs: 61_000,
  nodes: [
    {
      id: N1,
      pid: 7,
      address: { host: '127.0.0.1', port: 7400 },
      redis: { host: '127.0.0.1', port: 6379 },
      http: null,
      roles: ['control', 'data', 'gateway'],
      state: 'serving',
    },
  ],
  groups: [GROUP],
  storage: { state: 'healthy', reason: null, logBytes: 5, freeBytes: 6, totalBytes: 7, syncs: 8 },
  clients: { connections: 1, commands: 2, errors: 3, refusedConnections: 4 },
}

function ask(path: string, status: NodeStatus | null, method = 'GET'): Promise<HttpResponse> {
  const routes = makeHttpRoutes({
    node: () => (status === null ? null : { status: () => status }),
    processMetrics: () => [],
  })
  const request: HttpRequest = { method, path, query: new Map(), headers: new Map(), body: new Uint8Array(0) }
  return routes(request)
}

function withLocal(change: Partial<LocalReplicaStatus>): NodeStatus {
  return { ...STATUS, groups: [{ ...GROUP, local: { ...LOCAL, ...change } }] }
}

test('a starting node is alive and nothing else', async () => {
  assert.equal((await ask('/livez', null)).status, 200)
  for (const path of ['/readyz', '/healthz', '/status'])
    assert.equal((await ask(path, null)).status, 503, path)
  assert.equal((await ask('/metrics', null)).status, 200)
})

test('a serving node is ready and healthy', async () => {
  for (const path of ['/livez', '/readyz', '/healthz']) {
    assert.deepEqual([path, (await ask(path, STATUS)).body], [path, 'ok\n'])
  }
})

test('readiness names each thing that is missing', async () => {
  const leaderless: NodeStatus = { ...STATUS, groups: [{ ...GROUP, leader: null }] }
  const draining: NodeStatus = {
    ...STATUS,
    nodes: STATUS.nodes.map((node) => ({ ...node, state: 'draining' })),
  }
  const cases: readonly (readonly [NodeStatus, string])[] = [
    [leaderless, 'group 1 has no leader\n'],
    [draining, 'the node is draining\n'],
    [withLocal({ applyLag: READY_APPLY_LAG_MAX + 1 }), 'group 1 has 1001 committed entries still to apply\n'],
    [{ ...STATUS, nodes: [] }, 'the node does not know itself yet\n'],
  ]
  for (const [status, body] of cases) {
    const answer = await ask('/readyz', status)
    assert.deepEqual([answer.status, answer.body], [503, body])
  }
})

test('a group that has no replica here says nothing about this node', async () => {
  const elsewhere: NodeStatus = { ...STATUS, groups: [{ ...GROUP, leader: null, local: null }] }
  assert.equal((await ask('/readyz', elsewhere)).status, 200)
})

test('health names storage and replicas, and does not depend on a leader', async () => {
  const storage = { ...STATUS.storage, state: 'degraded', reason: '2002 diskFull' } as const
  assert.equal((await ask('/healthz', { ...STATUS, storage })).body, 'storage is degraded: 2002 diskFull\n')
  const unhealthy = withLocal({ healthy: false, reason: '1005 logDamaged' })
  assert.equal((await ask('/healthz', unhealthy)).body, 'group 1 here: 1005 logDamaged\n')
  assert.equal((await ask('/healthz', { ...STATUS, groups: [{ ...GROUP, leader: null }] })).status, 200)
})

test('the status is the JSON of what the node says', async () => {
  const { body, headers } = await ask('/status', STATUS)
  assert.equal(headers['content-type'], 'application/json')
  assert.deepEqual(JSON.parse(String(body)), STATUS)
})

test('unknown paths and methods are refused as problems', async () => {
  const missing = await ask('/nothing', STATUS)
  assert.equal(missing.status, 404)
  assert.match(String(missing.body), /there is nothing at \/nothing/)
  const posted = await ask('/status', STATUS, 'POST')
  assert.equal(posted.status, 405)
  assert.equal(posted.headers['allow'], 'GET, HEAD')
  assert.equal((await ask('/livez', STATUS, 'HEAD')).status, 200)
})

test('every line of the metrics has the form that Prometheus reads', async () => {
  const text = String((await ask('/metrics', STATUS)).body)
  const lines = text.trimEnd().split('\n')
  const form =
    /^(# HELP [a-z_]+ .+|# TYPE [a-z_]+ (counter|gauge)|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? \S+)$/
  for (const line of lines) assert.match(line, form)
  assert.ok(text.endsWith('\n'))
  for (const line of [
    'holdfast_uptime_seconds 61',
    'holdfast_group_commit_index{group="1"} 42',
    'holdfast_group_applied_index{group="1"} 41',
    'holdfast_group_slots{group="1"} 11',
    'holdfast_group_is_leader{group="1"} 1',
    'holdfast_storage_state{state="degraded"} 0',
    'holdfast_client_commands_total 2',
  ]) {
    assert.ok(lines.includes(line), line)
  }
})

test('labels and help are escaped, and a metric stands once', () => {
  const metric = {
    name: 'a',
    kind: 'gauge',
    help: 'x\ny\\',
    samples: [{ labels: { l: '"\\\n' }, value: Number.POSITIVE_INFINITY }],
  } as const
  assert.equal(renderMetrics([metric]), '# HELP a x\\ny\\\\\n# TYPE a gauge\na{l="\\"\\\\\\n"} +Inf\n')
  assert.throws(() => renderMetrics([metric, metric]), /stands twice/)
  assert.throws(() => renderMetrics([{ ...metric, kind: 'counter' }]), /disagree/)
})
