/** One node of our own for a measurement: on an empty directory and free ports, gone with it. Also what each script prints. */
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderColumns } from '../src/cli/columns.ts'
import { NodeProcess } from '../test/nemesis/node-process.ts'
import { LoadClient } from './load/load-client.ts'
import type { LoadFigures, LoadTask } from './load/load-task.ts'

export type Row = readonly [what: string, target: string, measured: string]

export type NodeOptions = {
  readonly flags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Words before the program's own: something that runs it in another place, as the same process. */
  readonly launcher?: readonly string[]
}

const ANY_PORTS = ['redis', 'http', 'peer', 'milvus'].map((name) => `--${name}-port=0`)
const CLIENTS = 50
const VALUE_BYTES = 128
const FILL_PIPELINE = 64

export async function withNode<Result>(
  { flags = [], environment = {}, launcher = [] }: NodeOptions,
  use: (node: NodeProcess) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-cost-'))
  const node = new NodeProcess({
    id: 'n1',
    directory: join(directory, 'data'),
    flags: [...ANY_PORTS, ...flags],
    environment,
    launcher,
  })
  try {
    await node.start()
    return await use(node)
  } finally {
    if (node.isRunning) await node.kill()
    await rm(directory, { recursive: true, force: true })
  }
}

export function withLoad<Result>(use: (client: LoadClient) => Promise<Result>): Promise<Result> {
  return withLoads(1, ([client]) => use(client as LoadClient))
}

/** As many processes that load. */
export async function withLoads<Result>(
  count: number,
  use: (clients: readonly LoadClient[]) => Promise<Result>,
): Promise<Result> {
  const clients = Array.from({ length: count }, () => new LoadClient())
  try {
    return await use(clients)
  } finally {
    for (const client of clients) client.close()
  }
}

/** A load for this node; what is not given is as in `npm run bench`. */
export function taskFor(
  node: NodeProcess,
  task: Pick<LoadTask, 'test' | 'keys' | 'extent'> & Partial<LoadTask>,
): LoadTask {
  const defaults = { clients: CLIENTS, pipeline: 1, valueBytes: VALUE_BYTES, order: 'random' } as const
  return { protocol: 'redis', ...node.redis, pids: [node.pid], ...defaults, ...task }
}

/** Each of the first `keys` keys once. */
export function fill(
  client: LoadClient,
  node: NodeProcess,
  keys: number,
  more: Partial<LoadTask> = {},
): Promise<LoadFigures> {
  const extent = { requests: keys }
  return client.run(
    taskFor(node, { test: 'set', keys, extent, pipeline: FILL_PIPELINE, order: 'inTurn', ...more }),
  )
}

export function printRows(rows: readonly Row[]): void {
  console.log(renderColumns(['WHAT', 'TARGET', 'MEASURED'], rows))
  console.log(
    `load average ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}`,
  )
}
