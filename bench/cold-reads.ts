/**
 * Gets of random keys from a data set that is larger than all caches of the node.
 *
 *   node bench/cold-reads.ts [--keys 1000000] [--value-bytes 512] [--max-memory 64MiB] [--seconds 3]
 *
 * Once from the files as the kernel has them in memory, and once after the kernel was asked to forget
 * them (dd iflag=nocache, which asks with posix_fadvise): then the disk itself is read, until the kernel knows
 * them again.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { numberOption } from '../tools/number-option.ts'
import { fill, printRows, type Row, taskFor, withLoad, withNode } from './own-node.ts'

const PIPELINE = 16
/** Until the program of the new process is compiled. */
const WARM_UP_MS = 1_000
const TARGET = '≥ 50000/s'

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    'value-bytes': { type: 'string', default: '512' },
    'max-memory': { type: 'string', default: '64MiB' },
    seconds: { type: 'string', default: '3' },
  },
})
const keys = numberOption('--keys', values.keys)
const valueBytes = numberOption('--value-bytes', values['value-bytes'])
const measureMs = numberOption('--seconds', values.seconds) * 1_000

/** Of all files below a directory; they may change meanwhile. */
function forgetFiles(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}

const rows = await withLoad((client) =>
  withNode({ flags: [`--max-memory=${values['max-memory']}`, '--max-value-size=1MiB'] }, async (node) => {
    await fill(client, node, keys, { valueBytes })
    const found: Row[] = []
    for (const from of ['files in memory of the kernel', 'the disk'] as const) {
      for (const pipeline of [1, PIPELINE]) {
        // Started anew: nothing of what was written is in its own caches.
        await node.terminate()
        if (from === 'the disk') forgetFiles(node.directory)
        await node.start()
        const extent = { warmUpMs: WARM_UP_MS, measureMs }
        const figures = await client.run(taskFor(node, { test: 'get', keys, valueBytes, pipeline, extent }))
        const { requestsPerSecond, p99Ms, cpuUsPerRequest, residentMib } = figures
        found.push([
          `GET, pipeline ${pipeline}, from ${from}`,
          TARGET,
          `${requestsPerSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(1)} ms, ${cpuUsPerRequest.toFixed(1)} µs CPU, RSS ${residentMib.toFixed(0)} MiB`,
        ])
      }
    }
    return found
  }),
)
console.log(
  `${keys} values of ${valueBytes} bytes (${((keys * valueBytes) / 1_000_000).toFixed(0)} MB), --max-memory ${values['max-memory']}`,
)
printRows(rows)
