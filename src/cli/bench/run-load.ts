/**
 * The load loop: so many connections, each of which sends a batch of requests, waits for all its
 * replies, and sends the next (a closed loop). Latency is the time from the sending of its batch to
 * the arrival of a request's reply.
 *
 * A closed loop asks less of a server that is slow: rates are comparable, and latencies are those
 * at the rate that was reached. A connection that ends, bytes that are no reply, or a server that is
 * silent for STALL_MS end the run with an error; error replies are counted.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { LatencyHistogram } from './latency-histogram.ts'
import type { Requests } from './requests.ts'

const STALL_MS = 30_000
const STALL_CHECK_MS = 1_000
const READ_BYTES = 64 * 1_024
const MICROSECONDS_PER_MS = 1_000

export type LoadPlan = {
  readonly host: string
  readonly port: number
  readonly clients: number
  readonly pipeline: number
  readonly makeRequests: (client: number) => Requests
  /** So many requests, or as many as fit: those answered after the warm-up are counted. */
  readonly extent: { readonly requests: number } | { readonly warmUpMs: number; readonly measureMs: number }
  /** When counting begins and ends: the moment to read what else was spent. */
  readonly atEdge?: (edge: 'begin' | 'end') => void
}

export type LoadOutcome = {
  readonly requests: number
  readonly elapsedMs: number
  readonly latency: LatencyHistogram
  readonly errors: number
  readonly firstError: string | null
  /** Replies that say that a value is not there. */
  readonly absent: number
  /** Part of one processor that the loop itself used, 0 to 1: near 1 it measures itself. */
  readonly ownLoad: number
}

export type RunningLoad = {
  /** Requests answered so far, those of the warm-up included. */
  answered(): number
  readonly finished: Promise<LoadOutcome>
}

export function startLoad(plan: LoadPlan): RunningLoad {
  const loop = new LoadLoop(plan)
  return { answered: () => loop.answered, finished: loop.run() }
}

type Edge = { readonly atMs: number; readonly answered: number; readonly cpu: NodeJS.CpuUsage }

class LoadLoop {
  readonly #plan: LoadPlan
  readonly #latency = new LatencyHistogram()
  readonly #connections: Connection[] = []
  /** Requests that may still be sent. */
  #allowance: number
  #busy = 0
  #begin: Edge | null = null
  #end: Edge | null = null
  #settle: { resolve(): void; reject(error: Error): void } | null = null
  #failure: Error | null = null
  answered = 0

  constructor(plan: LoadPlan) {
    assert(plan.clients >= 1 && plan.pipeline >= 1)
    this.#plan = plan
    this.#allowance = 'requests' in plan.extent ? plan.extent.requests : Number.POSITIVE_INFINITY
  }

  async run(): Promise<LoadOutcome> {
    try {
      for (let client = 0; client < this.#plan.clients; client++)
        this.#connections.push(await this.#connect(client))
      await this.#drive()
    } finally {
      for (const connection of this.#connections) connection.close()
    }
    return this.#outcome()
  }

  async #connect(client: number): Promise<Connection> {
    const { host, port, makeRequests } = this.#plan
    const connection = new Connection(makeRequests(client), (chunk, length) =>
      this.#receive(connection, chunk, length),
    )
    await connection.open(host, port)
    connection.socket.on('error', (error) => this.#fail(error))
    connection.socket.on('close', () => {
      if (!connection.isClosed) this.#fail(new Error('the server closed a connection'))
    })
    return connection
  }

  async #drive(): Promise<void> {
    const finished = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    if (this.#failure !== null) throw this.#failure
    const { extent } = this.#plan
    const timers: NodeJS.Timeout[] = [this.#watchForStalls()]
    if ('requests' in extent) this.#markBegin()
    else {
      timers.push(setTimeout(() => this.#markBegin(), extent.warmUpMs))
      timers.push(setTimeout(() => this.#stopSending(), extent.warmUpMs + extent.measureMs))
    }
    try {
      for (const connection of this.#connections) this.#sendNext(connection)
      await finished
    } finally {
      for (const timer of timers) clearTimeout(timer)
      this.#settle = null
    }
  }

  #watchForStalls(): NodeJS.Timeout {
    let lastAnswered = -1
    let silentSinceMs = performance.now()
    return setInterval(() => {
      const nowMs = performance.now()
      if (this.answered !== lastAnswered) {
        lastAnswered = this.answered
        silentSinceMs = nowMs
      } else if (nowMs - silentSinceMs >= STALL_MS)
        this.#fail(new Error(`the server answered nothing for ${STALL_MS} ms`))
    }, STALL_CHECK_MS)
  }

  #markBegin(): void {
    this.#latency.clear()
    this.#plan.atEdge?.('begin')
    this.#begin = this.#edge()
  }

  #markEnd(): void {
    if (this.#end !== null) return
    this.#end = this.#edge()
    this.#plan.atEdge?.('end')
  }

  #edge(): Edge {
    return { atMs: performance.now(), answered: this.answered, cpu: process.cpuUsage() }
  }

  #stopSending(): void {
    this.#markEnd()
    this.#allowance = 0
    if (this.#busy === 0) this.#settle?.resolve()
  }

  #sendNext(connection: Connection): void {
    const count = Math.min(this.#plan.pipeline, this.#allowance)
    if (count === 0) {
      if (this.#busy === 0) {
        this.#markEnd()
        this.#settle?.resolve()
      }
      return
    }
    this.#allowance -= count
    this.#busy += 1
    connection.send(count)
  }

  #receive(connection: Connection, chunk: Buffer, length: number): void {
    try {
      const completed = connection.requests.receive(chunk, length)
      const urgent = connection.requests.takeUrgent()
      if (urgent !== null) connection.socket.write(urgent)
      if (completed === 0) return
      this.answered += completed
      // Also after the end of the counting: those who waited then had been sent before it.
      this.#latency.record((performance.now() - connection.sentMs) * MICROSECONDS_PER_MS, completed)
      connection.unanswered -= completed
      if (connection.unanswered > 0) return
      this.#busy -= 1
      this.#sendNext(connection)
    } catch (thrown) {
      this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown)))
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#settle?.reject(this.#failure)
  }

  #outcome(): LoadOutcome {
    const [begin, end] = [this.#begin, this.#end]
    assert(begin !== null && end !== null)
    const elapsedMs = end.atMs - begin.atMs
    const cpuUs = end.cpu.user + end.cpu.system - begin.cpu.user - begin.cpu.system
    const all = this.#connections.map(({ requests }) => requests)
    return {
      requests: end.answered - begin.answered,
      elapsedMs,
      latency: this.#latency,
      errors: all.reduce((sum, { errors }) => sum + errors, 0),
      firstError: all.find(({ firstError }) => firstError !== null)?.firstError ?? null,
      absent: all.reduce((sum, { absent }) => sum + absent, 0),
      ownLoad: cpuUs / MICROSECONDS_PER_MS / elapsedMs,
    }
  }
}

class Connection {
  readonly requests: Requests
  readonly #receive: (chunk: Buffer, length: number) => void
  #socket: Socket | null = null
  sentMs = 0
  unanswered = 0
  isClosed = false

  constructor(requests: Requests, receive: (chunk: Buffer, length: number) => void) {
    this.requests = requests
    this.#receive = receive
  }

  get socket(): Socket {
    return this.#socket ?? assert.fail('the connection is not open')
  }

  async open(host: string, port: number): Promise<void> {
    const receive = this.#receive
    // One buffer for all reads of the connection: nothing is made for a reply.
    const socket = createConnection({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BYTES),
        callback: (length, buffer) => {
          receive(buffer as Buffer, length)
          return true
        },
      },
    })
    this.#socket = socket
    await once(socket, 'connect')
    if (this.requests.preface !== null) socket.write(this.requests.preface)
  }

  close(): void {
    this.isClosed = true
    this.socket.destroy()
  }

  send(count: number): void {
    this.unanswered = count
    this.sentMs = performance.now()
    this.socket.write(this.requests.next(count))
  }
}
