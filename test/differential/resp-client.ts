/** A client that sends pipelines and returns replies as they were on the wire. */
import { Buffer } from 'node:buffer'
import { createConnection } from 'node:net'
import type { ByteString } from '../../src/base/bytes.ts'
import type { Endpoint } from './redis-server.ts'
import { parseReply, type WireReply } from './resp-reply.ts'
import { encodeRequest } from './resp-request.ts'

export type RespClient = {
  /** Sends all commands at once; resolves with as many replies. */
  pipeline(commands: readonly (readonly ByteString[])[]): Promise<WireReply[]>
  call(...command: readonly ByteString[]): Promise<WireReply>
  close(): void
}

const TIMEOUT_MS = 10_000

type Waiting = {
  readonly count: number
  readonly replies: WireReply[]
  readonly settle: (fault?: Error) => void
}

export async function connectRespClient(endpoint: Endpoint): Promise<RespClient> {
  const socket = createConnection(endpoint.port, endpoint.host)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let waiting: Waiting | null = null
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    while (waiting !== null) {
      const parsed = parseReply(received, 0)
      if (parsed === null) return
      received = received.slice(parsed.end)
      waiting.replies.push(parsed.reply)
      if (waiting.replies.length === waiting.count) waiting.settle()
    }
  })
  socket.on('error', (fault) => waiting?.settle(fault))
  socket.on('close', () => waiting?.settle(new Error(`port ${endpoint.port} closed the connection`)))

  const pipeline = (commands: readonly (readonly ByteString[])[]): Promise<WireReply[]> =>
    new Promise((resolve, reject) => {
      if (waiting !== null) throw new Error('one pipeline at a time')
      const replies: WireReply[] = []
      const settle = (fault?: Error): void => {
        clearTimeout(timer)
        waiting = null
        if (fault === undefined) resolve(replies)
        else reject(fault)
      }
      const timer = setTimeout(
        () =>
          settle(
            new Error(
              `port ${endpoint.port}: ${replies.length} of ${commands.length} replies in ${TIMEOUT_MS} ms`,
            ),
          ),
        TIMEOUT_MS,
      )
      waiting = { count: commands.length, replies, settle }
      socket.write(Buffer.from(commands.map(encodeRequest).join(''), 'latin1'))
    })

  return {
    pipeline,
    call: async (...command) => (await pipeline([command]))[0] as WireReply,
    close: () => socket.destroy(),
  }
}
