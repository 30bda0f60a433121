/**
 * Clients that write numbers all through a run: how long nobody was acknowledged anything, and, at the
 * end, that each number is there, once.
 */
import { GapWatch } from './gap-watch.ts'
import type { Endpoint } from './node-process.ts'
import { checkAll } from './numbered-check.ts'
import { NumberedClient } from './numbered-client.ts'
import { connectResp } from './resp-connection.ts'

/** A node that says nothing for so long is left for another one. */
const CALL_MS_MAX = 1_000

export class PauseWatch {
  readonly #clients: readonly NumberedClient[]
  readonly #endpoints: readonly Endpoint[]
  readonly #gap = new GapWatch()

  constructor(endpoints: readonly Endpoint[], seed: number) {
    this.#endpoints = endpoints
    this.#clients = endpoints.map(
      (_endpoint, home) =>
        new NumberedClient({
          name: `s${seed}n${home + 1}`,
          endpoints,
          home,
          connect: connectResp,
          callMsMax: CALL_MS_MAX,
          onAcknowledged: (nowMs) => this.#gap.note(nowMs),
        }),
    )
    for (const client of this.#clients) client.start()
  }

  start(): void {
    for (const client of this.#clients) {
      client.freshKeys()
      client.goHome()
    }
    this.#gap.start(performance.now())
  }

  /** The longest time in which nothing was acknowledged. */
  stop(): number {
    return this.#gap.stop(performance.now())
  }

  get acknowledged(): number {
    return this.#clients.reduce((total, client) => total + client.acknowledged, 0)
  }

  get unknown(): number {
    return this.#clients.reduce((total, client) => total + client.unknown, 0)
  }

  async stopClients(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()))
  }

  /** After `stopClients`: what contradicts a promise, in words. */
  async conclude(): Promise<readonly string[]> {
    const { lost, doubled } = await checkAll(this.#clients, this.#endpoints, connectResp)
    return [...this.#clients.flatMap((client) => client.violations), ...lost, ...doubled]
  }
}
