/**
 * What every `Network` must do, apart from faults (which only the simulated one can order). Call it in
 * a test file with a factory that gives two ends of one network.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import { type Clock, sleep } from '../../src/env/clock.ts'
import {
  type Address,
  type Connection,
  HIGH_WATER_BYTES,
  type Listener,
  type Network,
  NetworkFault,
} from '../../src/env/network.ts'

export type NetworkUnderTest = {
  readonly server: Network
  readonly client: Network
  /** Where `server` listens and `client` finds it. */
  readonly host: string
  readonly clock: Clock
  /** Runs `body`, and lets time pass until it has settled. */
  readonly run: <T>(body: () => Promise<T>) => Promise<T>
}

export function describeNetwork(name: string, make: () => NetworkUnderTest): void {
  const check = (title: string, body: (world: World) => Promise<void>): void => {
    test(title, () => {
      const under = make()
      return under.run(async () => {
        const world = new World(under)
        try {
          await body(world)
        } finally {
          await world.dispose()
        }
      })
    })
  }
  describe(`${name}: listening and connecting`, () => describeConnecting(check))
  describe(`${name}: bytes`, () => describeBytes(check))
  describe(`${name}: turns`, () => describeTurns(check))
  describe(`${name}: back-pressure`, () => describeBackPressure(check))
  describe(`${name}: closing`, () => describeClosing(check))
  describe(`${name}: the end of what the other side sends`, () => describeInputEnd(check))
  describe(`${name}: closing at once`, () => describeDestroying(check))
}

type Check = (title: string, body: (world: World) => Promise<void>) => void

const PATIENCE_MS = 10_000
const TIMEOUT_MS = 5_000

/** One end of a connection, and everything it was told. */
class End {
  readonly connection: Connection
  readonly chunks: Buffer[] = []
  readonly faults: (NetworkFault | undefined)[] = []
  opens = 0
  drains = 0
  callsAfterClose = 0
  /** True while the test is inside a call of the connection: no handler may run then. */
  isInsideCall = false
  onData: (chunk: Buffer) => void = () => undefined
  inputEnds = 0

  constructor(connection: Connection, onEnd?: (end: End) => void) {
    this.connection = connection
    connection.handle({
      onOpen: () => {
        this.#note()
        this.opens++
      },
      onData: (chunk) => {
        this.#note()
        this.chunks.push(chunk)
        this.onData(chunk)
      },
      onDrain: () => {
        this.#note()
        this.drains++
      },
      ...(onEnd === undefined
        ? {}
        : {
            onEnd: () => {
              this.#note()
              this.inputEnds++
              onEnd(this)
            },
          }),
      onClose: (fault) => {
        this.#note()
        this.faults.push(fault)
      },
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get isClosed(): boolean {
    return this.faults.length > 0
  }

  call(act: (connection: Connection) => void): void {
    this.isInsideCall = true
    act(this.connection)
    this.isInsideCall = false
  }

  #note(): void {
    assert(!this.isInsideCall, 'a handler ran inside a call')
    if (this.isClosed) this.callsAfterClose++
  }
}

class World {
  readonly under: NetworkUnderTest
  readonly ends: End[] = []
  readonly #listeners: Listener[] = []

  constructor(under: NetworkUnderTest) {
    this.under = under
  }

  async listen(
    onEnd: (end: End) => void = () => undefined,
    onInputEnd?: (end: End) => void,
  ): Promise<Listener> {
    const listener = await this.under.server.listen({ host: this.under.host, port: 0 }, (connection) => {
      const end = new End(connection, onInputEnd)
      this.ends.push(end)
      onEnd(end)
    })
    this.#listeners.push(listener)
    return listener
  }

  connect(address: Address): End {
    const end = new End(this.under.client.connect(address, { timeoutMs: TIMEOUT_MS }))
    this.ends.push(end)
    return end
  }

  /** An open connection: the connecting end, and the accepting one. */
  async pair(onInputEnd?: (end: End) => void): Promise<{ client: End; server: End }> {
    let server: End | null = null
    const listener = await this.listen((end) => {
      server = end
    }, onInputEnd)
    const client = this.connect({ host: this.under.host, port: listener.address.port })
    await this.until(() => client.opens === 1 && server !== null)
    assert(server !== null)
    return { client, server }
  }

  async until(isTrue: () => boolean): Promise<void> {
    const { clock } = this.under
    const start = clock.monotonicMs()
    while (!isTrue()) {
      assert(
        clock.monotonicMs() - start < PATIENCE_MS,
        `still not so after ${PATIENCE_MS} ms: ${isTrue.toString()}`,
      )
      await sleep(clock, 1)
    }
  }

  pause(delayMs: number): Promise<void> {
    return sleep(this.under.clock, delayMs)
  }

  async dispose(): Promise<void> {
    for (const listener of this.#listeners) await listener.close()
    for (const end of this.ends) end.connection.destroy()
    await this.until(() => this.ends.every((end) => end.isClosed))
    for (const end of this.ends) {
      assert.equal(end.faults.length, 1, 'onClose exactly once')
      assert.equal(end.callsAfterClose, 0)
    }
  }
}

function describeConnecting(check: Check): void {
  check('port 0 becomes a real one, and the client sees onOpen once', async (world) => {
    const { client, server } = await world.pair()
    assert(client.connection.remote.port > 0)
    assert(server.connection.remote.port > 0)
    assert.equal(server.opens, 0)
  })

  check('a port that is taken is refused to the second listener', async (world) => {
    const { address } = await world.listen()
    const again = world.under.server.listen(address, () => undefined)
    await assert.rejects(again, (error) => error instanceof NetworkFault && error.errno === 'EADDRINUSE')
  })

  check('an address of another machine cannot be listened on', async (world) => {
    const foreign = world.under.server.listen({ host: '192.0.2.1', port: 0 }, () => undefined)
    await assert.rejects(foreign, (error) => error instanceof NetworkFault && error.errno === 'EADDRNOTAVAIL')
  })

  check('nobody listening: ECONNREFUSED, in a later turn', async (world) => {
    const listener = await world.listen()
    await listener.close()
    const client = world.connect({ host: world.under.host, port: listener.address.port })
    assert(!client.isClosed)
    await world.until(() => client.isClosed)
    assert.equal(client.faults[0]?.errno, 'ECONNREFUSED')
    assert.equal(client.opens, 0)
  })

  check('a closed listener accepts nobody, its connections go on, its port is free', async (world) => {
    let server: End | null = null as End | null
    const listener = await world.listen((end) => {
      server = end
    })
    const address = { host: world.under.host, port: listener.address.port }
    const client = world.connect(address)
    await world.until(() => server !== null && client.opens === 1)
    await listener.close()
    client.connection.write('still here')
    await world.until(() => server?.received.toString() === 'still here')
    const late = world.connect(address)
    await world.until(() => late.isClosed)
    assert.equal(late.faults[0]?.errno, 'ECONNREFUSED')
    const second = await world.under.server.listen(address, () => undefined)
    await second.close()
  })

  check('a connection destroyed while connecting closes without a fault and never opens', async (world) => {
    const listener = await world.listen()
    const client = world.connect({ host: world.under.host, port: listener.address.port })
    client.call((connection) => connection.destroy())
    await world.until(() => client.isClosed)
    await world.pause(20)
    assert.equal(client.opens, 0)
    assert.equal(client.faults[0], undefined)
  })
}

function describeBytes(check: Check): void {
  check('byte strings and buffers arrive byte for byte, in the order of the writes', async (world) => {
    const { client, server } = await world.pair()
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const expected: Buffer[] = []
    for (let round = 0; round < 50; round++) {
      client.call((connection) => connection.write(all.toString('latin1')))
      client.call((connection) => connection.write(all.subarray(round)))
      client.call((connection) => connection.write(''))
      client.call((connection) => connection.write(new Uint8Array([round, 0xff])))
      expected.push(all, all.subarray(round), Buffer.from([round, 0xff]))
      if (round % 7 === 0) await world.pause(1)
    }
    const whole = Buffer.concat(expected)
    await world.until(() => server.received.length >= whole.length)
    assert(server.received.equals(whole))
  })

  check('both directions at once', async (world) => {
    const { client, server } = await world.pair()
    server.onData = (chunk) => server.connection.write(chunk)
    const text = 'abcdefghij'.repeat(30_000)
    for (let start = 0; start < text.length; start += 9_999) {
      client.connection.write(text.slice(start, start + 9_999))
    }
    await world.until(() => client.received.length >= text.length)
    assert.equal(client.received.toString('latin1'), text)
  })

  check('what is written before the connection is open is sent when it is', async (world) => {
    let server: End | null = null as End | null
    const listener = await world.listen((end) => {
      server = end
    })
    const client = world.connect({ host: world.under.host, port: listener.address.port })
    client.call((connection) => connection.write('early'))
    assert.equal(client.connection.bufferedBytes, 5)
    await world.until(() => server?.received.toString() === 'early')
    assert.equal(client.connection.bufferedBytes, 0)
  })
}

function describeTurns(check: Check): void {
  check('writes at the end of a turn leave with it', async (world) => {
    const { client, server } = await world.pair()
    const { clock } = world.under
    server.onData = () => {
      clock.endOfTurn(() => {
        server.connection.write('b')
        clock.endOfTurn(() => server.connection.write('c'))
      })
      server.connection.write('a')
    }
    client.connection.write('?')
    await world.until(() => client.received.toString() === 'abc')
  })

  check('a chunk belongs to who got it', async (world) => {
    const { client, server } = await world.pair()
    client.connection.write('first')
    await world.until(() => server.received.length === 5)
    client.connection.write('SECOND')
    await world.until(() => server.received.length === 11)
    assert.equal(server.received.toString(), 'firstSECOND')
  })

  check('a connection is not kept from closing by a large write', async (world) => {
    const { client, server } = await world.pair()
    const bytes = Buffer.alloc(4_000_000, 'x')
    client.call((connection) => connection.write(bytes))
    client.call((connection) => connection.end())
    await world.until(() => server.isClosed && client.isClosed)
    assert.equal(server.received.length, bytes.length)
    assert.equal(server.faults[0], undefined)
    assert.equal(client.faults[0], undefined)
  })
}

function describeBackPressure(check: Check): void {
  check('a paused reader gets nothing, and everything once it resumes', async (world) => {
    const { client, server } = await world.pair()
    server.call((connection) => connection.pause())
    client.connection.write('held back')
    await world.pause(30)
    assert.equal(server.received.length, 0)
    server.call((connection) => connection.resume())
    await world.until(() => server.received.toString() === 'held back')
  })

  check('bufferedBytes counts what a slow reader leaves, onDrain tells when it is gone', async (world) => {
    const { client, server } = await world.pair()
    server.connection.pause()
    const piece = Buffer.alloc(256 * 1024, 1)
    let written = 0
    // Operating systems take a few megabytes before they push back.
    while (client.connection.bufferedBytes < HIGH_WATER_BYTES) {
      while (client.connection.bufferedBytes < HIGH_WATER_BYTES * 2) {
        client.call((connection) => connection.write(piece))
        written += piece.length
      }
      await world.pause(30)
      assert(written < 512 * 1024 * 1024, 'a paused reader never made its writer wait')
    }
    const drains = client.drains
    server.call((connection) => connection.resume())
    await world.until(() => client.drains === drains + 1 && server.received.length === written)
    await world.until(() => client.connection.bufferedBytes === 0)
    assert.equal(client.drains, drains + 1)
  })

  check('a writer that stays below the mark hears no onDrain', async (world) => {
    const { client, server } = await world.pair()
    for (let round = 0; round < 20; round++) {
      client.connection.write(Buffer.alloc(10_000))
      await world.pause(1)
    }
    await world.until(() => server.received.length === 200_000)
    assert.equal(client.drains, 0)
  })
}

function describeClosing(check: Check): void {
  check('end sends what is queued, then closes both ends without a fault', async (world) => {
    const { client, server } = await world.pair()
    client.call((connection) => connection.write('last words'))
    client.call((connection) => connection.end())
    client.call((connection) => connection.write('too late'))
    await world.until(() => client.isClosed && server.isClosed)
    assert.equal(server.received.toString(), 'last words')
    assert.deepEqual([client.faults[0], server.faults[0]], [undefined, undefined])
  })

  check('end from within onData sends the reply first', async (world) => {
    const { client, server } = await world.pair()
    server.onData = () => {
      server.connection.write('bye')
      server.connection.end()
    }
    client.connection.write('quit')
    await world.until(() => client.isClosed && server.isClosed)
    assert.equal(client.received.toString(), 'bye')
  })
}

function describeInputEnd(check: Check): void {
  check(
    'whoever wants to, hears that the other side sends no more, and ends the connection itself',
    async (world) => {
      const { client, server } = await world.pair((end) => end.connection.write('last reply'))
      client.call((connection) => connection.write('request'))
      client.call((connection) => connection.end())
      await world.until(() => server.inputEnds === 1)
      await world.pause(30)
      assert.equal(server.received.toString(), 'request')
      assert.deepEqual([client.isClosed, server.isClosed], [false, false])
      server.call((connection) => connection.end())
      await world.until(() => client.isClosed && server.isClosed)
      assert.deepEqual([client.faults[0], server.faults[0]], [undefined, undefined])
      assert.equal(server.inputEnds, 1)
    },
  )

  check('a connection ended from within onEnd closes at once', async (world) => {
    const { client, server } = await world.pair((end) => end.connection.end())
    client.call((connection) => connection.end())
    await world.until(() => client.isClosed && server.isClosed)
    assert.deepEqual([client.faults[0], server.faults[0]], [undefined, undefined])
  })

  check('what a paused reader has not seen comes before the end of the other side', async (world) => {
    const { client, server } = await world.pair((end) => end.connection.end())
    server.call((connection) => connection.pause())
    client.call((connection) => connection.write('unread'))
    client.call((connection) => connection.end())
    await world.pause(30)
    assert.equal(server.inputEnds, 0)
    server.call((connection) => connection.resume())
    await world.until(() => client.isClosed && server.isClosed)
    assert.equal(server.received.toString(), 'unread')
    assert.equal(server.inputEnds, 1)
  })
}

function describeDestroying(check: Check): void {
  check('an ended connection hears no more data, and closes even if it was paused', async (world) => {
    const { client, server } = await world.pair()
    client.connection.pause()
    server.connection.write('unread')
    await world.pause(10)
    client.call((connection) => connection.end())
    await world.until(() => client.isClosed && server.isClosed)
    assert.equal(client.received.length, 0)
  })

  check('destroy closes in a later turn, without a fault, and the other end hears of it', async (world) => {
    const { client, server } = await world.pair()
    client.call((connection) => connection.destroy())
    assert(!client.isClosed)
    client.call((connection) => {
      connection.write('ignored')
      connection.destroy()
      connection.end()
    })
    assert.equal(client.connection.bufferedBytes, 0)
    await world.until(() => client.isClosed && server.isClosed)
    assert.equal(client.faults[0], undefined)
    assert.equal(server.received.length, 0)
  })

  check('destroy from within onData ends it there', async (world) => {
    const { client, server } = await world.pair()
    server.onData = () => server.connection.destroy()
    client.connection.write('x'.repeat(1_000_000))
    await world.until(() => client.isClosed && server.isClosed)
    assert.equal(server.chunks.length, 1)
  })

  check('destroy with unread bytes is no orderly close or an orderly one, but a close', async (world) => {
    const { client, server } = await world.pair()
    client.connection.pause()
    server.connection.write('unread')
    await world.pause(10)
    client.call((connection) => connection.destroy())
    await world.until(() => client.isClosed && server.isClosed)
    const errno = server.faults[0]?.errno
    assert(errno === undefined || errno === 'ECONNRESET', `errno is ${errno}`)
  })
}
