/**
 * A Redis client in the simulated world: one connection, one request at a time, replies as the
 * protocol gives them. A connection that ends leaves the outcome of the request unknown.
 */
import { Buffer } from 'node:buffer'
import type { Network, Connection } from '../../src/env/network.ts'
import { utf8ToBytes } from '../../src/base/bytes.ts'

export type ClientReply =
  | { readonly kind: 'status' | 'bulk'; readonly text: string }
  | { readonly kind: 'nil' }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'error'; readonly text: string }
  /** The connection ended first: it may or may not have happened. */
  | { readonly kind: 'lost' }

export class RedisClient {
  readonly #network: Network
  #connection: Connection | null = null
  #buffer = Buffer.alloc(0)
  #waiting: ((reply: ClientReply) => void) | null = null

  constructor(network: Network) {
    this.#network = network
  }

  get isConnected(): boolean {
    return this.#connection !== null
  }

  /** False when nobody answers there. */
  connect(host: string, port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const connection = this.#network.connect({ host, port }, { timeoutMs: 1_000 })
      connection.handle({
        onOpen: () => {
          this.#connection = connection
          resolve(true)
        },
        onData: (chunk) => this.#receive(chunk),
        onClose: () => {
          const wasOpen = this.#connection === connection
          if (!wasOpen) {
            resolve(false)
            return
          }
          this.#connection = null
          this.#buffer = Buffer.alloc(0)
          this.#settle({ kind: 'lost' })
        },
      })
    })
  }

  call(...parts: readonly string[]): Promise<ClientReply> {
    const connection = this.#connection
    if (connection === null) return Promise.resolve({ kind: 'lost' })
    if (this.#waiting !== null) throw new Error('one request at a time')
    return new Promise((resolve) => {
      this.#waiting = resolve
      const items = parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')
      connection.write(utf8ToBytes(`*${parts.length}\r\n${items}`))
    })
  }

  close(): void {
    this.#connection?.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    const reply = parseReply(this.#buffer)
    if (reply === null) return
    this.#buffer = Buffer.alloc(0)
    this.#settle(reply)
  }

  #settle(reply: ClientReply): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.(reply)
  }
}

/** Null: not whole yet. Arrays are not needed here. */
function parseReply(bytes: Buffer): ClientReply | null {
  const end = bytes.indexOf('\r\n')
  if (end < 0) return null
  const line = bytes.toString('latin1', 1, end)
  switch (bytes[0]) {
    case 0x2b:
      return { kind: 'status', text: line }
    case 0x2d:
      return { kind: 'error', text: line }
    case 0x3a:
      return { kind: 'integer', value: Number(line) }
    case 0x24: {
      const length = Number(line)
      if (length < 0) return { kind: 'nil' }
      const start = end + 2
      return bytes.length < start + length + 2
        ? null
        : { kind: 'bulk', text: bytes.toString('latin1', start, start + length) }
    }
    default:
      throw new Error(`unexpected reply ${JSON.stringify(bytes.toString('latin1'))}`)
  }
}
