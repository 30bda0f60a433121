/**
 * Runs the tests of `holdfast bench` one after the other; progress goes to standard error while
 * they run, the table to standard output.
 *
 * Error replies are counted and the first is shown: a rate of errors is not a rate.
 */
import { type Cell, renderColumns } from '../columns.ts'
import type { CommandContext } from '../command-context.ts'
import type { BenchPlan } from './bench-plan.ts'
import { keysInTurn, randomKeys } from './requests.ts'
import { createRespRequests, LOAD_TESTS, type LoadTest } from './resp-requests.ts'
import { type LoadOutcome, startLoad } from './run-load.ts'

const PROGRESS_MS = 1_000
const FILL_PIPELINE = 64
/** Above it the loop, and not the server, may be what limits the rate. */
const OWN_LOAD_HIGH = 0.9
const HEADINGS = ['TEST', 'REQUESTS/S', 'P50 MS', 'P99 MS', 'P99.9 MS', 'MAX MS', 'ERRORS', 'LOOP']

type Output = Pick<CommandContext, 'write' | 'writeError'>

/** False when a server answered with errors. */
export async function runBench(plan: BenchPlan, output: Output): Promise<boolean> {
  const { host, port, clients, pipeline, requests, valueBytes } = plan
  output.writeError(
    `${host}:${port}, ${clients} clients, pipeline ${pipeline}, ${requests} requests of each test, values of ${valueBytes} bytes\n`,
  )
  const rows: (readonly Cell[])[] = []
  const notes = new Set<string>()
  for (const test of plan.tests) {
    if (test === 'get') {
      const filled = await withProgress('fill', plan.keys, fill(plan), output)
      if (filled.errors > 0) {
        output.writeError(`fill: ${filled.errors} errors, the first: ${filled.firstError}\n`)
        return false
      }
    }
    const outcome = await withProgress(test, requests, startTest(plan, test), output)
    rows.push(rowOf(test, outcome))
    if (outcome.errors > 0) notes.add(`${test}: ${outcome.errors} errors, the first: ${outcome.firstError}`)
    if (outcome.ownLoad >= OWN_LOAD_HIGH)
      notes.add('LOOP is how busy the load itself kept one processor: near 100 % it is the limit.')
  }
  output.write(renderColumns(HEADINGS, rows))
  for (const note of notes) output.writeError(`${note}\n`)
  return rows.every((row) => row[HEADINGS.indexOf('ERRORS')] === 0)
}

function fill({ host, port, clients, keys, valueBytes }: BenchPlan): ReturnType<typeof startLoad> {
  const inTurn = keysInTurn(keys)
  const makeRequests = (client: number): ReturnType<typeof createRespRequests> =>
    createRespRequests({
      words: LOAD_TESTS.set,
      pipeline: FILL_PIPELINE,
      valueBytes,
      keys: inTurn,
      seed: client,
    })
  return startLoad({ host, port, clients, pipeline: FILL_PIPELINE, makeRequests, extent: { requests: keys } })
}

function startTest(plan: BenchPlan, test: LoadTest): ReturnType<typeof startLoad> {
  const { host, port, clients, pipeline, requests, keys, valueBytes } = plan
  const makeRequests = (client: number): ReturnType<typeof createRespRequests> =>
    createRespRequests({
      words: LOAD_TESTS[test],
      pipeline,
      valueBytes,
      keys: randomKeys(keys, client + 1),
      seed: client,
    })
  return startLoad({ host, port, clients, pipeline, makeRequests, extent: { requests } })
}

async function withProgress(
  what: string,
  total: number,
  load: ReturnType<typeof startLoad>,
  output: Output,
): Promise<LoadOutcome> {
  let before = 0
  const timer = setInterval(() => {
    const answered = load.answered()
    const rate = Math.round(((answered - before) * 1_000) / PROGRESS_MS)
    output.writeError(`${what}: ${Math.floor((answered / total) * 100)} %, ${rate} requests/s\n`)
    before = answered
  }, PROGRESS_MS)
  try {
    return await load.finished
  } finally {
    clearInterval(timer)
  }
}

function rowOf(
  test: string,
  { requests, elapsedMs, latency, errors, ownLoad }: LoadOutcome,
): readonly Cell[] {
  const inMs = (microseconds: number | null): string =>
    microseconds === null ? '-' : (microseconds / 1_000).toFixed(3)
  return [
    test,
    Math.round((requests / elapsedMs) * 1_000),
    ...[50, 99, 99.9].map((percent) => inMs(latency.percentileUs(percent))),
    inMs(latency.maxUs),
    errors,
    `${Math.round(ownLoad * 100)} %`,
  ]
}
