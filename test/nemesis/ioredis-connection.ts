/**
 * ioredis as a test connection: what it does by itself (reconnecting, sending commands again) is
 * switched off, because an INCR that a client sends twice counts twice on any server.
 */
import { Redis } from 'ioredis'
import {
  type Connect,
  ConnectionLost,
  ReplyError,
  type ReplyValue,
  type TestConnection,
} from './resp-connection.ts'

export const connectIoredis: Connect = async ({ host, port }) => {
  const client = new Redis({
    host,
    port,
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // Told to whoever waits for an answer.
  client.on('error', () => undefined)
  await client.connect()
  return new IoredisConnection(client)
}

class IoredisConnection implements TestConnection {
  readonly #client: Redis
  isOpen = true

  constructor(client: Redis) {
    this.#client = client
    for (const event of ['close', 'end']) client.on(event, () => this.close())
  }

  async call(...words: readonly string[]): Promise<ReplyValue> {
    const [name = '', ...rest] = words
    try {
      return (await this.#client.call(name, ...rest)) as ReplyValue
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') throw new ReplyError(error.message)
      throw new ConnectionLost(String(error))
    }
  }

  close(): void {
    this.isOpen = false
    this.#client.disconnect()
  }
}
