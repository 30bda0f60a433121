/** The machine's TCP against the suite for every network, and what only a real one shows. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import { describe, test } from 'node:test'
import { describeNetwork } from '../../test/conformance/network-suite.ts'
import { sleep } from '../env/clock.ts'
import { createNodeClock } from './node-clock.ts'
import { createNodeNetwork } from './node-network.ts'

const clock = createNodeClock()

describeNetwork('node network', () => {
  const network = createNodeNetwork()
  return { server: network, client: network, host: '127.0.0.1', clock, run: (body) => body() }
})

describe('other programs', () => {
  test('one that ends its half after its request gets what was written at once, and both sides close', async () => {
    const faults: unknown[] = []
    const listener = await createNodeNetwork().listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      connection.handle({
        onData: () => connection.write('reply'),
        onClose: (fault) => faults.push(fault),
      })
    })
    const socket = openSocket({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.end('request')
    await once(socket, 'end')
    assert.equal(text, 'reply')
    while (faults.length === 0) await sleep(clock, 1)
    assert.deepEqual(faults, [undefined])
    await listener.close()
  })

  test('one that ends its half is answered later, if the handler wants that', async () => {
    const faults: unknown[] = []
    const listener = await createNodeNetwork().listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      const answer = async (): Promise<void> => {
        await sleep(clock, 30)
        connection.write('reply')
        connection.end()
      }
      connection.handle({
        onData: () => undefined,
        onEnd: () => void answer(),
        onClose: (fault) => faults.push(fault),
      })
    })
    const socket = openSocket({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.end('request')
    await once(socket, 'close')
    assert.equal(text, 'reply')
    while (faults.length === 0) await sleep(clock, 1)
    assert.deepEqual(faults, [undefined])
    await listener.close()
  })

  test('one that is frozen with a full queue: connecting times out, once', async () => {
    const program = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
      function () { console.log(this.address().port) })`
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      child.kill('SIGSTOP')
      await sleep(clock, 50)
      const closes: string[] = []
      const connections = Array.from({ length: 8 }, () => {
        const address = { host: '127.0.0.1', port: Number(line.toString()) }
        const connection = createNodeNetwork().connect(address, { timeoutMs: 300 })
        connection.handle({
          onData: () => undefined,
          onClose: (fault) => closes.push(fault?.errno ?? 'orderly'),
        })
        return connection
      })
      await sleep(clock, 500)
      assert(closes.length >= 1, 'nothing timed out')
      assert.deepEqual([...new Set(closes)], ['ETIMEDOUT'])
      for (const connection of connections) connection.destroy()
      await sleep(clock, 20)
      assert.equal(closes.length, 8)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('system calls', () => {
  test('what is written in one turn leaves as one piece', async () => {
    const network = createNodeNetwork()
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      connection.handle({
        onData: () => {
          for (let index = 0; index < 100; index++) connection.write('+OK\r\n')
        },
        onClose: () => undefined,
      })
    })
    const socket = openSocket(listener.address.port, '127.0.0.1')
    const chunks: number[] = []
    socket.on('data', (chunk) => chunks.push(chunk.length))
    for (let round = 1; round <= 20; round++) {
      socket.write('?')
      while (chunks.length < round) await sleep(clock, 1)
    }
    assert.deepEqual(chunks, Array(20).fill(500))
    socket.destroy()
    await listener.close()
  })

  test('connections beyond the limit are closed, the others go on', async () => {
    const network = createNodeNetwork({ maxConnections: 2 })
    let closes = 0
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      connection.handle({ onData: (chunk) => connection.write(chunk), onClose: () => undefined })
    })
    const sockets = [0, 1, 2].map(() => openSocket(listener.address.port, '127.0.0.1'))
    let echoed = 0
    for (const socket of sockets) {
      socket.on('error', () => undefined)
      socket.on('close', () => closes++)
      socket.on('data', () => echoed++)
      socket.write('x')
    }
    while (closes < 1 || echoed < 2) await sleep(clock, 1)
    assert.deepEqual([closes, echoed], [1, 2])
    for (const socket of sockets) socket.destroy()
    await listener.close()
  })

  test('a host name that does not exist is a fault of the connection', async () => {
    const connection = createNodeNetwork().connect(
      { host: 'no-such-host.invalid', port: 1 },
      { timeoutMs: 3_000 },
    )
    const errno = await new Promise((resolve) => {
      connection.handle({ onData: () => undefined, onClose: (fault) => resolve(fault?.errno) })
    })
    assert(['ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'].includes(String(errno)), String(errno))
  })
})
