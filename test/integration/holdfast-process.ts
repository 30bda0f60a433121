/** Real `holdfast` processes for tests: started, listened to, ended, and never left behind. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Far more than anything here takes on a busy machine: it only ends a test that hangs. */
const PATIENCE_MS = 60_000

export const ANY_PORTS: readonly string[] = ['redis-port', 'milvus-port', 'http-port', 'peer-port'].flatMap(
  (name) => [`--${name}`, '0'],
)

export type ExitState = { readonly code: number | null; readonly signal: string | null }

export type HoldfastProcess = {
  readonly pid: number
  readonly out: () => string
  readonly err: () => string
  readonly exited: Promise<ExitState>
  kill(signal: NodeJS.Signals): void
  endStandardInput(): void
  /** Resolves with the text so far when it matches; fails when the process ends before. */
  waitForOutput(pattern: RegExp, from?: 'out' | 'err'): Promise<string>
}

export type SpawnOptions = {
  readonly environment?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly userId?: number
}

export function startHoldfast(
  t: TestContext,
  words: readonly string[],
  options: SpawnOptions = {},
): HoldfastProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'))
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(inherited), ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.userId === undefined ? {} : { uid: options.userId, gid: options.userId }),
  })
  const text = { out: '', err: '' }
  const listeners = new Set<() => void>()
  const collect = (name: 'out' | 'err') => (chunk: Buffer) => {
    text[name] += String(chunk)
    for (const listener of listeners) listener()
  }
  child.stdout.on('data', collect('out'))
  child.stderr.on('data', collect('err'))
  child.stdin.on('error', () => undefined)
  const exited = exitOf(child)
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  endsOf(t).push(end)
  t.after(end)
  return {
    pid: child.pid ?? assert.fail('no process was started'),
    out: () => text.out,
    err: () => text.err,
    exited,
    kill: (signal) => void child.kill(signal),
    endStandardInput: () => void child.stdin.end(),
    waitForOutput: (pattern, from = 'out') =>
      waitForOutput(pattern, () => text[from], text, listeners, exited),
  }
}

/** Runs to its end. */
export async function runHoldfast(
  t: TestContext,
  words: readonly string[],
  options: SpawnOptions = {},
): Promise<ExitState & { readonly out: string; readonly err: string }> {
  const started = startHoldfast(t, words, options)
  const exit = await started.exited
  return { ...exit, out: started.out(), err: started.err() }
}

/** A node with free ports that serves when this returns. */
export async function startNodeProcess(
  t: TestContext,
  directory: string,
  words: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<HoldfastProcess> {
  const started = startHoldfast(t, ['start', '--data-dir', directory, ...ANY_PORTS, ...words], options)
  await started.waitForOutput(/ is serving: .*\n/)
  return started
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  // Hooks run in the order of their making: whoever still writes into the directory must end first.
  t.after(async () => {
    for (const end of endsOf(t)) await end()
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}

const processEnds = new WeakMap<TestContext, (() => Promise<void>)[]>()

/** What ends the processes that this test has started. */
function endsOf(t: TestContext): (() => Promise<void>)[] {
  const known = processEnds.get(t) ?? []
  processEnds.set(t, known)
  return known
}

export type EndpointsJson = {
  readonly nodeId: string
  readonly pid: number
  readonly redis: { readonly host: string; readonly port: number }
  readonly milvus: { readonly host: string; readonly port: number } | null
  readonly http: { readonly host: string; readonly port: number }
  readonly peer: { readonly host: string; readonly port: number }
}

export async function readEndpointsJson(directory: string): Promise<EndpointsJson> {
  return JSON.parse(await readFile(join(directory, 'endpoints.json'), 'utf8')) as EndpointsJson
}

export function hasEndpoints(directory: string): boolean {
  return existsSync(join(directory, 'endpoints.json'))
}

/** A port that something else listens on while the test runs. */
export async function occupyPort(t: TestContext): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => server.close(resolve)))
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  return address.port
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function exitOf(child: ChildProcess): Promise<ExitState> {
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
    child.once('error', reject)
  })
}

function waitForOutput(
  pattern: RegExp,
  read: () => string,
  all: { readonly out: string; readonly err: string },
  listeners: Set<() => void>,
  exited: Promise<ExitState>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      listeners.delete(check)
      settle()
    }
    const fail = (why: string): void =>
      finish(() => reject(new Error(`${why} before ${pattern}\n--- out\n${all.out}\n--- err\n${all.err}`)))
    const check = (): void => {
      if (pattern.test(read())) finish(() => resolve(read()))
    }
    const timer = setTimeout(() => fail(`${PATIENCE_MS} ms went by`), PATIENCE_MS)
    listeners.add(check)
    check()
    exited.then(
      ({ code, signal }) => {
        check()
        fail(`the process ended (${code ?? signal})`)
      },
      (error: unknown) => fail(String(error)),
    )
  })
}
