/**
 * A node under an even load for long: does anything grow? In windows of equal length it takes the
 * resident memory and the heap after a collection of garbage, the open descriptors, and the 99th percentile
 * of the window's latencies; each is judged by the straight line through all windows but the first ones.
 *
 *   node bench/soak.ts [--minutes 30] [--windows 20] [--keys 100000]
 *
 * Something grows when its line does, beyond what the line is uncertain, by more than a twentieth of its mean in an hour
 * (descriptors: by one; the percentile: by a quarter over the whole run). A short run shows that it works, not that nothing grows.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { KEY_DIGITS } from '../src/cli/bench/requests.ts'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { numberOption } from '../tools/number-option.ts'
import type { LoadClient } from './load/load-client.ts'
import type { MemoryReading } from './memory-probe.ts'
import { fill, printRows, type Row, taskFor, withLoads, withNode } from './own-node.ts'
import { fitLine } from './slope.ts'

const BYTES_PER_MIB = 1_048_576
const MS_PER_MINUTE = 60_000
const MINUTES_PER_HOUR = 60
const POLL_MS = 50
/** Windows in which caches fill and the program is compiled. */
const WARM_UP_SHARE = 0.25
const GROWTH_PER_HOUR_MAX = 0.05
const P99_GROWTH_MAX = 0.25
const LOAD = { clients: 10, pipeline: 4 } as const
/** Keys that expire come and go: as many as are written in this time. */
const EXPIRING = ['SET', `bench:expiring:${KEY_DIGITS}`, 'value', 'EX', '20']
/** Each by a process of its own. */
const LOADS = ['set', 'get', 'hset', EXPIRING] as const

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    windows: { type: 'string', default: '20' },
    keys: { type: 'string', default: '100000' },
  },
})
const keys = numberOption('--keys', values.keys)
const windows = numberOption('--windows', values.windows)
const minutes = numberOption('--minutes', values.minutes)
const windowMs = (minutes * MS_PER_MINUTE) / windows

type Window = MemoryReading & { readonly p99Ms: number; readonly atMinutes: number }

async function readMemory(file: string): Promise<MemoryReading> {
  writeFileSync(`${file}.ask`, '')
  while (existsSync(`${file}.ask`)) await sleep(POLL_MS)
  return JSON.parse(readFileSync(file, 'utf8')) as MemoryReading
}

async function measure(node: NodeProcess, clients: readonly LoadClient[], file: string): Promise<Window[]> {
  const found: Window[] = []
  const beginMs = performance.now()
  const extent = { warmUpMs: 0, measureMs: windowMs }
  while (found.length < windows) {
    const figures = await Promise.all(
      clients.map((client, at) =>
        client.run(taskFor(node, { ...LOAD, test: LOADS[at] as (typeof LOADS)[number], keys, extent })),
      ),
    )
    const p99Ms = Math.max(...figures.map((figure) => figure.p99Ms))
    const window = {
      ...(await readMemory(file)),
      p99Ms,
      atMinutes: (performance.now() - beginMs) / MS_PER_MINUTE,
    }
    found.push(window)
    console.error(
      `${window.atMinutes.toFixed(1)} min: RSS ${inMib(window.residentBytes)}, heap ${inMib(window.heapBytes)}, ` +
        `external ${inMib(window.externalBytes)}, ${window.descriptors} descriptors, p99 ${p99Ms.toFixed(1)} ms`,
    )
  }
  return found
}

function inMib(bytes: number): string {
  return `${(bytes / BYTES_PER_MIB).toFixed(1)} MiB`
}

function judge(found: readonly Window[]): readonly Row[] {
  const steady = found.slice(Math.floor(found.length * WARM_UP_SHARE))
  const lineOf = (of: (window: Window) => number) =>
    fitLine(steady.map((window) => ({ at: window.atMinutes / MINUTES_PER_HOUR, value: of(window) })))
  const row = (
    what: string,
    of: (window: Window) => number,
    growthMax: (mean: number) => number,
    unit: string,
  ): Row => {
    const { mean, slope, uncertainty } = lineOf(of)
    const verdict = slope - uncertainty > growthMax(mean) ? 'GROWS' : 'does not grow'
    const growth = `${slope.toFixed(2)} ± ${uncertainty.toFixed(2)} ${unit} in an hour`
    return [
      what,
      `≤ ${growthMax(mean).toFixed(1)} ${unit} in an hour`,
      `${mean.toFixed(1)} ${unit}, ${growth}: ${verdict}`,
    ]
  }
  const hours = minutes / MINUTES_PER_HOUR
  const share = (mean: number): number => mean * GROWTH_PER_HOUR_MAX
  return [
    row('resident memory after a collection', (window) => window.residentBytes / BYTES_PER_MIB, share, 'MiB'),
    row('heap after a collection', (window) => window.heapBytes / BYTES_PER_MIB, share, 'MiB'),
    row(
      'open descriptors',
      (window) => window.descriptors,
      () => 1,
      'descriptors',
    ),
    row(
      '99th percentile',
      (window) => window.p99Ms,
      (mean) => (mean * P99_GROWTH_MAX) / hours,
      'ms',
    ),
  ]
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-probe-'))
const file = join(directory, 'reading')
const environment = {
  NODE_OPTIONS: `--import ${new URL('memory-probe.ts', import.meta.url).href}`,
  MEMORY_PROBE_FILE: file,
}
try {
  const rows = await withLoads(LOADS.length, (clients) =>
    withNode({ environment }, async (node) => {
      await fill(clients[0] as LoadClient, node, keys)
      return judge(await measure(node, clients, file))
    }),
  )
  printRows(rows)
} finally {
  await rm(directory, { recursive: true, force: true })
}
