/**
 * A real redis-server as the reference: on a free port of loopback, in a directory of its own,
 * without persistence, stopped with the test.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Endpoint = { readonly host: string; readonly port: number }
export type RunningServer = { readonly endpoint: Endpoint; stop(): Promise<void> }
export type RunningRedis = RunningServer & { readonly pid: number }

/** As many as we have. */
export const ONE_DATABASE: readonly string[] = ['--databases', '1']

const HOST = '127.0.0.1'
const START_ATTEMPTS = 3
const CONNECT_ATTEMPTS = 600
const CONNECT_PAUSE_MS = 25

/** Why there is no reference to compare with; undefined when there is one. */
export function redisServerMissing(): string | undefined {
  try {
    const version = /v=(\d+)\.(\d+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))
    const isKnown = version?.[1] === '7' && version[2] === '0'
    return isKnown ? undefined : `needs redis-server 7.0 as the reference, found ${version?.[0] ?? 'another'}`
  } catch {
    return 'needs redis-server 7.0 as the reference: none is installed'
  }
}

export async function startRedisServer(extraArguments: readonly string[] = []): Promise<RunningRedis> {
  let lastError: unknown
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    try {
      return await startOnce(extraArguments)
    } catch (error) {
      // Somebody else may have taken the port between finding it free and using it.
      lastError = error
    }
  }
  throw new Error(`redis-server did not start in ${START_ATTEMPTS} attempts`, { cause: lastError })
}

async function startOnce(extraArguments: readonly string[]): Promise<RunningRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-'))
  const port = await freePort()
  const child = spawn(
    'redis-server',
    [
      '--bind',
      HOST,
      '--port',
      String(port),
      '--dir',
      directory,
      '--save',
      '',
      '--appendonly',
      'no',
      ...extraArguments,
    ],
    { stdio: 'ignore' },
  )
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  // A test that dies of an exception must not leave its server behind.
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    kill()
    await exited
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await untilConnected({ host: HOST, port }, child)
    assert(child.pid !== undefined)
    return { endpoint: { host: HOST, port }, pid: child.pid, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function untilConnected(endpoint: Endpoint, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
    if (child.exitCode !== null) throw new Error(`redis-server exited with code ${child.exitCode}`)
    if (await canConnect(endpoint)) return
    await new Promise((resolve) => setTimeout(resolve, CONNECT_PAUSE_MS))
  }
  throw new Error(`redis-server does not answer on port ${endpoint.port}`)
}

function canConnect(endpoint: Endpoint): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(endpoint.port, endpoint.host)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, HOST, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
