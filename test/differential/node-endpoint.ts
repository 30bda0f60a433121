/** Real nodes of this product as endpoints to compare with redis-server: one alone, or three as a cluster. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endProcess } from '../end-process.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const START_MS = 60_000
const POLL_MS = 50
const ANY_PORTS = ['--redis-port', '0', '--http-port', '0', '--peer-port', '0', '--milvus-port', '0']

type Address = { readonly host: string; readonly port: number }
type Endpoints = { readonly redis: Address; readonly http: Address; readonly peer: Address }

export type RunningNodes = {
  /** The Redis ports; the first node founded the cluster. */
  readonly endpoints: readonly Address[]
  stop(): Promise<void>
}

export async function startNodes(count: 1 | 3): Promise<RunningNodes> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-compare-'))
  const children: ChildProcess[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(endProcess))
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const started: Endpoints[] = []
    for (let number = 1; number <= count; number++) {
      const seed = started[0]
      const joins = seed === undefined ? [] : ['--join', `${seed.peer.host}:${seed.peer.port}`]
      const data = join(directory, `n${number}`)
      children.push(
        spawn(
          process.execPath,
          [MAIN, 'start', '--data-dir', data, '--node-id', `n${number}`, ...ANY_PORTS, ...joins],
          { stdio: 'ignore' },
        ),
      )
      started.push(await untilServing(data))
    }
    await untilVoters((started[0] as Endpoints).http, count)
    return { endpoints: started.map((node) => node.redis), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function untilServing(directory: string): Promise<Endpoints> {
  return until(`a node in ${directory} serves`, async () => {
    const text = await readFile(join(directory, 'endpoints.json'), 'utf8').catch(() => null)
    return text === null ? null : (JSON.parse(text) as Endpoints)
  })
}

async function untilVoters(http: Address, count: number): Promise<void> {
  await until(`all groups have ${count} voters`, async () => {
    const response = await fetch(`http://${http.host}:${http.port}/status`)
    const { groups } = (await response.json()) as { groups: { replicas: { role: string }[] }[] }
    const isReady =
      groups.length > 1 &&
      groups.every((group) => group.replicas.filter(({ role }) => role === 'voter').length === count)
    return isReady ? true : null
  })
}

async function until<Value>(what: string, probe: () => Promise<Value | null>): Promise<Value> {
  for (let waitedMs = 0; waitedMs < START_MS; waitedMs += POLL_MS) {
    const value = await probe()
    if (value !== null) return value
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return assert.fail(`${what}: not within ${START_MS} ms`)
}
