/**
 * Notices when this process cannot do its work any more, from a thread that can still say so.
 *
 * The main thread counts its turns and its log writes in shared memory; `watchdog-worker.ts` watches the
 * counters. A busy loop that still turns is alive; a loop that is stuck, or a log whose write does not
 * come back, is not, and must fall silent towards the outside. The watchdog only observes and tells: it
 * ends nothing.
 */
import assert from 'node:assert/strict'
import { Worker } from 'node:worker_threads'
import { type Address, NetworkFault } from '../env/network.ts'
import {
  BEATS,
  COUNTERS,
  LOG_BEGUN,
  LOG_FINISHED,
  type WatchdogWorkerData,
  type WatchdogWorkerMessage,
} from './watchdog-contract.ts'
import { workerUrl } from './worker-url.ts'

export type WatchdogOptions = {
  /** Where `GET /livez` is answered; null: nowhere. Port 0 = any free one. */
  readonly listen: Address | null
  /** The main loop counts as stuck when it has not turned for this long. */
  readonly mainLimitMs?: number
  /** The log counts as stuck when a write is on its way and none has come back for this long. */
  readonly logLimitMs?: number
  /** Lines for people instead of JSON on standard error. */
  readonly isPretty?: boolean
  /** The watchdog's own thread ended: nobody watches any more. */
  readonly onDeath: (error: unknown) => void
}

export interface Watchdog {
  /** Of `/livez`; null when it is not served. */
  readonly address: Address | null
  /** The main loop turned. Called by the watchdog's own timer; more often does no harm. */
  beat(): void
  /** A log write is on its way. */
  logBegun(): void
  /** It came back, well or not. */
  logFinished(): void
  stop(): Promise<void>
}

export const DEFAULT_MAIN_LIMIT_MS = 1_000
export const DEFAULT_LOG_LIMIT_MS = 5_000
const BEAT_INTERVAL_MS = 100

/** Resolves when somebody watches; fails with `NetworkFault` when `listen` cannot be had. */
export async function startWatchdog(options: WatchdogOptions): Promise<Watchdog> {
  const shared = new SharedArrayBuffer(COUNTERS * Int32Array.BYTES_PER_ELEMENT)
  const data: WatchdogWorkerData = {
    shared,
    limits: {
      mainLimitMs: options.mainLimitMs ?? DEFAULT_MAIN_LIMIT_MS,
      logLimitMs: options.logLimitMs ?? DEFAULT_LOG_LIMIT_MS,
    },
    listen: options.listen,
    isPretty: options.isPretty ?? false,
  }
  assert(data.limits.mainLimitMs > BEAT_INTERVAL_MS * 2, 'a limit shorter than two beats is always exceeded')
  const worker = new Worker(workerUrl(import.meta.url, 'watchdog-worker'), {
    workerData: data,
    name: 'holdfast-watchdog',
    execArgv: [],
  })
  const ready = await firstMessage(worker)
  if (ready.kind === 'failed') {
    await worker.terminate()
    throw new NetworkFault(
      `listen on ${options.listen?.host}:${options.listen?.port} for /livez`,
      ready.errno,
    )
  }
  worker.unref()
  const address = options.listen === null ? null : { host: ready.host, port: ready.port }
  return new CountingWatchdog(worker, new Int32Array(shared), address, options.onDeath)
}

class CountingWatchdog implements Watchdog {
  readonly address: Address | null
  readonly #worker: Worker
  readonly #counters: Int32Array
  readonly #beating: NodeJS.Timeout
  #isStopped = false

  constructor(
    worker: Worker,
    counters: Int32Array,
    address: Address | null,
    onDeath: (error: unknown) => void,
  ) {
    this.#worker = worker
    this.#counters = counters
    this.address = address
    this.#beating = setInterval(() => this.beat(), BEAT_INTERVAL_MS)
    this.#beating.unref()
    let cause: unknown = null
    worker.on('error', (error) => {
      cause = error
    })
    worker.once('exit', (code) => {
      if (!this.#isStopped) onDeath(cause ?? new Error(`the watchdog's thread ended with code ${code}`))
    })
  }

  beat(): void {
    Atomics.add(this.#counters, BEATS, 1)
  }

  logBegun(): void {
    Atomics.add(this.#counters, LOG_BEGUN, 1)
  }

  logFinished(): void {
    Atomics.add(this.#counters, LOG_FINISHED, 1)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#beating)
    await this.#worker.terminate()
  }
}

function firstMessage(worker: Worker): Promise<WatchdogWorkerMessage> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
