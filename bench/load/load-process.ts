/** A process that only makes load: tasks come from its parent one at a time, figures go back. Ends with its parent. */
import assert from 'node:assert/strict'
import { keysInTurn, type Requests, randomKeys } from '../../src/cli/bench/requests.ts'
import { createRespRequests, LOAD_TESTS, type RequestWords } from '../../src/cli/bench/resp-requests.ts'
import { startLoad } from '../../src/cli/bench/run-load.ts'
import { cpuMicroseconds, residentMib } from '../process-usage.ts'
import { createEtcdRequests } from './etcd-requests.ts'
import type { LoadAnswer, LoadFigures, LoadTask } from './load-task.ts'

process.on('disconnect', () => process.exit(0))
process.on('message', (task: LoadTask) => {
  carryOut(task).then(
    (figures) => answer({ kind: 'done', figures }),
    (error: unknown) => answer({ kind: 'failed', message: String(error) }),
  )
})

function answer(message: LoadAnswer): void {
  process.send?.(message)
}

async function carryOut(task: LoadTask): Promise<LoadFigures> {
  const cpuUs = { begin: 0, end: 0 }
  const { host, port, clients, pipeline, extent, pids } = task
  const outcome = await startLoad({
    host,
    port,
    clients,
    pipeline,
    extent,
    makeRequests: requestMaker(task),
    atEdge: (edge) => {
      cpuUs[edge] = cpuMicroseconds(pids)
    },
  }).finished
  assert(outcome.requests > 0, 'no request was answered while it was measured')
  const inMs = (microseconds: number | null): number => (microseconds ?? 0) / 1_000
  return {
    requests: outcome.requests,
    requestsPerSecond: (outcome.requests / outcome.elapsedMs) * 1_000,
    p50Ms: inMs(outcome.latency.percentileUs(50)),
    p99Ms: inMs(outcome.latency.percentileUs(99)),
    maxMs: inMs(outcome.latency.maxUs),
    cpuUsPerRequest: (cpuUs.end - cpuUs.begin) / outcome.requests,
    residentMib: residentMib(pids),
    ownLoad: outcome.ownLoad,
    errors: outcome.errors,
    firstError: outcome.firstError,
    absent: outcome.absent,
  }
}

function requestMaker(task: LoadTask): (client: number) => Requests {
  const { protocol, host, port, test, pipeline, valueBytes, keys, order, fence } = task
  const inTurn = keysInTurn(keys)
  return (client) => {
    const common = {
      pipeline,
      valueBytes,
      keys: order === 'inTurn' ? inTurn : randomKeys(keys, client + 1),
      seed: client,
    }
    if (protocol === 'redis') {
      const words: RequestWords = typeof test === 'string' ? LOAD_TESTS[test] : () => test
      return createRespRequests({ ...common, words, ...(fence === undefined ? {} : { fence }) })
    }
    assert(test === 'set' || test === 'get', 'etcd has put and range')
    const operation = test === 'set' ? 'put' : 'range'
    return createEtcdRequests({ ...common, operation, authority: `${host}:${port}` })
  }
}
