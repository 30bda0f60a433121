/** Bytes to a server over a socket, and what comes back: for input that no client library would send. */
import { Buffer } from 'node:buffer'
import { createConnection } from 'node:net'
import type { ByteString } from '../../src/base/bytes.ts'
import type { Endpoint } from './redis-server.ts'

export type Exchange = { readonly received: ByteString; readonly isClosed: boolean }

/** Longest wait for a server that ought to answer or close. */
const TIMEOUT_MS = 5000

/**
 * Sends `bytes`, then PING-like `probe`, and collects until the answer to the probe arrives or the
 * server closes. So nothing has to wait for silence. The answer to the probe is not returned.
 */
export function exchange(endpoint: Endpoint, bytes: ByteString, probe: Probe | null): Promise<Exchange> {
  return converse(endpoint, bytes + (probe?.request ?? ''), probe)
}

/** Sends `bytes` and says that there will be no more; whatever comes until the server closes. */
export async function exchangeAndHangUp(endpoint: Endpoint, bytes: ByteString): Promise<ByteString> {
  return (await converse(endpoint, bytes, 'hang up')).received
}

function converse(endpoint: Endpoint, bytes: ByteString, probe: Probe | 'hang up' | null): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(endpoint.port, endpoint.host)
    let received = ''
    const finish = (isClosed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ received, isClosed })
    }
    const timer = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(`no answer to ${JSON.stringify(bytes.slice(0, 200))}; so far ${JSON.stringify(received)}`),
      )
    }, TIMEOUT_MS)
    socket.on('connect', () => {
      socket.write(Buffer.from(bytes, 'latin1'))
      if (probe === 'hang up') socket.end()
    })
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      if (probe === null || probe === 'hang up' || !received.endsWith(probe.reply)) return
      received = received.slice(0, -probe.reply.length)
      finish(false)
    })
    socket.on('close', () => finish(true))
    // A server that closes with bytes unread resets the connection; `close` follows.
    socket.on('error', () => {})
  })
}

export type Probe = { readonly request: ByteString; readonly reply: ByteString }

/** Works before authentication too, and its answer can't be mistaken for another. */
export const PROBE: Probe = {
  request: '*2\r\n$14\r\nprobe-7f3a91c2\r\n$1\r\nx\r\n',
  reply: "-ERR unknown command 'probe-7f3a91c2', with args beginning with: 'x' \r\n",
}
