/**
 * A Redis client that does nothing by itself: no retry, no reconnect, no queue while offline. A
 * command is answered, or its connection ends and its fate is unknown; both are told at once, so
 * that what is measured is the server.
 */
import assert from 'node:assert/strict'
import { createConnection, type Socket } from 'node:net'
import type { Endpoint } from './node-process.ts'

export type ReplyValue = string | number | null | readonly ReplyValue[]

/** An answer that says no. Whether the command happened depends on what it says. */
export class ReplyError extends Error {}
/** No answer: whether the command happened is unknown. */
export class ConnectionLost extends Error {}

export interface TestConnection {
  readonly isOpen: boolean
  call(...words: readonly string[]): Promise<ReplyValue>
  close(): void
}

export type Connect = (endpoint: Endpoint) => Promise<TestConnection>

type Waiter = {
  readonly resolve: (value: ReplyValue) => void
  readonly reject: (error: Error) => void
}

export const connectResp: Connect = ({ host, port }) =>
  new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(new RespConnection(socket))
    })
  })

class RespConnection implements TestConnection {
  readonly #socket: Socket
  #waiters: Waiter[] = []
  #text = ''
  #why = 'closed'
  isOpen = true

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#onData(chunk))
    socket.on('error', (error) => {
      this.#why = error.message
    })
    // The server's end of the stream already says that no answer will come.
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
  }

  call(...words: readonly string[]): Promise<ReplyValue> {
    if (!this.isOpen) return Promise.reject(new ConnectionLost(this.#why))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      let request = `*${words.length}\r\n`
      for (const word of words) request += `$${word.length}\r\n${word}\r\n`
      this.#socket.write(request, 'latin1')
    })
  }

  close(): void {
    this.#why = 'closed here'
    this.#socket.destroy()
    this.#end()
  }

  #onData(chunk: string): void {
    this.#text = this.#text === '' ? chunk : this.#text + chunk
    let at = 0
    for (;;) {
      const parsed = parseReply(this.#text, at)
      if (parsed === null) break
      at = parsed.next
      const waiter = this.#waiters.shift()
      assert(waiter !== undefined, 'an answer that nobody asked for')
      if (parsed.value instanceof ReplyError) waiter.reject(parsed.value)
      else waiter.resolve(parsed.value)
    }
    if (at > 0) this.#text = this.#text.slice(at)
  }

  #end(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(new ConnectionLost(this.#why))
    this.#socket.destroy()
  }
}

type Parsed = { readonly value: ReplyValue | ReplyError; readonly next: number }

/** RESP2. Null: not all of it is here yet. */
function parseReply(text: string, at: number): Parsed | null {
  const lineEnd = text.indexOf('\r\n', at)
  if (lineEnd === -1) return null
  const line = text.slice(at + 1, lineEnd)
  const next = lineEnd + 2
  switch (text[at]) {
    case '+':
      return { value: line, next }
    case '-':
      return { value: new ReplyError(line), next }
    case ':':
      return { value: Number(line), next }
    case '$':
      return parseBulk(text, Number(line), next)
    case '*':
      return parseArray(text, Number(line), next)
    default:
      throw new Error(`not RESP2: ${JSON.stringify(text.slice(at, at + 40))}`)
  }
}

function parseBulk(text: string, length: number, at: number): Parsed | null {
  if (length === -1) return { value: null, next: at }
  const end = at + length
  return text.length < end + 2 ? null : { value: text.slice(at, end), next: end + 2 }
}

function parseArray(text: string, count: number, start: number): Parsed | null {
  if (count === -1) return { value: null, next: start }
  const values: ReplyValue[] = []
  let next = start
  while (values.length < count) {
    const element = parseReply(text, next)
    if (element === null) return null
    if (element.value instanceof ReplyError) throw element.value
    values.push(element.value)
    next = element.next
  }
  return { value: values, next }
}
