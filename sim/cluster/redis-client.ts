/**
 * A Redis client in the simulated world: one connection, requests that may follow each other without
 * waiting, replies as the protocol gives them. A connection that ends leaves the outcome of all that
 * are not answered unknown.
 */
import { Buffer } from 'node:buffer'
import { utf8ToBytes } from '../../src/base/bytes.ts'
import type { Connection, Network } from '../../src/env/network.ts'

export type ClientReply =
  | { readonly kind: 'status' | 'bulk'; readonly text: string }
  | { readonly kind: 'nil' }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly ClientReply[] }
  /** The connection ended first: it may or may not have happened. */
  | { readonly kind: 'lost' }

export class RedisClient {
  readonly #network: Network
  #connection: Connection | null = null
  #buffer: Buffer = Buffer.alloc(0)
  /** In the order of the requests. */
  #waiting: ((reply: ClientReply) => void)[] = []

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
          for (const settle of this.#waiting.splice(0)) settle({ kind: 'lost' })
        },
      })
    })
  }

  call(...parts: readonly string[]): Promise<ClientReply> {
    const connection = this.#connection
    if (connection === null) return Promise.resolve({ kind: 'lost' })
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      const items = parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')
      connection.write(utf8ToBytes(`*${parts.length}\r\n${items}`))
    })
  }

  close(): void {
    this.#connection?.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    while (this.#buffer.length > 0) {
      const parsed = parseReply(this.#buffer, 0)
      if (parsed === null) return
      this.#buffer = this.#buffer.subarray(parsed.end)
      const settle = this.#waiting.shift()
      if (settle === undefined) throw new Error('more replies than requests')
      settle(parsed.reply)
    }
  }
}

type Parsed = { readonly reply: ClientReply; readonly end: number }

/** Null: not whole yet. */
function parseReply(bytes: Buffer, start: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return null
  const line = bytes.toString('latin1', start + 1, lineEnd)
  const end = lineEnd + 2
  switch (bytes[start]) {
    case 0x2b:
      return { reply: { kind: 'status', text: line }, end }
    case 0x2d:
      return { reply: { kind: 'error', text: line }, end }
    case 0x3a:
      return { reply: { kind: 'integer', value: Number(line) }, end }
    case 0x24:
      return parseBulk(bytes, end, Number(line))
    case 0x2a:
      return parseArray(bytes, end, Number(line))
    default:
      throw new Error(`unexpected reply ${JSON.stringify(bytes.toString('latin1', start))}`)
  }
}

function parseBulk(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { reply: { kind: 'nil' }, end: start }
  if (bytes.length < start + length + 2) return null
  return {
    reply: { kind: 'bulk', text: bytes.toString('latin1', start, start + length) },
    end: start + length + 2,
  }
}

function parseArray(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { reply: { kind: 'nil' }, end: start }
  const items: ClientReply[] = []
  let end = start
  for (let at = 0; at < length; at++) {
    const parsed = parseReply(bytes, end)
    if (parsed === null) return null
    items.push(parsed.reply)
    end = parsed.end
  }
  return { reply: { kind: 'array', items }, end }
}
