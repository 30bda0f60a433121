/**
 * A client that writes numbers and remembers what it was promised: one write at a time, SET and
 * INCR in turn, over whatever node answers. It checks each answer at once, and keeps what a last
 * look at all keys needs (numbered-check.ts).
 *
 * A SET whose fate is unknown may still happen much later, over a newer value of the same key. So
 * a key with an unknown write is never written again: after each, and whenever the harness says
 * so, the client goes on with fresh keys (`era`), and what its old keys must hold is fixed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { GapWatch } from './gap-watch.ts'
import type { Endpoint } from './node-process.ts'
import { type Connect, ConnectionLost, ReplyError, type TestConnection } from './resp-connection.ts'

export type Expected = { readonly acknowledged: string | null; readonly unknown: string | null }

export type ClientOptions = {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** Which of them it prefers. */
  readonly home: number
  readonly connect: Connect
  /** A node that does not answer for so long is left for another. */
  readonly callMsMax: number
  readonly onAcknowledged: (nowMs: number) => void
}

/** Keys per era, written round and round. */
const KEYS = 64
const READ_EVERY = 16
const PAUSE_AFTER_ERROR_MS = 2
/** Answers that promise that nothing happened; the client takes them at their word. */
const REFUSED = /^(LOADING |CLUSTERDOWN .*nothing was changed)/
/** More of the same help nobody. */
const VIOLATIONS_MAX = 5
const PADDING = 'x'.repeat(64)

export class NumberedClient {
  readonly name: string
  readonly gap = new GapWatch()
  readonly expected = new Map<string, Expected>()
  readonly errors = new Map<string, number>()
  /** What contradicts a promise; empty as long as all is well. */
  readonly violations: string[] = []
  acknowledged = 0
  unknown = 0
  increments = { acknowledged: 0, unknown: 0, last: 0 }
  readonly #options: ClientOptions
  #connection: TestConnection | null = null
  #at: number
  #number = 0
  #era = 0
  #wantsHome = false
  #isStopping = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: ClientOptions) {
    this.#options = options
    this.name = options.name
    this.#at = options.home
  }

  /** The endpoint it talks to, or tries to. */
  get at(): number {
    return this.#at
  }

  get counterKey(): string {
    return `${this.name}:counter`
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
    this.#connection?.close()
  }

  /** Keys written until now are left as they are. */
  freshKeys(): void {
    this.#era += 1
  }

  goHome(): void {
    this.#wantsHome = true
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      this.#number += 1
      if (this.#number % READ_EVERY === 0) await this.#read()
      else if (this.#number % 2 === 0) await this.#increment()
      else await this.#set()
    }
  }

  async #set(): Promise<void> {
    const key = `${this.name}:${this.#era}:${this.#number % KEYS}`
    const value = `${this.#number}:${PADDING}`
    const before = this.expected.get(key)?.acknowledged ?? null
    const reply = await this.#call('SET', key, value)
    if (reply === REFUSED) return
    if (reply === undefined) {
      this.expected.set(key, { acknowledged: before, unknown: value })
      this.freshKeys()
      return
    }
    this.expected.set(key, { acknowledged: value, unknown: null })
    this.#noteAcknowledged()
    if (reply !== 'OK') this.#violate(`${this.name}: SET answered ${JSON.stringify(reply)}`)
  }

  async #increment(): Promise<void> {
    const reply = await this.#call('INCR', this.counterKey)
    if (reply === REFUSED) return
    const { increments } = this
    if (reply === undefined) {
      increments.unknown += 1
      return
    }
    increments.acknowledged += 1
    this.#noteAcknowledged()
    const value = Number(reply)
    const { acknowledged, unknown, last } = increments
    if (value < acknowledged || value <= last) {
      this.#violate(`lost: ${this.name}: INCR ${acknowledged} answered ${value} after ${last}`)
    } else if (value > acknowledged + unknown) {
      this.#violate(
        `doubled: ${this.name}: INCR answered ${value} with ${acknowledged} done and ${unknown} unknown`,
      )
    }
    increments.last = Math.max(last, value)
  }

  /** What was acknowledged to this client last must be there, whichever node it asks. */
  async #read(): Promise<void> {
    const key = `${this.name}:${this.#era}:${(this.#number - 1) % KEYS}`
    const expected = this.expected.get(key)
    if (expected === undefined) return
    const reply = await this.#call('GET', key)
    if (reply === REFUSED) return
    if (reply !== undefined && reply !== expected.acknowledged && reply !== expected.unknown) {
      const was = expected.acknowledged?.split(':')[0]
      this.#violate(
        `stale: ${this.name}: GET ${key} answered ${JSON.stringify(reply).slice(0, 20)}, not ${was}`,
      )
    }
  }

  /** Undefined: no answer, or one that does not say whether it happened. REFUSED: it did not. */
  async #call(...words: readonly string[]): Promise<unknown> {
    try {
      const connection = await this.#connected()
      return await this.#inTime(connection, connection.call(...words))
    } catch (error) {
      if (!(error instanceof ConnectionLost || error instanceof ReplyError)) throw error
      const isRefused = error instanceof ReplyError && REFUSED.test(error.message)
      if (words[0] !== 'GET' && !isRefused) this.unknown += 1
      if (error instanceof ConnectionLost) {
        this.#leave()
        return undefined
      }
      const line = error.message.slice(0, 60)
      this.errors.set(line, (this.errors.get(line) ?? 0) + 1)
      await sleep(PAUSE_AFTER_ERROR_MS)
      return isRefused ? REFUSED : undefined
    }
  }

  async #inTime(connection: TestConnection, answer: Promise<unknown>): Promise<unknown> {
    const timer = setTimeout(() => connection.close(), this.#options.callMsMax)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  async #connected(): Promise<TestConnection> {
    if (this.#wantsHome) {
      this.#wantsHome = false
      if (this.#at !== this.#options.home) this.#leave(this.#options.home)
    }
    const { endpoints, connect } = this.#options
    while (this.#connection === null || !this.#connection.isOpen) {
      if (this.#isStopping) throw new ConnectionLost('told to stop')
      try {
        this.#connection = await connect(endpoints[this.#at] as Endpoint)
      } catch {
        this.#leave()
        await sleep(PAUSE_AFTER_ERROR_MS)
      }
    }
    return this.#connection as TestConnection
  }

  #leave(to = (this.#at + 1) % this.#options.endpoints.length): void {
    this.#connection?.close()
    this.#connection = null
    this.#at = to
  }

  #violate(what: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(what)
  }

  #noteAcknowledged(): void {
    const nowMs = performance.now()
    this.acknowledged += 1
    this.gap.note(nowMs)
    this.#options.onAcknowledged(nowMs)
  }
}
