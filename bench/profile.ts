/**
 * Where a node's main thread spends its time under one load: the functions with the most time of
 * their own.
 *
 *   node bench/profile.ts [--test set] [--pipeline 1] [--seconds 5] [--top 25] [--keep DIRECTORY]
 *
 * Time in which the thread waited is left out. `(program)` is native code outside of any function
 * of ours: the event loop, system calls. --keep leaves the profiles of all threads there.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LOAD_TESTS, type LoadTest } from '../src/cli/bench/resp-requests.ts'
import { renderColumns } from '../src/cli/columns.ts'
import { numberOption } from '../tools/number-option.ts'
import type { LoadFigures } from './load/load-task.ts'
import { fill, taskFor, withLoad, withNode } from './own-node.ts'

type CallFrame = {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}
type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  /** Microseconds, like the times of beginning and end. */
  readonly timeDeltas: readonly number[]
  readonly startTime: number
  readonly endTime: number
}

const KEYS = 100_000
const WARM_UP_MS = 3_000
/** A node that is told to stop takes about that long, most of it waiting. */
const STOP_MS = 300
const MAIN_THREAD = /[.]\d+[.]0[.]\d+[.]cpuprofile$/
const ROOT = new URL('..', import.meta.url).href

const { values } = parseArgs({
  options: {
    test: { type: 'string', default: 'set' },
    pipeline: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '5' },
    top: { type: 'string', default: '25' },
    keep: { type: 'string' },
  },
})
const measureMs = numberOption('--seconds', values.seconds) * 1_000
const pipeline = numberOption('--pipeline', values.pipeline)
const top = numberOption('--top', values.top)

async function record(directory: string, test: LoadTest): Promise<LoadFigures> {
  const environment = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${directory}` }
  return withLoad((client) =>
    withNode({ environment }, async (node) => {
      await fill(client, node, KEYS)
      const extent = { warmUpMs: WARM_UP_MS, measureMs }
      const figures = await client.run(taskFor(node, { test, keys: KEYS, pipeline, extent }))
      await node.terminate()
      return figures
    }),
  )
}

/**
 * Samples by function in the last part of the profile: start, fill and warm-up came before. Not their
 * durations: while another program has the processor, one sample lasts long and says nothing.
 */
function samplesByFunction(profile: Profile, lastMs: number): ReadonlyMap<string, number> {
  const { nodes, samples, timeDeltas, startTime, endTime } = profile
  const from = endTime - lastMs * 1_000
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const counts = new Map<string, number>()
  let time = startTime
  for (const [at, id] of samples.entries()) {
    time += timeDeltas[at] ?? 0
    if (time < from) continue
    const name = names.get(id) ?? assert.fail(`the profile has no node ${id}`)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${url.replace(ROOT, '')}:${lineNumber + 1}`
}

function print(samples: ReadonlyMap<string, number>): void {
  const busy = [...samples].filter(([name]) => name !== '(idle)' && name !== '(root)')
  const total = busy.reduce((sum, [, count]) => sum + count, 0)
  const rows = busy
    .toSorted(([, left], [, right]) => right - left)
    .slice(0, top)
    .map(([name, count]) => [`${((count / total) * 100).toFixed(1)} %`, name])
  console.log(renderColumns(['OWN TIME', 'FUNCTION'], rows))
}

const test = Object.keys(LOAD_TESTS).find((name) => name === values.test) as LoadTest | undefined
assert(test !== undefined, `--test ${values.test}: there is only ${Object.keys(LOAD_TESTS).join(', ')}`)
const directory = mkdtempSync(join(tmpdir(), 'holdfast-profile-'))
try {
  const { requestsPerSecond, cpuUsPerRequest } = await record(directory, test)
  const file = readdirSync(directory).find((name) => MAIN_THREAD.test(name))
  assert(file !== undefined, 'the node wrote no profile of its main thread')
  console.log(
    `${test}, pipeline ${values.pipeline}, profiled: ${requestsPerSecond.toFixed(0)}/s, ${cpuUsPerRequest.toFixed(1)} µs of all threads per request`,
  )
  const profile = JSON.parse(readFileSync(join(directory, file), 'utf8')) as Profile
  print(samplesByFunction(profile, measureMs + STOP_MS))
  if (values.keep !== undefined) cpSync(directory, values.keep, { recursive: true })
} finally {
  rmSync(directory, { recursive: true, force: true })
}
