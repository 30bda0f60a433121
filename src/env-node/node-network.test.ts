/** The machine's TCP against the suite for every network, and what only a real one shows. */
import assert from 'node:assert/strict'
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
