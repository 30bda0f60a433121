/**
 * The watchdog's thread: looks at the shared counters, answers `GET /livez` on its own port, and says on
 * standard error when the main loop or the log is stuck, and when it goes on again.
 *
 * It speaks to the outside by itself: a worker's `process.stderr` passes through the main thread, which
 * is the one that may be stuck. While its verdict is `alive`, it is the place to send heartbeats from.
 */
import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import { formatPrettyLine } from './pretty-line.ts'
import { createProgressJudge, type Verdict } from './progress-judge.ts'
import {
  BEATS,
  LOG_BEGUN,
  LOG_FINISHED,
  type WatchdogWorkerData,
  type WatchdogWorkerMessage,
} from './watchdog-contract.ts'

const SAMPLE_INTERVAL_MS = 100
const MAX_CONNECTIONS = 64
const REQUEST_TIMEOUT_MS = 5_000
const STANDARD_ERROR = 2

let verdict: Verdict = { kind: 'alive' }

serve(workerData as WatchdogWorkerData)

function serve(data: WatchdogWorkerData): void {
  const counters = new Int32Array(data.shared)
  const judge = createProgressJudge(data.limits)
  setInterval(() => {
    const before = verdict
    verdict = judge.judge({
      nowMs: performance.now(),
      beats: Atomics.load(counters, BEATS),
      // Finished first: a write that begins between the two reads must not look finished early.
      logFinished: Atomics.load(counters, LOG_FINISHED),
      logBegun: Atomics.load(counters, LOG_BEGUN),
    })
    if (before.kind !== verdict.kind) report(before, verdict, data.isPretty)
  }, SAMPLE_INTERVAL_MS)
  if (data.listen === null) return tell({ kind: 'ready', host: '', port: 0 })
  listen(data.listen)
}

function listen(address: { readonly host: string; readonly port: number }): void {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, keepAlive: false }, answer)
  server.maxConnections = MAX_CONNECTIONS
  server.once('error', (error: NodeJS.ErrnoException) => tell({ kind: 'failed', errno: error.code ?? 'EIO' }))
  server.listen(address.port, address.host, () => {
    const bound = server.address()
    assert(bound !== null && typeof bound === 'object')
    tell({ kind: 'ready', host: bound.address, port: bound.port })
  })
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('connection', 'close')
  const isKnown = request.url === '/livez' && (request.method === 'GET' || request.method === 'HEAD')
  if (!isKnown) return void response.writeHead(404).end()
  const status = verdict.kind === 'alive' ? 200 : 503
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(describe(verdict))}\n`)
}

function describe(about: Verdict): object {
  if (about.kind === 'alive') return { status: 'alive' }
  return { status: 'wedged', part: about.part, stuckMs: Math.round(about.stuckMs), reason: reasonOf(about) }
}

function reasonOf(about: Verdict & { readonly kind: 'wedged' }): string {
  const forMs = `for ${Math.round(about.stuckMs)} ms`
  return about.part === 'main loop'
    ? `the main loop has not turned ${forMs}: this node answers nobody and counts as gone until it does`
    : `the log has not finished a write ${forMs}: the disk is stuck, and nothing can be acknowledged until it goes on`
}

function report(before: Verdict, after: Verdict, isPretty: boolean): void {
  const isWedged = after.kind === 'wedged'
  const part = isWedged ? after.part : before.kind === 'wedged' ? before.part : 'main loop'
  const message = isWedged ? reasonOf(after) : `the ${part} goes on again`
  const level = isWedged ? 'error' : 'warning'
  const line = `${JSON.stringify({ level, time: new Date().toISOString(), component: 'watchdog', message })}\n`
  try {
    writeSync(STANDARD_ERROR, isPretty ? formatPrettyLine(line) : line)
  } catch {
    // A standard error that takes nothing (a full pipe): /livez still tells.
  }
}

function tell(message: WatchdogWorkerMessage): void {
  assert(parentPort !== null)
  parentPort.postMessage(message)
}
