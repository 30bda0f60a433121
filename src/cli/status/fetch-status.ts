/** Finds a node that answers and asks it for its status. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type StorageError, storageError, toStorageError } from '../../base/errors.ts'
import type { Address } from '../../env/network.ts'
import type { NodeStatus } from '../../server/node-status.ts'
import { type Endpoints, readEndpoints } from '../endpoints-file.ts'
import { showAddress } from '../options/value-kinds.ts'

const ANSWER_TIMEOUT_MS = 5_000
const ANSWER_BYTES_MAX = 64 * 1_048_576
const NODES_MAX = 1_000

/** `who` is for messages. */
export type StatusTarget = { readonly address: Address; readonly who: string }

/** Nodes whose `endpoints.json` is in one of `directories`, or one level below as `demo` keeps them. */
export async function findTargets(directories: readonly string[]): Promise<readonly StatusTarget[]> {
  const targets: StatusTarget[] = []
  for (const directory of directories) {
    for (const folder of [directory, ...(await listFolders(directory))].slice(0, NODES_MAX)) {
      const endpoints = await readEndpoints(folder)
      if (endpoints !== null) targets.push({ address: endpoints.http, who: describe(endpoints, folder) })
    }
  }
  return targets
}

/** The first answer; when nobody answers, why the last one didn't. */
export async function fetchStatus(
  targets: readonly StatusTarget[],
  directories: readonly string[],
): Promise<NodeStatus> {
  let failure: StorageError | null = null
  for (const target of targets) {
    try {
      return await fetchFrom(target)
    } catch (thrown) {
      failure = toStorageError(thrown)
    }
  }
  if (failure !== null) throw failure
  throw storageError('connectionFailed', {
    message: `no node serves from ${directories.join(' or ')}: there is no endpoints.json`,
    healsByItself: false,
    hint: 'Start one with holdfast start or holdfast demo, or say where one is with --data-dir DIR or --http HOST:PORT.',
  })
}

async function fetchFrom({ address, who }: StatusTarget): Promise<NodeStatus> {
  const url = `http://${showAddress(address)}/status`
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const response = await fetch(url, { signal, redirect: 'error' }).catch((cause: unknown) => {
    throw noAnswer(who, url, cause)
  })
  const text = await response.text()
  if (!response.ok) throw refused(who, response.status, text)
  const value: unknown = text.length > ANSWER_BYTES_MAX ? null : parseJson(text)
  if (!isNodeStatus(value)) {
    throw storageError('peerProtocol', {
      message: `what answers at ${url} is no Holdfast node`,
      hint: 'Check the address; it must be the HTTP port of a node.',
    })
  }
  return value
}

function noAnswer(who: string, url: string, cause: unknown): StorageError {
  const error = toStorageError(cause)
  return storageError(error.name === 'internalError' ? 'connectionFailed' : error.name, {
    message: `${who} does not answer at ${url}`,
    cause,
    healsByItself: false,
    hint: 'If the process is gone, start it again; if it runs, its log says what it is doing.',
  })
}

function refused(who: string, status: number, text: string): StorageError {
  const problem = parseJson(text) as { detail?: unknown } | null
  const detail = typeof problem?.detail === 'string' ? problem.detail : 'no reason given'
  return storageError(status === 503 ? 'replicaRecovering' : 'peerProtocol', {
    message: `${who} answers with status ${status}: ${detail}`,
    hint:
      status === 503
        ? 'It is starting: ask again in a moment.'
        : 'Check the address and the version of the node.',
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isNodeStatus(value: unknown): value is NodeStatus {
  if (typeof value !== 'object' || value === null) return false
  const { nodeId, nodes, groups, storage } = value as Record<string, unknown>
  return (
    typeof nodeId === 'string' && Array.isArray(nodes) && Array.isArray(groups) && typeof storage === 'object'
  )
}

async function listFolders(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(directory, name))
      .sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

function describe({ nodeId, pid }: Endpoints, folder: string): string {
  return `node ${nodeId} (${folder}, pid ${pid}${isAlive(pid) ? '' : ', which no longer runs'})`
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
