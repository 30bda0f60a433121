/**
 * Whatever the faults and whenever they come: what arrives on a connection is what was sent on it, from the
 * start and without a gap; nothing is called after `onClose`, nor in a killed or frozen process; and
 * once all is well again every connection that both ends still have is complete.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import type { Connection, Network } from '../../src/env/network.ts'
import { createSimClock, type SimClock } from '../world/clock.ts'
import { createSimRandom, type SimRandom } from '../world/random.ts'
import { createScheduler, eventTag, type Scheduler } from '../world/scheduler.ts'
import { createSimNetwork, type DeathNotice, type SimNetwork } from './network.ts'

const STEP = eventTag('test.chaos')
const HOSTS = ['a', 'b', 'c'] as const
const STEPS = 400
const ID_BYTES = 4

type Flow = { sent: number; received: number }
type Pair = { readonly id: number; readonly forth: Flow; readonly back: Flow; ends: End[] }
type Process = { readonly clock: SimClock; readonly network: Network }

/** Byte `index` of what one end of connection `id` sends. */
function byteAt(id: number, index: number, isBack: boolean): number {
  if (index < ID_BYTES) return (id >>> (8 * index)) & 0xff
  return (index * 31 + id * 7 + (isBack ? 128 : 0)) & 0xff
}

class End {
  readonly connection: Connection
  readonly #world: Chaos
  readonly #clock: SimClock
  readonly #isBack: boolean
  pair: Pair | null
  closes = 0
  #isLeft = false
  #firstBytes: Buffer = Buffer.alloc(0)

  constructor(world: Chaos, clock: SimClock, connection: Connection, pair: Pair | null) {
    this.#world = world
    this.#clock = clock
    this.connection = connection
    this.pair = pair
    this.#isBack = pair === null
    pair?.ends.push(this)
    connection.handle({
      onOpen: () => this.#check(),
      onDrain: () => this.#check(),
      onData: (chunk) => {
        this.#check()
        this.#receive(chunk)
      },
      onClose: () => {
        this.#check()
        this.closes++
      },
    })
  }

  send(length: number): void {
    const { pair } = this
    if (pair === null || this.closes > 0 || this.#isLeft || this.#clock.state !== 'running') return
    const flow = this.#isBack ? pair.back : pair.forth
    const bytes = Buffer.alloc(length)
    for (let index = 0; index < length; index++)
      bytes[index] = byteAt(pair.id, flow.sent + index, this.#isBack)
    flow.sent += length
    this.connection.write(length % 2 === 0 ? bytes : bytes.latin1Slice(0, length))
  }

  /** Closes from this side. */
  leave(how: 'end' | 'destroy'): void {
    this.#isLeft = true
    this.connection[how]()
  }

  /** Its process runs, and it was told of no close. */
  get isOpen(): boolean {
    return this.closes === 0 && this.#clock.state === 'running'
  }

  #check(): void {
    assert.equal(this.closes, 0, 'called after onClose')
    assert.equal(this.#clock.state, 'running', 'called in a process that does not run')
  }

  #receive(chunk: Buffer): void {
    let bytes = chunk
    if (this.pair === null) {
      bytes = Buffer.concat([this.#firstBytes, chunk])
      this.#firstBytes = bytes
      if (bytes.length < ID_BYTES) return
      this.pair = this.#world.pairs[bytes.readUInt32LE(0)] ?? null
      assert(this.pair !== null)
      this.pair.ends.push(this)
    }
    const { pair } = this
    const flow = this.#isBack ? pair.forth : pair.back
    for (const byte of bytes) {
      assert.equal(
        byte,
        byteAt(pair.id, flow.received, !this.#isBack),
        `connection ${pair.id} byte ${flow.received}`,
      )
      flow.received++
    }
    assert(flow.received <= flow.sent)
  }
}

class Chaos {
  readonly scheduler: Scheduler = createScheduler()
  readonly random: SimRandom
  readonly network: SimNetwork
  readonly processes = new Map<string, Process>()
  readonly pairs: Pair[] = []
  readonly ends: End[] = []

  constructor(seed: number) {
    this.random = createSimRandom(`chaos ${seed}`)
    this.network = createSimNetwork({ scheduler: this.scheduler, random: createSimRandom(`network ${seed}`) })
    for (const host of HOSTS) this.start(host)
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++)
      this.scheduler.after(this.random.next() * 2_000, STEP, () => this.step())
    await this.scheduler.run({ untilMs: 2_000 })
    this.network.heal()
    for (const host of HOSTS) this.start(host)
    for (const process of this.processes.values()) if (process.clock.state === 'frozen') process.clock.thaw()
    for (const end of this.ends) end.connection.resume()
    await this.scheduler.run({ untilMs: 30_000 })
  }

  start(host: string): void {
    if (this.processes.has(host)) return
    const clock = createSimClock(this.scheduler)
    const network = this.network.attach(host, clock)
    this.processes.set(host, { clock, network })
    void network.listen({ host, port: 1 }, (connection) =>
      this.ends.push(new End(this, clock, connection, null)),
    )
  }

  kill(host: string, notice: DeathNotice): void {
    this.processes.get(host)?.clock.kill()
    this.processes.delete(host)
    this.network.kill(host, notice)
  }

  connect(from: string, to: string): void {
    const process = this.processes.get(from)
    if (process === undefined || process.clock.state !== 'running') return
    const pair: Pair = {
      id: this.pairs.length,
      forth: { sent: 0, received: 0 },
      back: { sent: 0, received: 0 },
      ends: [],
    }
    this.pairs.push(pair)
    const end = new End(
      this,
      process.clock,
      process.network.connect({ host: to, port: 1 }, { timeoutMs: 500 }),
      pair,
    )
    this.ends.push(end)
    end.send(ID_BYTES + (this.random.u32() % 50))
  }

  step(): void {
    const host = this.#pick(HOSTS)
    const other = this.#pick(HOSTS.filter((candidate) => candidate !== host))
    const end = this.ends.length > 0 ? this.#pick(this.ends.slice(-8)) : null
    const clock = this.processes.get(host)?.clock
    const dice = this.random.next()
    if (dice < 0.15) this.connect(host, other)
    else if (dice < 0.6) end?.send(1 + (this.random.next() < 0.05 ? 400_000 : this.random.u32() % 300))
    else if (dice < 0.66) end?.connection.pause()
    else if (dice < 0.74) end?.connection.resume()
    else if (dice < 0.77) this.network.block(host, other)
    else if (dice < 0.82) this.network.unblock(host, other)
    else if (dice < 0.85 && clock?.state === 'running') clock.freeze()
    else if (dice < 0.9 && clock?.state === 'frozen') clock.thaw()
    else if (dice < 0.92) this.network.reset(host, other)
    else if (dice < 0.93) this.network.halfOpen(host, other)
    else if (dice < 0.94) end?.leave('end')
    else if (dice < 0.95) end?.leave('destroy')
    else if (dice < 0.957 && this.processes.has(host))
      this.kill(host, this.#pick(['close', 'reset', 'nothing']))
    else this.start(host)
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.random.u32() % items.length]
    assert(item !== undefined)
    return item
  }
}

describe('simulated connections under every fault at once', () => {
  test('keep TCP’s promises', async () => {
    let complete = 0
    let bytes = 0
    for (let seed = 0; seed < 100; seed++) {
      const chaos = new Chaos(seed)
      try {
        await chaos.run()
        for (const pair of chaos.pairs) {
          bytes += pair.forth.received + pair.back.received
          if (pair.ends.length < 2 || !pair.ends.every((end) => end.isOpen)) continue
          assert.deepEqual([pair.forth.received, pair.back.received], [pair.forth.sent, pair.back.sent])
          assert(pair.ends.every((end) => end.connection.bufferedBytes === 0))
          complete++
        }
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    assert(complete > 60, `only ${complete} connections survived`)
    assert(bytes > 1_000_000, `only ${bytes} bytes arrived`)
  })
})
