/**
 * One real `holdfast start` process that can be killed, frozen and started again on its directory.
 *
 * No process is left behind: each is killed when this process ends in whatever way it can notice,
 * and stops by itself (its standard input ends) when this one is killed. Its log lines are kept,
 * the last of them only, to be shown when something fails.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type Endpoint = { readonly host: string; readonly port: number }
export type Exit = { readonly code: number | null; readonly signal: string | null }

export type NodeProcessOptions = {
  readonly id: string
  readonly directory: string
  /** Beyond --node-id and --data-dir. */
  readonly flags: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Words before the program's own: something that runs it in another place, as the same process. */
  readonly launcher?: readonly string[]
}

type EndpointsJson = {
  readonly pid: number
  readonly redis: Endpoint
  readonly http: Endpoint
  readonly peer: Endpoint
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Far more than a start takes on a busy machine: it only ends a run that hangs. */
const START_MS_MAX = 60_000
const LOG_LINES_KEPT = 400

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

export class NodeProcess {
  readonly id: string
  readonly directory: string
  readonly #options: NodeProcessOptions
  #child: ChildProcess | null = null
  #exited: Promise<Exit> = Promise.resolve({ code: 0, signal: null })
  #lines: string[] = []
  #endpoints: EndpointsJson | null = null
  /** What whoever looks at the run as a whole needs to know. */
  lastStartMs = 0

  constructor(options: NodeProcessOptions) {
    this.#options = options
    this.id = options.id
    this.directory = options.directory
  }

  get isRunning(): boolean {
    return this.#child !== null
  }

  get pid(): number {
    return this.#child?.pid ?? assert.fail(`node ${this.id} is not running`)
  }

  /** Of the last start; a killed node's clients may still try them. */
  get redis(): Endpoint {
    return this.#known().redis
  }

  get http(): Endpoint {
    return this.#known().http
  }

  get peer(): Endpoint {
    return this.#known().peer
  }

  /** How the process that runs, or ran last, ended. */
  get exited(): Promise<Exit> {
    return this.#exited
  }

  get log(): string {
    return this.#lines.map((line) => `${this.id} | ${line}\n`).join('')
  }

  /** Resolves when the node serves. */
  async start(moreFlags: readonly string[] = []): Promise<void> {
    assert(this.#child === null, `node ${this.id} runs already`)
    const startedMs = performance.now()
    const child = this.#spawn(moreFlags)
    await this.#untilReady(child)
    this.#endpoints = JSON.parse(
      await readFile(join(this.directory, 'endpoints.json'), 'utf8'),
    ) as EndpointsJson
    assert.equal(this.#endpoints.pid, child.pid)
    this.lastStartMs = performance.now() - startedMs
  }

  /** Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  async terminate(): Promise<Exit> {
    this.signal('SIGTERM')
    return this.#exited
  }

  signal(signal: NodeJS.Signals): void {
    assert(this.#child !== null, `node ${this.id} is not running`)
    assert(this.#child.kill(signal), `node ${this.id} could not be sent ${signal}`)
  }

  #spawn(moreFlags: readonly string[]): ChildProcess {
    const { id, directory, flags, environment, launcher = [] } = this.#options
    const words = [
      'start',
      '--node-id',
      id,
      '--data-dir',
      directory,
      '--stop-with-stdin',
      ...flags,
      ...moreFlags,
    ]
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'))
    const [program, ...before] = [...launcher, process.execPath]
    const child = spawn(program, [...before, MAIN, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(inherited), ...environment },
    })
    alive.add(child)
    this.#child = child
    this.#lines = []
    child.stdin?.on('error', () => undefined)
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => this.#keep(chunk))
    this.#exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        alive.delete(child)
        this.#child = null
        resolve({ code, signal })
      })
    })
    return child
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const ready = new Promise<'ready'>((resolve) => {
      let text = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        text += String(chunk)
        if (/ is serving: .*\n/.test(text)) resolve('ready')
      })
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), START_MS_MAX)
    })
    const outcome = await Promise.race([ready, late, this.#exited])
    clearTimeout(timer)
    if (outcome === 'ready') return
    const how =
      outcome === 'late' ? `did not serve in ${START_MS_MAX} ms` : `ended (${JSON.stringify(outcome)})`
    throw new Error(`node ${this.id} ${how}\n${this.log}`)
  }

  #keep(chunk: Buffer): void {
    this.#lines.push(...String(chunk).trimEnd().split('\n'))
    if (this.#lines.length > LOG_LINES_KEPT) this.#lines = this.#lines.slice(-LOG_LINES_KEPT)
  }

  #known(): EndpointsJson {
    return this.#endpoints ?? assert.fail(`node ${this.id} has never served`)
  }
}
