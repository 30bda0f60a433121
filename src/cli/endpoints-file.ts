/**
 * `endpoints.json` in the data directory: where the node that runs on it can be reached. It exists
 * only while a node serves, so whoever waits for a start waits for this file; a node that was
 * killed leaves it behind, hence the process id in it.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isNodeId, type NodeId } from '../base/ids.ts'
import type { Address } from '../env/network.ts'

export const ENDPOINTS_FILE = 'endpoints.json'

export type Endpoints = {
  readonly nodeId: NodeId
  readonly pid: number
  readonly redis: Address
  /** null: this version serves no Milvus clients. */
  readonly milvus: Address | null
  readonly http: Address
  readonly peer: Address
}

/** Complete or absent: written beside, then renamed. Not synced: after a crash nobody serves. */
export async function writeEndpoints(directory: string, endpoints: Endpoints): Promise<void> {
  const target = join(directory, ENDPOINTS_FILE)
  await writeFile(`${target}.tmp`, `${JSON.stringify(endpoints, null, 2)}\n`)
  await rename(`${target}.tmp`, target)
}

export async function removeEndpoints(directory: string): Promise<void> {
  await rm(join(directory, ENDPOINTS_FILE), { force: true })
}

/** null when there are none, or they aren't ours. */
export async function readEndpoints(directory: string): Promise<Endpoints | null> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(join(directory, ENDPOINTS_FILE), 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof SyntaxError || code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
  return isEndpoints(value) ? value : null
}

function isEndpoints(value: unknown): value is Endpoints {
  if (typeof value !== 'object' || value === null) return false
  const { nodeId, pid, redis, milvus, http, peer } = value as Record<string, unknown>
  const isNamed = typeof nodeId === 'string' && isNodeId(nodeId) && Number.isSafeInteger(pid)
  return isNamed && [redis, http, peer].every(isAddress) && (milvus === null || isAddress(milvus))
}

function isAddress(value: unknown): value is Address {
  if (typeof value !== 'object' || value === null) return false
  const { host, port } = value as Record<string, unknown>
  return (
    typeof host === 'string' && Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536
  )
}
