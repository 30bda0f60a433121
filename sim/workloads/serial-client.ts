/**
 * A client that appends serial numbers to values of its own, over whichever node it gets a connection
 * to, and reads them back now and then: see checkers/serial-oracle.ts. A new value begins when one
 * has grown long. Some requests wait for the answer to the one before, some are sent in bursts.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../src/env/clock.ts'
import type { Address } from '../../src/env/network.ts'
import { type Fate, SerialOracle } from '../checkers/serial-oracle.ts'
import { type ClientReply, RedisClient } from '../cluster/redis-client.ts'
import type { SimRandom } from '../world/random.ts'
import { isRefusal, isUnknown } from './answers.ts'
import type { KeyClientWorld, KeyWorkload } from './key-client.ts'

const SERIALS_PER_VALUE = 150
const READ_SHARE = 0.15
const BURST_SHARE = 0.4
const RECONNECT_PAUSE_MS_MAX = 100
const PERSISTENT_PAUSE_MS = 50

export type SerialWorkload = Pick<KeyWorkload, 'pauseMsMax' | 'requestTimeoutMs'> & {
  /** Appended to in turn. */
  readonly values: number
  /** Requests that are sent together at most; 1: one at a time. */
  readonly burstMax: number
  /** What nodes send each other over one connection arrives whole and in its order. */
  readonly keepsOrder: boolean
}

export class SerialClient {
  readonly #name: string
  readonly #world: Pick<KeyClientWorld, 'place' | 'servers'>
  readonly #workload: SerialWorkload
  readonly #random: SimRandom
  readonly #clock: Clock
  readonly #redis: RedisClient
  readonly #oracles: SerialOracle[] = []
  /** Of those that are appended to at present. */
  readonly #places: SerialOracle[] = []
  #isStopping = false
  /** Resolves once `stop` was called and nothing is asked any more. */
  readonly done: Promise<void>

  constructor(
    name: string,
    world: Pick<KeyClientWorld, 'place' | 'servers'>,
    workload: SerialWorkload,
    random: SimRandom,
  ) {
    this.#name = name
    this.#world = world
    this.#workload = workload
    this.#random = random
    const { clock, network } = world.place(name)
    this.#clock = clock
    this.#redis = new RedisClient(network)
    this.done = this.#run()
  }

  get acknowledged(): number {
    return this.#oracles.reduce((sum, oracle) => sum + oracle.acknowledged, 0)
  }

  get reads(): number {
    return this.#oracles.reduce((sum, oracle) => sum + oracle.reads, 0)
  }

  stop(): void {
    this.#isStopping = true
  }

  /** Every value that was ever written, read from `host`, however long it takes. */
  async readAll({ host, port }: Address): Promise<void> {
    for (const oracle of this.#oracles) {
      for (;;) {
        if (this.#redis.isConnected || (await this.#redis.connect(host, port))) {
          if (await this.#read(oracle)) break
        }
        await this.#pause(PERSISTENT_PAUSE_MS)
      }
    }
    this.#redis.close()
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      if (!this.#redis.isConnected) {
        const { host, port } = this.#random.pick(this.#world.servers)
        if (!(await this.#redis.connect(host, port))) await this.#pause(RECONNECT_PAUSE_MS_MAX)
        continue
      }
      if (this.#random.chance(READ_SHARE)) await this.#read(this.#present())
      else await this.#append()
      await this.#pause(this.#workload.pauseMsMax)
    }
    this.#redis.close()
  }

  #present(): SerialOracle {
    const place = this.#random.below(this.#workload.values)
    const present = this.#places[place]
    if (present !== undefined && present.length < SERIALS_PER_VALUE) return present
    const oracle = new SerialOracle(`${this.#name}:${this.#oracles.length}`, this.#workload.keepsOrder)
    this.#oracles.push(oracle)
    this.#places[place] = oracle
    return oracle
  }

  async #append(): Promise<void> {
    const { burstMax } = this.#workload
    const count = this.#random.chance(BURST_SHARE) ? this.#random.between(1, burstMax) : 1
    const appends = await Promise.all(Array.from({ length: count }, () => this.#appendOne(this.#present())))
    if (appends.includes('refused')) await this.#pause(RECONNECT_PAUSE_MS_MAX)
  }

  async #appendOne(oracle: SerialOracle): Promise<Fate['kind']> {
    const { serial, text } = oracle.next()
    const reply = await this.#call('APPEND', keyOf(oracle), text)
    const fate = fateOf(reply)
    oracle.told(serial, fate)
    return fate.kind
  }

  /** False when there was no answer. */
  async #read(oracle: SerialOracle): Promise<boolean> {
    const reply = await this.#call('GET', keyOf(oracle))
    if (reply.kind !== 'bulk' && reply.kind !== 'nil') return false
    oracle.read(reply.kind === 'nil' ? '' : reply.text)
    return true
  }

  async #call(...words: readonly string[]): Promise<ClientReply> {
    const timer = this.#clock.setTimer(this.#workload.requestTimeoutMs, () => this.#redis.close())
    const reply = await this.#redis.call(...words)
    timer.cancel()
    return reply
  }

  #pause(maxMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(this.#random.next() * maxMs, resolve))
  }
}

function fateOf(reply: ClientReply): Fate {
  if (reply.kind === 'integer') return { kind: 'acknowledged', length: reply.value }
  if (isUnknown(reply)) return { kind: 'unknown' }
  assert(isRefusal(reply), `unexpected reply to an append: ${JSON.stringify(reply)}`)
  return { kind: 'refused' }
}

function keyOf(oracle: SerialOracle): string {
  return `serials:${oracle.name}`
}
