/**
 * TCP of the machine.
 *
 * Writes are collected as long as the reader's event or the turn lasts and then leave in one system
 * call: byte strings joined into one latin1 write, buffers in one gathered write. What the
 * operating system does not take at once waits in the socket and counts as `bufferedBytes`.
 *
 * A connection ends in exactly one `onClose`, always from the event loop and never from inside a
 * call of ours, whatever happens first: the other side's close, a reset, a timeout, `destroy`.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { createServer, connect as openSocket, type Server, type Socket } from 'node:net'
import type { ByteString } from '../base/bytes.ts'
import {
  type Address,
  type Connection,
  type ConnectionHandler,
  type ConnectOptions,
  HIGH_WATER_BYTES,
  type Listener,
  type Network,
  NetworkFault,
} from '../env/network.ts'
import { turnQueue } from './turn-queue.ts'

export type NodeNetworkOptions = {
  /** Connections beyond this are closed as they arrive. Per listener. */
  readonly maxConnections?: number
  /** A listener that could not accept a connection (no file descriptors, say) goes on; this hears of it. */
  readonly onAcceptFault?: (fault: NetworkFault) => void
}

export const DEFAULT_MAX_CONNECTIONS = 20_000
/** A silent peer's machine is asked for a sign of life after this; the system's own probes follow. */
export const KEEP_ALIVE_DELAY_MS = 10_000
/** How long an ended connection waits for the other side to close too. */
export const END_TIMEOUT_MS = 10_000
export const MAX_CONNECT_TIMEOUT_MS = 600_000

/** Up to this, copying mixed pieces into one buffer is cheaper than a gathered write. */
const MAX_JOINED_BYTES = 16 * 1024

const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/

export function createNodeNetwork(options: NodeNetworkOptions = {}): Network {
  return {
    listen: (address, onConnection) => listen(address, onConnection, options),
    connect: (address, connectOptions) => connect(address, connectOptions),
  }
}

function connect(address: Address, options: ConnectOptions): Connection {
  assert(options.timeoutMs > 0 && options.timeoutMs <= MAX_CONNECT_TIMEOUT_MS)
  const socket = openSocket({
    host: address.host,
    port: address.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    allowHalfOpen: true,
  })
  return new SocketConnection(socket, address, options.timeoutMs)
}

function listen(
  address: Address,
  onConnection: (connection: Connection) => void,
  options: NodeNetworkOptions,
): Promise<Listener> {
  const server = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    allowHalfOpen: true,
  })
  server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(toFault(`listen on ${address.host}:${address.port}`, error)))
    server.listen({ host: address.host, port: address.port }, () => {
      const bound = server.address()
      assert(bound !== null && typeof bound === 'object')
      const listener = new ServerListener(server, { host: bound.address, port: bound.port })
      server.removeAllListeners('error')
      server.on('error', (error) => options.onAcceptFault?.(toFault('accept', error)))
      server.on('connection', (socket) => {
        if (listener.isClosed) return void socket.destroy()
        const host = (socket.remoteAddress ?? '').replace(IPV4_IN_IPV6, '')
        const remote = { host, port: socket.remotePort ?? 0 }
        onConnection(new SocketConnection(socket, remote, null))
      })
      resolve(listener)
    })
  })
}

class ServerListener implements Listener {
  readonly address: Address
  readonly #server: Server
  isClosed = false

  constructor(server: Server, address: Address) {
    this.#server = server
    this.address = address
  }

  // The server's own callback waits for every connection to end; the port is free as soon as the
  // event loop has seen the handle closed.
  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.#server.close()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

class SocketConnection implements Connection {
  readonly remote: Address
  readonly #socket: Socket
  #handler: ConnectionHandler | null = null
  /** Byte strings queued behind `#pieces`. */
  #text = ''
  #pieces: (Buffer | Uint8Array)[] = []
  #pieceBytes = 0
  #isFlushScheduled = false
  #isInsideData = false
  #isAwaitingDrain = false
  #isClosed = false
  #isEnded = false
  /** Of the connecting, later of the ending. */
  #deadline: NodeJS.Timeout | null = null
  #fault: NetworkFault | undefined
  readonly #flushLater = (): void => {
    this.#isFlushScheduled = false
    this.#flush()
  }
  readonly #onWritten = (error?: Error | null): void => {
    if (error === undefined || error === null) this.#drainIfLow()
  }

  constructor(socket: Socket, remote: Address, connectTimeoutMs: number | null) {
    this.remote = remote
    this.#socket = socket
    if (connectTimeoutMs !== null) {
      this.#deadline = setTimeout(() => this.#timeOutConnect(), Math.ceil(connectTimeoutMs))
      socket.once('connect', () => {
        if (!this.#isEnded) this.#clearDeadline()
        if (!this.#isClosed) this.#handler?.onOpen?.()
      })
    }
    socket.on('error', (error) => {
      if (!this.#isClosed) this.#fault ??= toFault(`connection with ${remote.host}:${remote.port}`, error)
    })
    socket.once('end', () => this.#onInputEnd())
    socket.once('close', () => this.#onSocketClose())
    turnQueue.endOfTurn(() =>
      assert(this.#handler !== null || this.#isClosed, 'connection left without a handler'),
    )
  }

  handle(handler: ConnectionHandler): void {
    assert(this.#handler === null, 'a connection has one handler')
    this.#handler = handler
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#isClosed || this.#isEnded) return
      this.#isInsideData = true
      try {
        handler.onData(chunk)
      } finally {
        this.#isInsideData = false
      }
      this.#flush()
    })
  }

  get bufferedBytes(): number {
    return this.#text.length + this.#pieceBytes + this.#socket.writableLength
  }

  write(bytes: Uint8Array | ByteString): void {
    if (this.#isClosed || this.#isEnded || bytes.length === 0) return
    if (typeof bytes === 'string') {
      this.#text += bytes
    } else {
      this.#sealText()
      this.#pieces.push(bytes)
      this.#pieceBytes += bytes.length
    }
    this.#scheduleFlush()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    if (this.#isClosed || this.#isEnded) return
    this.#flush()
    this.#endSocket()
    // Unread bytes would turn our close into a reset, and a paused socket never sees the other side's.
    this.#socket.resume()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#fault = undefined
    this.#dropQueued()
    this.#clearDeadline()
    this.#socket.destroy()
  }

  #onInputEnd(): void {
    if (this.#isClosed || this.#isEnded) return
    if (this.#handler?.onEnd !== undefined) {
      this.#handler.onEnd()
      return
    }
    // The socket closes with the other side: what is written from now on has no reader.
    this.#dropQueued()
    this.#endSocket()
  }

  #endSocket(): void {
    this.#isEnded = true
    this.#socket.end()
    this.#clearDeadline()
    this.#deadline = setTimeout(() => this.#socket.destroy(), END_TIMEOUT_MS)
  }

  #sealText(): void {
    if (this.#text === '') return
    const piece = Buffer.from(this.#text, 'latin1')
    this.#pieces.push(piece)
    this.#pieceBytes += piece.length
    this.#text = ''
  }

  #dropQueued(): void {
    this.#text = ''
    this.#pieces = []
    this.#pieceBytes = 0
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isInsideData) return
    this.#isFlushScheduled = true
    turnQueue.flushAfterTurn(this.#flushLater)
  }

  #flush(): void {
    if (this.#isClosed || this.#isEnded) return
    if (this.#text === '' && this.#pieces.length === 0) return
    const buffered = this.bufferedBytes
    if (buffered >= HIGH_WATER_BYTES) this.#isAwaitingDrain = true
    const onWritten = buffered * 2 >= HIGH_WATER_BYTES ? this.#onWritten : undefined
    if (this.#pieces.length > 0) return this.#writePieces(onWritten)
    const text = this.#text
    this.#text = ''
    this.#socket.write(text, 'latin1', onWritten)
  }

  #writePieces(onWritten: ((error?: Error | null) => void) | undefined): void {
    this.#sealText()
    const pieces = this.#pieces
    const totalBytes = this.#pieceBytes
    this.#pieces = []
    this.#pieceBytes = 0
    const last = pieces.at(-1)
    assert(last !== undefined && totalBytes > 0)
    if (pieces.length > 1 && totalBytes <= MAX_JOINED_BYTES) {
      this.#socket.write(Buffer.concat(pieces, totalBytes), onWritten)
      return
    }
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece, piece === last ? onWritten : undefined)
    this.#socket.uncork()
  }

  #drainIfLow(): void {
    if (this.#isClosed || !this.#isAwaitingDrain) return
    if (this.bufferedBytes * 2 >= HIGH_WATER_BYTES) return
    this.#isAwaitingDrain = false
    this.#handler?.onDrain?.()
  }

  #timeOutConnect(): void {
    this.#deadline = null
    if (this.#isClosed) return
    this.#fault = new NetworkFault(`connection with ${this.remote.host}:${this.remote.port}`, 'ETIMEDOUT')
    this.#socket.destroy()
  }

  #clearDeadline(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#deadline = null
  }

  #onSocketClose(): void {
    this.#clearDeadline()
    this.#isClosed = true
    this.#dropQueued()
    const handler = this.#handler
    assert(handler !== null)
    handler.onClose(this.#fault)
  }
}

/** Only what the operating system answered becomes a fault; anything else is a mistake of ours. */
function toFault(what: string, error: unknown): NetworkFault {
  const cause = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  const { code } = cause as NodeJS.ErrnoException
  return new NetworkFault(what, typeof code === 'string' ? code : 'EIO', error)
}
