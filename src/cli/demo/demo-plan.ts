/**
 * Which nodes a demo starts and with which flags. Ports are drawn at the first start and
 * remembered in each node's directory, since the other nodes know it by its peer address.
 */
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { storageError } from '../../base/errors.ts'
import type { Endpoints } from '../endpoints-file.ts'
import { makeFolder } from '../make-folder.ts'

export const DEMO_FILE = 'demo.json'
export const DEMO_NODES_MAX = 32
const HOST = '127.0.0.1'

export type DemoPorts = { readonly redis: number; readonly http: number; readonly peer: number }

export type DemoNode = {
  readonly id: string
  readonly directory: string
  /** null until it has served once. */
  readonly ports: DemoPorts | null
}

/** n1 … nN in `directory`, and what is remembered of them. */
export async function planDemo(directory: string, count: number): Promise<readonly DemoNode[]> {
  const nodes: DemoNode[] = []
  for (let number = 1; number <= count; number++) {
    const id = `n${number}`
    const folder = join(directory, id)
    await makeFolder(folder)
    nodes.push({ id, directory: folder, ports: await readPorts(join(folder, DEMO_FILE)) })
  }
  return nodes
}

/** Names of nodes of an earlier, larger demo in the same directory, which this one leaves out. */
export async function findLeftOut(directory: string, count: number): Promise<readonly string[]> {
  const names = await readdir(directory)
  return names.filter((name) => /^n\d+$/.test(name) && Number(name.slice(1)) > count).sort()
}

/** The flags of `holdfast start`. `join` is the first node's peer port, for all others. */
export function startFlags(node: DemoNode, joinPort: number | null): readonly string[] {
  const { redis, http, peer } = node.ports ?? { redis: 0, http: 0, peer: 0 }
  const named = {
    'node-id': node.id,
    'data-dir': node.directory,
    host: HOST,
    'redis-port': redis,
    'http-port': http,
    'peer-port': peer,
    'milvus-port': 0,
    'log-format': 'text',
    ...(joinPort === null ? {} : { join: `${HOST}:${joinPort}` }),
  }
  return [
    ...Object.entries(named).flatMap(([name, value]) => [`--${name}`, String(value)]),
    '--stop-with-stdin',
  ]
}

export async function rememberPorts(node: DemoNode, { redis, http, peer }: Endpoints): Promise<DemoNode> {
  const ports: DemoPorts = { redis: redis.port, http: http.port, peer: peer.port }
  const path = join(node.directory, DEMO_FILE)
  await writeFile(`${path}.tmp`, `${JSON.stringify(ports)}\n`)
  await rename(`${path}.tmp`, path)
  return { ...node, ports }
}

async function readPorts(path: string): Promise<DemoPorts | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const ports = parsePorts(text)
  if (ports !== null) return ports
  throw storageError('invalidConfiguration', {
    message: `${path} does not name the ports of a demo node`,
    hint: 'It was changed by hand, or is not ours: restore it, or start the demo in another --data-dir.',
  })
}

function parsePorts(text: string): DemoPorts | null {
  try {
    const { redis, http, peer } = JSON.parse(text) as Record<string, unknown>
    const isPort = (value: unknown): value is number =>
      Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536
    return isPort(redis) && isPort(http) && isPort(peer) ? { redis, http, peer } : null
  } catch {
    return null
  }
}
