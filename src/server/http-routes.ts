/**
 * What the HTTP port answers. Pure: a request in, an answer out, everything read from one status.
 *
 * `/livez` says that the main loop turns: that it answers at all is the proof. `/readyz` says
 * that this node can serve what it is asked; `/healthz` that nothing needs an operator. An
 * orchestrator restarts on the first and must never restart on the others: a restart heals
 * neither a full disk nor a lost majority.
 */
import { type HttpHandler, type HttpRequest, type HttpResponse, problemResponse } from '../env/http.ts'
import { type Metric, renderMetrics } from './metrics-text.ts'
import { nodeMetrics } from './node-metrics.ts'
import type { NodeStatus, NodeStatusSource } from './node-status.ts'

/** Committed entries a replica may have still to apply and count as caught up. */
export const READY_APPLY_LAG_MAX = 1_000

export type HttpRoutesOptions = {
  /** null while the node starts: recovery may take long, and probes want an answer. */
  readonly node: () => NodeStatusSource | null
  /** Readings of the process, which only its owner can take. */
  readonly processMetrics: () => readonly Metric[]
}

type Route = (options: HttpRoutesOptions) => HttpResponse

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/', () => text(200, `${[...ROUTES.keys()].slice(1).join('\n')}\n`)],
  ['/livez', () => text(200, 'ok\n')],
  ['/readyz', (options) => probe(options, findNotReady)],
  ['/healthz', (options) => probe(options, findUnhealthy)],
  ['/status', answerStatus],
  ['/metrics', answerMetrics],
])

export function makeHttpRoutes(options: HttpRoutesOptions): HttpHandler {
  return async (request) => route(request, options)
}

function route(request: HttpRequest, options: HttpRoutesOptions): HttpResponse {
  const found = ROUTES.get(request.path)
  if (found === undefined) {
    return problemResponse(404, 'Not Found', `there is nothing at ${request.path}; / lists what there is`)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const refused = problemResponse(405, 'Method Not Allowed', `${request.path} takes GET and HEAD`)
    return { ...refused, headers: { ...refused.headers, allow: 'GET, HEAD' } }
  }
  return found(options)
}

function answerStatus({ node }: HttpRoutesOptions): HttpResponse {
  const status = node()?.status()
  if (status === undefined) return problemResponse(503, 'Service Unavailable', 'the node is starting')
  return { status: 200, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(status)}\n` }
}

function answerMetrics({ node, processMetrics }: HttpRoutesOptions): HttpResponse {
  const status = node()?.status()
  const metrics = [...(status === undefined ? [] : nodeMetrics(status)), ...processMetrics()]
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4' },
    body: renderMetrics(metrics),
  }
}

function probe({ node }: HttpRoutesOptions, find: (status: NodeStatus) => readonly string[]): HttpResponse {
  const status = node()?.status()
  const reasons = status === undefined ? ['the node is starting'] : find(status)
  return reasons.length === 0 ? text(200, 'ok\n') : text(503, `${reasons.join('\n')}\n`)
}

/** Reasons, in words; none when the node is ready. */
export function findNotReady(status: NodeStatus): readonly string[] {
  const reasons: string[] = []
  const self = status.nodes.find(({ id }) => id === status.nodeId)
  if (self === undefined) reasons.push('the node does not know itself yet')
  else if (self.state !== 'serving') reasons.push(`the node is ${self.state}`)
  const local = status.groups.filter((group) => group.local !== null)
  for (const { gid, leader, local: replica } of local) {
    if (leader === null) reasons.push(`group ${gid} has no leader`)
    if (replica !== null && replica.applyLag > READY_APPLY_LAG_MAX) {
      reasons.push(`group ${gid} has ${replica.applyLag} committed entries still to apply`)
    }
  }
  return reasons
}

export function findUnhealthy(status: NodeStatus): readonly string[] {
  const reasons: string[] = []
  const { storage } = status
  if (storage.state !== 'healthy')
    reasons.push(`storage is ${storage.state}: ${storage.reason ?? 'no reason given'}`)
  for (const { gid, local } of status.groups) {
    if (local !== null && !local.healthy)
      reasons.push(`group ${gid} here: ${local.reason ?? 'no reason given'}`)
  }
  return reasons
}

function text(status: number, body: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}
