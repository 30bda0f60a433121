/**
 * Writes one key after the other, each once, to whichever node takes it, and remembers which were
 * acknowledged: all of those must be there for ever.
 */
import { sleep } from '../../src/env/clock.ts'
import { RedisClient } from '../cluster/redis-client.ts'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import { REDIS_PORT } from '../cluster/sim-node.ts'
import { createSimClock, type SimClock } from '../world/clock.ts'

const RETRY_MS = 3

export class NumberedWriter {
  readonly #redis: RedisClient
  readonly #clock: SimClock
  readonly #hosts: readonly string[]
  #next = 1
  #turn = 0
  #isStopping = false
  readonly acknowledged: number[] = []
  /** Resolves after `stop`, when the last answer is there. */
  readonly done: Promise<void>

  constructor(cluster: SimCluster, name: string, hosts: readonly string[]) {
    this.#clock = createSimClock(cluster.scheduler)
    this.#hosts = hosts
    this.#redis = new RedisClient(cluster.network.attach(name, this.#clock))
    this.done = this.#run()
  }

  stop(): void {
    this.#isStopping = true
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      if (!this.#redis.isConnected) {
        this.#turn += 1
        const host = this.#hosts[this.#turn % this.#hosts.length] as string
        if (!(await this.#redis.connect(host, REDIS_PORT))) await sleep(this.#clock, RETRY_MS)
        continue
      }
      const number = this.#next++
      const reply = await this.#redis.call('SET', keyOf(number), String(number))
      if (reply.kind === 'status') this.acknowledged.push(number)
      else await sleep(this.#clock, RETRY_MS)
    }
    this.#redis.close()
  }
}

/** Those of `numbers` that `host` does not show. */
export async function missingAt(
  cluster: SimCluster,
  host: string,
  numbers: readonly number[],
): Promise<readonly number[]> {
  const clock = createSimClock(cluster.scheduler)
  const redis = new RedisClient(cluster.network.attach(`reader-of-${host}-${cluster.scheduler.nowMs}`, clock))
  while (!(await redis.connect(host, REDIS_PORT))) await sleep(clock, RETRY_MS)
  const missing: number[] = []
  for (const number of numbers) {
    let reply = await redis.call('GET', keyOf(number))
    while (reply.kind === 'error') {
      await sleep(clock, RETRY_MS)
      reply = await redis.call('GET', keyOf(number))
    }
    if (reply.kind !== 'bulk' || reply.text !== String(number)) missing.push(number)
  }
  redis.close()
  return missing
}

function keyOf(number: number): string {
  return `numbered:${number}`
}
