/**
 * One node of a demo: a real `holdfast start` process. It runs in a process group of its own, so
 * that Ctrl-C reaches only the demo, which then stops its nodes in order; and it stops by itself
 * when its standard input ends, so that a demo that was killed leaves nobody behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type StorageError, storageError } from '../../base/errors.ts'
import { type Endpoints, readEndpoints } from '../endpoints-file.ts'

const SERVE_TIMEOUT_MS = 60_000
const READY_PATTERN = / is serving: /

export type ChildExit = { readonly code: number | null; readonly signal: string | null }

export type ChildNode = {
  readonly id: string
  readonly pid: number
  /** Rejects when the process ended, or took too long, before it served. */
  readonly serving: Promise<Endpoints>
  /** Never rejects. */
  readonly exited: Promise<ChildExit>
  stop(signal: 'SIGTERM' | 'SIGKILL'): void
}

export type ChildOptions = {
  readonly id: string
  readonly directory: string
  readonly flags: readonly string[]
  readonly onLine: (line: string) => void
}

export function startChild({ id, directory, flags, onLine }: ChildOptions): ChildNode {
  const main = new URL('../main.js', import.meta.url)
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(main), 'start', ...flags], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    env: childEnvironment(process.env),
  })
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
    child.once('error', (error) => {
      onLine(`can't be started: ${error.message}`)
      resolve({ code: null, signal: null })
    })
  })
  // Its end is told by `exited`; a broken pipe to it says nothing more.
  child.stdin.on('error', () => undefined)
  const ready = new Promise<void>((resolve) => {
    forEachLine(child.stdout, (line) => {
      onLine(line)
      if (READY_PATTERN.test(line)) resolve()
    })
  })
  forEachLine(child.stderr, onLine)
  return {
    id,
    pid: child.pid ?? 0,
    serving: waitUntilServing(id, directory, child, ready, exited),
    exited,
    stop: (signal) => void child.kill(signal),
  }
}

/** Without what would make the nodes of a demo join something else, or become one node. */
function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const {
    HOLDFAST_JOIN: _join,
    HOLDFAST_CONFIG: _config,
    HOLDFAST_ADVERTISE_HOST: _host,
    ...rest
  } = environment
  return rest
}

async function waitUntilServing(
  id: string,
  directory: string,
  child: ChildProcess,
  ready: Promise<void>,
  exited: Promise<ChildExit>,
): Promise<Endpoints> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`did not serve within ${SERVE_TIMEOUT_MS / 1_000} s`), SERVE_TIMEOUT_MS)
  })
  const ended = exited.then((exit) => `${describeExit(exit)} before it served`)
  const trouble = await Promise.race([ready.then(() => null), ended, late])
  clearTimeout(timer)
  if (trouble !== null) throw notServing(id, trouble)
  const endpoints = await readEndpoints(directory)
  if (endpoints === null || endpoints.pid !== child.pid)
    throw notServing(id, 'left no endpoints.json of its own')
  return endpoints
}

export function describeExit({ code, signal }: ChildExit): string {
  if (signal !== null) return `was ended by ${signal}`
  return code === null ? 'could not run' : `ended with code ${code}`
}

function notServing(id: string, trouble: string): StorageError {
  return storageError('connectionFailed', {
    message: `node ${id} ${trouble}`,
    healsByItself: false,
    hint: `The lines above that begin with ${id} say why.`,
  })
}

function forEachLine(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine)
}
