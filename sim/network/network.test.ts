/** The simulated TCP against the suite for every network, then each fault, and its determinism. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import type { Connection, Network, NetworkFault } from '../../src/env/network.ts'
import { describeNetwork } from '../../test/conformance/network-suite.ts'
import { createSimClock, type SimClock } from '../world/clock.ts'
import { driveUntilSettled } from '../world/drive.ts'
import { createSimRandom } from '../world/random.ts'
import { createScheduler, eventTag, type Scheduler } from '../world/scheduler.ts'
import { createSimNetwork, type SimNetwork } from './network.ts'

const TEST = eventTag('test.network')

for (const seed of [1, 2, 3]) {
  describeNetwork(`sim network, seed ${seed}`, () => {
    const scheduler = createScheduler()
    const network = createSimNetwork({ scheduler, random: createSimRandom(seed) })
    const clock = createSimClock(scheduler)
    return {
      server: network.attach('a', clock),
      client: network.attach('b', createSimClock(scheduler)),
      host: 'a',
      clock,
      run: (body) => driveUntilSettled(scheduler, body),
    }
  })
}

type Story = {
  readonly connection: Connection
  opened: boolean
  text: string
  closes: string[]
}

class Lab {
  readonly scheduler: Scheduler = createScheduler()
  readonly network: SimNetwork
  readonly clocks = new Map<string, SimClock>()
  readonly processes = new Map<string, Network>()
  readonly accepted: Story[] = []

  constructor(seed: number, conditions = {}) {
    this.network = createSimNetwork({ scheduler: this.scheduler, random: createSimRandom(seed), conditions })
    for (const host of ['a', 'b', 'c']) this.start(host)
  }

  start(host: string): void {
    const clock = createSimClock(this.scheduler)
    const process = this.network.attach(host, clock)
    this.clocks.set(host, clock)
    this.processes.set(host, process)
    void process.listen({ host: '0.0.0.0', port: 7400 }, (connection) => this.accepted.push(tell(connection)))
  }

  kill(host: string, notice: 'close' | 'reset' | 'nothing'): void {
    this.clocks.get(host)?.kill()
    this.network.kill(host, notice)
  }

  connect(from: string, to: string, timeoutMs = 1_000): Story {
    const process = this.processes.get(from)
    assert(process !== undefined)
    return tell(process.connect({ host: to, port: 7400 }, { timeoutMs }))
  }

  async until(untilMs: number): Promise<void> {
    await this.scheduler.run({ untilMs })
  }

  /** An open connection from a to b: both ends. */
  async pair(): Promise<[Story, Story]> {
    const client = this.connect('a', 'b')
    await this.until(this.scheduler.nowMs + 100)
    const server = this.accepted.at(-1)
    assert(client.opened && server !== undefined)
    return [client, server]
  }
}

function tell(connection: Connection): Story {
  const story: Story = { connection, opened: false, text: '', closes: [] }
  connection.handle({
    onOpen: () => {
      story.opened = true
    },
    onData: (chunk) => {
      story.text += chunk.toString('latin1')
    },
    onClose: (fault?: NetworkFault) => story.closes.push(fault?.errno ?? 'orderly'),
  })
  return story
}

describe('partitions', () => {
  test('bytes of a living connection stall and arrive after healing, none lost, none twice', async () => {
    const lab = new Lab(11)
    const [client, server] = await lab.pair()
    lab.network.partition([['a'], ['b', 'c']])
    for (const letter of 'abcdef') {
      client.connection.write(letter)
      await lab.until(lab.scheduler.nowMs + 50)
    }
    assert.equal(server.text, '')
    lab.network.heal()
    await lab.until(lab.scheduler.nowMs + 1_000)
    assert.equal(server.text, 'abcdef')
    assert.deepEqual([client.closes, server.closes], [[], []])
  })

  test('one way only: the other direction goes on, and its window still closes', async () => {
    const lab = new Lab(12)
    const [client, server] = await lab.pair()
    lab.network.block('b', 'a')
    client.connection.write('heard')
    server.connection.write('unheard')
    await lab.until(lab.scheduler.nowMs + 100)
    assert.deepEqual([server.text, client.text], ['heard', ''])
    client.connection.write(Buffer.alloc(1_000_000))
    await lab.until(lab.scheduler.nowMs + 1_000)
    assert(client.connection.bufferedBytes > 500_000)
    lab.network.unblock('b', 'a')
    await lab.until(lab.scheduler.nowMs + 1_000)
    assert.equal(client.connection.bufferedBytes, 0)
    assert.deepEqual([server.text.length, client.text], [1_000_005, 'unheard'])
  })

  test('a new connection across it times out, or opens if it heals in time', async () => {
    const lab = new Lab(13)
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      lab.network.block(from, to)
      const early = lab.connect('a', 'b', 500)
      const patient = lab.connect('a', 'b', 20_000)
      await lab.until(lab.scheduler.nowMs + 600)
      assert.deepEqual([early.opened, early.closes], [false, ['ETIMEDOUT']])
      lab.network.heal()
      await lab.until(lab.scheduler.nowMs + 20_000)
      assert.deepEqual([patient.opened, patient.closes], [true, []])
    }
  })

  test('machines of the same side still talk', async () => {
    const lab = new Lab(14)
    lab.network.partition([['a', 'b'], ['c']])
    const [client, server] = await lab.pair()
    client.connection.write('x')
    await lab.until(lab.scheduler.nowMs + 100)
    assert.equal(server.text, 'x')
  })
})

describe('death', () => {
  test('of a process: what it had sent arrives, then the peer hears a close', async () => {
    for (const [notice, heard] of [
      ['close', 'orderly'],
      ['reset', 'ECONNRESET'],
    ] as const) {
      const lab = new Lab(15)
      const [client, server] = await lab.pair()
      client.connection.write('acknowledged')
      lab.scheduler.after(0, TEST, () => lab.kill('a', notice))
      await lab.until(lab.scheduler.nowMs + 200)
      assert.equal(server.text, 'acknowledged')
      assert.deepEqual([server.closes, client.closes], [[heard], []])
      assert.equal(lab.network.connectionCount('b'), 0)
    }
  })

  test('bytes written in the turn of the death never leave', async () => {
    const lab = new Lab(16)
    const [client, server] = await lab.pair()
    lab.scheduler.after(1, TEST, () => {
      client.connection.write('never')
      lab.kill('a', 'close')
    })
    await lab.until(lab.scheduler.nowMs + 200)
    assert.deepEqual([server.text, server.closes], ['', ['orderly']])
  })

  test('of a process: new connections are refused until it is back', async () => {
    const lab = new Lab(17)
    lab.kill('b', 'close')
    const refused = lab.connect('a', 'b')
    await lab.until(lab.scheduler.nowMs + 200)
    assert.deepEqual(refused.closes, ['ECONNREFUSED'])
    lab.start('b')
    await lab.pair()
  })

  test('of a machine: silence, until the next incarnation answers old bytes with a reset', async () => {
    const lab = new Lab(18)
    const [client] = await lab.pair()
    lab.kill('b', 'nothing')
    client.connection.write('anyone?')
    const hopeless = lab.connect('a', 'b', 3_000)
    await lab.until(lab.scheduler.nowMs + 60_000)
    assert.deepEqual([client.closes, hopeless.closes], [[], ['ETIMEDOUT']])
    lab.start('b')
    client.connection.write('and now?')
    await lab.until(lab.scheduler.nowMs + 1_000)
    assert.deepEqual(client.closes, ['ECONNRESET'])
  })
})

describe('other faults', () => {
  test('a reset ends both ends at once', async () => {
    const lab = new Lab(19)
    const [client, server] = await lab.pair()
    lab.network.reset('a', 'b')
    await lab.until(lab.scheduler.nowMs + 100)
    assert.deepEqual([client.closes, server.closes], [['ECONNRESET'], ['ECONNRESET']])
  })

  test('half-open: the other end learns of it only when it sends', async () => {
    const lab = new Lab(20)
    const [client, server] = await lab.pair()
    lab.network.halfOpen('b', 'a')
    await lab.until(lab.scheduler.nowMs + 60_000)
    assert.deepEqual([client.closes, server.closes], [[], ['ECONNRESET']])
    client.connection.write('hello?')
    await lab.until(lab.scheduler.nowMs + 100)
    assert.deepEqual(client.closes, ['ECONNRESET'])
  })

  test('a frozen process accepts late and answers late; its peers see connections that open and hang', async () => {
    const lab = new Lab(21)
    const [client, server] = await lab.pair()
    const clock = lab.clocks.get('b')
    clock?.freeze()
    client.connection.write('one')
    const late = lab.connect('a', 'b')
    late.connection.write('two')
    await lab.until(lab.scheduler.nowMs + 5_000)
    assert.deepEqual([server.text, late.opened, lab.accepted.length], ['', true, 1])
    clock?.thaw()
    await lab.until(lab.scheduler.nowMs + 100)
    assert.deepEqual([server.text, lab.accepted.at(-1)?.text], ['one', 'two'])
  })

  test('a slow link is slow, and a refusing one refuses', async () => {
    const lab = new Lab(22)
    lab.network.setLink('a', 'b', { minLatencyMs: 500, maxLatencyMs: 600 })
    const slow = lab.connect('a', 'b')
    await lab.until(lab.scheduler.nowMs + 400)
    assert.equal(slow.opened, false)
    await lab.until(lab.scheduler.nowMs + 500)
    assert.equal(slow.opened, true)
    lab.network.setLink('a', 'b', { minLatencyMs: 0, maxLatencyMs: 1, refusesConnections: true })
    const refused = lab.connect('a', 'b')
    await lab.until(lab.scheduler.nowMs + 500)
    assert.deepEqual(refused.closes, ['ECONNREFUSED'])
  })

  test('a corrupting link changes bits, never the length or the order', async () => {
    const lab = new Lab(23)
    const [client, server] = await lab.pair()
    lab.network.setLink('a', 'b', { corruptProbability: 0.5 })
    const sent = 'x'.repeat(100)
    for (let round = 0; round < 50; round++) {
      client.connection.write(sent)
      await lab.until(lab.scheduler.nowMs + 30)
    }
    await lab.until(lab.scheduler.nowMs + 100)
    const changed = server.text.replaceAll('x', '').length
    assert.equal(server.text.length, 5_000)
    assert(changed > 5 && changed < 100, `${changed} bytes changed`)
  })

  test('bytes are cut and joined at places that framing must survive', async () => {
    const lab = new Lab(24)
    const lengths = new Set<number>()
    const process = lab.processes.get('c')
    assert(process !== undefined)
    void process.listen({ host: 'c', port: 9 }, (connection) =>
      connection.handle({ onData: (chunk) => lengths.add(chunk.length), onClose: () => undefined }),
    )
    const client = tell(
      lab.processes.get('a')?.connect({ host: 'c', port: 9 }, { timeoutMs: 100 }) as Connection,
    )
    for (let round = 0; round < 300; round++) {
      client.connection.write('0123456789')
      await lab.until(lab.scheduler.nowMs + 0.1)
    }
    await lab.until(lab.scheduler.nowMs + 100)
    assert(lengths.has(10) && Math.min(...lengths) < 10 && Math.max(...lengths) > 10, [...lengths].join())
  })
})

describe('determinism', () => {
  async function chatter(seed: number): Promise<string> {
    const lab = new Lab(seed)
    const [client, server] = await lab.pair()
    for (let round = 0; round < 100; round++) {
      client.connection.write(`ping ${round}`)
      server.connection.write(Buffer.from(`pong ${round}`))
      if (round === 30) lab.network.block('a', 'b')
      if (round === 60) lab.network.heal()
      await lab.until(lab.scheduler.nowMs + 1)
    }
    await lab.until(lab.scheduler.nowMs + 1_000)
    return lab.scheduler.traceHash()
  }

  test('one seed is one run, another seed another', async () => {
    const first = await chatter(7)
    assert.equal(await chatter(7), first)
    assert.notEqual(await chatter(8), first)
  })
})
