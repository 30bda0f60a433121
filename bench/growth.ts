/**
 * What a request costs as the data grows: processor time of the server for each GET and SET of
 * random keys, from ten thousand keys up, each step ten times the one before.
 *
 *   node bench/growth.ts [--max 1000000] [--seconds 2]
 *
 * --max 10000000 takes several minutes and 3 GB of disk.
 */
import { parseArgs } from 'node:util'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { numberOption } from '../tools/number-option.ts'
import type { LoadClient } from './load/load-client.ts'
import { fill, printRows, type Row, taskFor, withLoad, withNode } from './own-node.ts'

const FIRST = 10_000
const STEP = 10
const PIPELINE = 16
const WARM_UP_MS = 500
const COMPILED_MS = 4_000

const { values } = parseArgs({
  options: { max: { type: 'string', default: '1000000' }, seconds: { type: 'string', default: '2' } },
})
const keysMax = numberOption('--max', values.max)
const measureMs = numberOption('--seconds', values.seconds) * 1_000

/** Until the program is compiled: the first step would cost more than the last. */
async function warmUp(client: LoadClient, node: NodeProcess): Promise<void> {
  await fill(client, node, FIRST)
  const extent = { warmUpMs: 0, measureMs: COMPILED_MS }
  for (const test of ['get', 'set'] as const)
    await client.run(taskFor(node, { test, keys: FIRST, pipeline: PIPELINE, extent }))
}

const rows = await withLoad((client) =>
  withNode({}, async (node) => {
    const found: Row[] = []
    const first = { get: 0, set: 0 }
    await warmUp(client, node)
    for (let keys = FIRST; keys <= keysMax; keys *= STEP) {
      await fill(client, node, keys)
      for (const test of ['get', 'set'] as const) {
        const extent = { warmUpMs: WARM_UP_MS, measureMs }
        const figures = await client.run(taskFor(node, { test, keys, pipeline: PIPELINE, extent }))
        const { cpuUsPerRequest, requestsPerSecond, p99Ms, residentMib } = figures
        if (keys === FIRST) first[test] = cpuUsPerRequest
        found.push([
          `${test.toUpperCase()}, pipeline ${PIPELINE}, ${keys} keys`,
          '',
          `${cpuUsPerRequest.toFixed(1)} µs (× ${(cpuUsPerRequest / first[test]).toFixed(2)}), ` +
            `${requestsPerSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(1)} ms, RSS ${residentMib.toFixed(0)} MiB`,
        ])
      }
    }
    return found
  }),
)
printRows(rows)
