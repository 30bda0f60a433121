/**
 * Programs that say all they want and close their sending half at once (`printf … | nc host port`)
 * get every reply from a real process, also when the log has to be written for it; those that are
 * owed nothing are closed at once.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { readEndpointsJson, startNodeProcess, temporaryDirectory } from './holdfast-process.ts'

/** Far less than what limits a client that stays half-closed. */
const AT_ONCE_MS = 5_000

test('a client that ends its half after its requests gets all replies, then the connection closes', async (t) => {
  const directory = await temporaryDirectory(t)
  await startNodeProcess(t, directory)
  const { redis } = await readEndpointsJson(directory)
  const ask = async (text: string): Promise<string> => {
    const socket = createConnection({ ...redis, allowHalfOpen: true })
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
    })
    await once(socket, 'connect')
    socket.end(text)
    await once(socket, 'close', { signal: AbortSignal.timeout(AT_ONCE_MS) })
    return answer
  }
  assert.equal(await ask('SET a 1\r\nGET a\r\nINCR a\r\n'), '+OK\r\n$1\r\n1\r\n:2\r\n')
  assert.equal(await ask('SET b 1\r\n'.repeat(20_000)), '+OK\r\n'.repeat(20_000))
  assert.equal(await ask(''), '')
  assert.equal(await ask('*2\r\n$3\r\nGET\r\n$1\r\n'), '')
})
