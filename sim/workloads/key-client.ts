/**
 * A client that uses the keys of a few groups at random, over whichever node it gets a connection
 * to, and writes down what it asked and was answered. The clusters may be simulated or real
 * (test/nemesis): the clock and the network are the world's.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../src/env/clock.ts'
import type { Address, Network } from '../../src/env/network.ts'
import { type ClientReply, RedisClient } from '../cluster/redis-client.ts'
import type { SimRandom } from '../world/random.ts'
import { isRefusal, isUnknown } from './answers.ts'
import type { Invocation, KeyHistory } from './key-history.ts'
import { answerOf, EXPIRED, expandText, isAnswer, type KeyAnswer, type KeyOperation } from './key-model.ts'

export type KeyWorkload = {
  readonly clients: number
  readonly keyGroups: number
  readonly pauseMsMax: number
  readonly readShare: number
  readonly largeValueShare: number
  readonly largeValueBytes: number
  readonly expiryShare: number
  /** How much sooner or later than asked a key may expire: by as much as clocks differ. */
  readonly expiryToleranceMs: number
  readonly requestTimeoutMs: number
  /** Once so many writes of a group have an unknown outcome, it is only read. Absent: no limit. */
  readonly unknownWritesMax?: number
}

export const KEYS_PER_GROUP = 3
/** The last key of a group counts; the others hold texts. */
const COUNTER_KEY = KEYS_PER_GROUP - 1
const TEXT_KEYS: readonly number[] = Array.from({ length: COUNTER_KEY }, (_, key) => key)
const TRANSACTION_SHARE = 0.07
const RECONNECT_PAUSE_MS_MAX = 100

export type KeyClientWorld = {
  /** Where a client of this name lives. */
  readonly place: (name: string) => { readonly clock: Clock; readonly network: Network }
  readonly servers: readonly Address[]
  readonly histories: readonly KeyHistory[]
  /** The number of the first history's keys: groups that came before are left as they are. */
  readonly firstGroup: number
}

export class KeyClient {
  readonly name: string
  readonly #number: number
  readonly #world: KeyClientWorld
  readonly #workload: KeyWorkload
  readonly #random: SimRandom
  readonly #clock: Clock
  readonly #redis: RedisClient
  #lastId = 0
  #isStopping = false
  /** Resolves once `stop` was called and nothing is asked any more. */
  readonly done: Promise<void>

  constructor(number: number, world: KeyClientWorld, workload: KeyWorkload, random: SimRandom) {
    assert(number >= 1 && number < CLIENTS_MAX)
    this.#number = number
    this.name = `c${number}`
    this.#world = world
    this.#workload = workload
    this.#random = random
    const { clock, network } = world.place(this.name)
    this.#clock = clock
    this.#redis = new RedisClient(network)
    this.done = this.#run()
  }

  stop(): void {
    this.#isStopping = true
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      if (!this.#redis.isConnected) {
        const { host, port } = this.#random.pick(this.#world.servers)
        if (!(await this.#redis.connect(host, port))) {
          await this.#pause(RECONNECT_PAUSE_MS_MAX)
        }
        continue
      }
      const group = this.#random.below(this.#workload.keyGroups)
      const mayWrite = this.#mayWrite(group)
      if (mayWrite && this.#random.chance(TRANSACTION_SHARE)) await this.#transact(group)
      else await this.#ask(group, this.#draw(mayWrite))
      await this.#pause(this.#workload.pauseMsMax)
    }
    this.#redis.close()
  }

  /** The answer; null when there was none. */
  async #ask(group: number, operation: KeyOperation): Promise<KeyAnswer | null> {
    const history = this.#world.histories[group]
    assert(history !== undefined)
    const invocation = history.invoke(this.name, operation)
    const timer = this.#clock.setTimer(this.#workload.requestTimeoutMs, () => this.#redis.close())
    const expiry =
      operation.kind === 'set' && operation.expires !== 0 ? this.#expireLater(history, operation) : null
    const reply = await this.#redis.call(...wordsOf(this.#world.firstGroup + group, operation))
    timer.cancel()
    if (isAnswer(reply)) expiry?.mustEnd()
    const wasRefused = settle(invocation, reply)
    if (wasRefused) await this.#pause(RECONNECT_PAUSE_MS_MAX)
    return isAnswer(reply) ? answerOf(reply) : null
  }

  /** WATCH, a look, and EXEC: nobody may have touched the key between the first and the last. */
  async #transact(group: number): Promise<void> {
    const first = this.#world.firstGroup + group
    const watched = this.#random.below(KEYS_PER_GROUP)
    if (!(await this.#prepare(['WATCH', keyName(first, watched)]))) return
    const seen = await this.#ask(group, { kind: 'get', keys: [watched] })
    if (seen === null || !(await this.#prepare(['MULTI']))) return
    const steps = Array.from({ length: this.#random.between(1, 3) }, () => this.#drawStep())
    for (const step of steps) if (!(await this.#prepare(wordsOf(first, step)))) return
    await this.#ask(group, { kind: 'transaction', watched, seen, steps })
  }

  /** What leads to EXEC and does nothing itself. When it fails, the connection is given up with all of it. */
  async #prepare(words: readonly string[]): Promise<boolean> {
    const timer = this.#clock.setTimer(this.#workload.requestTimeoutMs, () => this.#redis.close())
    const reply = await this.#redis.call(...words)
    timer.cancel()
    if (reply.kind === 'status') return true
    assert(isUnknown(reply) || isRefusal(reply), `unexpected reply to ${words[0]}: ${JSON.stringify(reply)}`)
    this.#redis.close()
    await this.#pause(RECONNECT_PAUSE_MS_MAX)
    return false
  }

  /** Without expiries: when one of them would begin to count is not known until EXEC is answered. */
  #drawStep(): KeyOperation {
    const key = this.#random.below(COUNTER_KEY)
    switch (this.#random.below(5)) {
      case 0:
        return { kind: 'increment', key: COUNTER_KEY, by: 1 }
      case 1:
        return { kind: 'append', key, value: this.#value(false) }
      case 2:
        return { kind: 'delete', keys: [key], answersOld: false }
      case 3:
        return { kind: 'get', keys: [0, 1, 2] }
      default:
        return this.#set([[key, this.#value(false)]], false, 0)
    }
  }

  /** What was written may vanish from its earliest time on; and must, once its latest is over and `mustEnd` was called. */
  #expireLater(
    history: KeyHistory,
    operation: KeyOperation & { readonly kind: 'set' },
  ): { readonly mustEnd: () => void } {
    const { expiryToleranceMs } = this.#workload
    const durationMs = operation.expires % EXPIRY_UNIT
    const afterMs = Math.max(0, durationMs - expiryToleranceMs)
    // Where a RENAME or COPY may have taken it.
    const keys = TEXT_KEYS
    let expiry: Invocation | null = null
    const begin = (): void => {
      expiry = history.invoke('store', { kind: 'expire', keys, expires: operation.expires })
    }
    if (afterMs === 0) begin()
    else this.#clock.setTimer(afterMs, begin)
    const mustEnd = (): void => {
      if (!Number.isFinite(expiryToleranceMs)) return
      this.#clock.setTimer(durationMs + expiryToleranceMs, () => expiry?.answered(EXPIRED))
    }
    return { mustEnd }
  }

  #mayWrite(group: number): boolean {
    const { unknownWritesMax = Number.POSITIVE_INFINITY } = this.#workload
    return (this.#world.histories[group]?.unknownWrites ?? 0) < unknownWritesMax
  }

  #draw(mayWrite: boolean): KeyOperation {
    const random = this.#random
    const { readShare, expiryShare } = this.#workload
    if (random.chance(readShare) || !mayWrite) return { kind: 'get', keys: this.#someKeys() }
    if (random.chance(0.35)) return { kind: 'increment', key: COUNTER_KEY, by: random.chance(0.8) ? 1 : 10 }
    const key = random.below(COUNTER_KEY)
    switch (random.below(9)) {
      case 0:
        return { kind: 'append', key, value: this.#value(false) }
      case 1:
        return { kind: 'delete', keys: this.#someKeys(), answersOld: false }
      case 2:
        return { kind: 'delete', keys: [key], answersOld: true }
      case 3:
        return this.#set([[key, this.#value(true)]], true, 0)
      case 4: {
        const writes = [0, 1].map((at): readonly [number, string] => [at, this.#value(true)])
        return this.#set(writes, false, 0)
      }
      case 6:
        return { kind: random.chance(0.5) ? 'rename' : 'copy', from: key, to: COUNTER_KEY - 1 - key }
      case 5:
        return { ...this.#set([[key, this.#value(true)]], false, 0), answersOld: true }
      default: {
        const expires = random.chance(expiryShare) ? this.#newExpiry(random.between(1, 999)) : 0
        return this.#set([[key, this.#value(true)]], false, expires)
      }
    }
  }

  #set(
    writes: readonly (readonly [number, string])[],
    ifAbsent: boolean,
    expires: number,
  ): KeyOperation & { readonly kind: 'set' } {
    return { kind: 'set', writes, ifAbsent, expires, answersOld: false }
  }

  #someKeys(): readonly number[] {
    return this.#random.chance(0.7) ? [this.#random.below(KEYS_PER_GROUP)] : [0, 1, 2]
  }

  #value(mayBeLarge: boolean): string {
    const { largeValueShare, largeValueBytes } = this.#workload
    const isLarge = mayBeLarge && this.#random.chance(largeValueShare)
    const bytes = isLarge ? this.#random.below(largeValueBytes) : this.#random.below(20)
    return `${this.name}-${this.#newId()}/${bytes};`
  }

  /** Unique among all clients. */
  #newExpiry(durationMs: number): number {
    return (this.#newId() * CLIENTS_MAX + this.#number) * EXPIRY_UNIT + durationMs
  }

  #newId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  #pause(maxMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(this.#random.next() * maxMs, resolve))
  }
}

const CLIENTS_MAX = 64
/** An expiry is named by a unique number whose last digits are the milliseconds. */
const EXPIRY_UNIT = 1_000

export function keyName(group: number, key: number): string {
  return key === COUNTER_KEY ? `count:${group}` : `text:${group}:${key}`
}

function wordsOf(group: number, operation: KeyOperation): readonly string[] {
  const name = (key: number): string => keyName(group, key)
  switch (operation.kind) {
    case 'get':
      return [operation.keys.length === 1 ? 'GET' : 'MGET', ...operation.keys.map(name)]
    case 'increment':
      return operation.by === 1
        ? ['INCR', name(operation.key)]
        : ['INCRBY', name(operation.key), String(operation.by)]
    case 'append':
      return ['APPEND', name(operation.key), expandText(operation.value)]
    case 'delete':
      return [operation.answersOld ? 'GETDEL' : 'DEL', ...operation.keys.map(name)]
    case 'set':
      return setWords(name, operation)
    case 'rename':
      return ['RENAME', name(operation.from), name(operation.to)]
    case 'copy':
      return ['COPY', name(operation.from), name(operation.to), 'REPLACE']
    case 'transaction':
      return ['EXEC']
    case 'expire':
      throw new Error('nobody asks for an expiry')
  }
}

function setWords(
  name: (key: number) => string,
  { writes, ifAbsent, expires, answersOld }: KeyOperation & { readonly kind: 'set' },
): readonly string[] {
  if (writes.length > 1) return ['MSET', ...writes.flatMap(([key, value]) => [name(key), expandText(value)])]
  const [key, value] = writes[0] as readonly [number, string]
  if (answersOld) return ['GETSET', name(key), expandText(value)]
  const expiry = expires === 0 ? [] : ['PX', String(expires % EXPIRY_UNIT)]
  return ['SET', name(key), expandText(value), ...(ifAbsent ? ['NX'] : []), ...expiry]
}

/** True when the server refused. */
function settle(invocation: Invocation, reply: ClientReply): boolean {
  if (isUnknown(reply)) {
    invocation.unknown()
    return false
  }
  if (isAnswer(reply)) {
    invocation.answered(answerOf(reply))
    return false
  }
  assert(isRefusal(reply), `unexpected reply: ${JSON.stringify(reply)}`)
  invocation.refused()
  return true
}
