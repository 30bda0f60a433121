/**
 * Byte streams between processes, as TCP gives them: in order, unlimited in size, cut anywhere,
 * and gone without a word when the other side dies. Peers and client protocols both speak over
 * this; framing and checksums are theirs.
 */
import type { Buffer } from 'node:buffer'
import type { ByteString } from '../base/bytes.ts'

export type Address = { readonly host: string; readonly port: number }

export interface Network {
  /** Fails with `NetworkFault` EADDRINUSE, EADDRNOTAVAIL, EACCES. Port 0 = any free one. */
  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener>
  /** Returns at once; `onOpen` or `onClose` of the handler tells how it went. */
  connect(address: Address, options: ConnectOptions): Connection
}

export type ConnectOptions = { readonly timeoutMs: number }

export interface Listener {
  readonly address: Address
  /** No new connections; those that exist go on. */
  close(): Promise<void>
}

/** Set once with `connection.handle`, before the turn ends in which the connection was made. */
export type ConnectionHandler = {
  readonly onOpen?: () => void
  /** The chunk belongs to the handler: it is never reused. */
  readonly onData: (chunk: Buffer) => void
  /** The bytes waiting to be sent fell below half the connection's high-water mark. */
  readonly onDrain?: () => void
  /** Exactly once, after which nothing else is called. `error` is absent after an orderly close. */
  readonly onClose: (error?: NetworkFault) => void
}

export interface Connection {
  readonly remote: Address
  handle(handler: ConnectionHandler): void
  /** Queues bytes; everything queued in one turn leaves in one system call. Ignored once closed. */
  write(bytes: Uint8Array | ByteString): void
  /** Bytes queued and not yet given to the operating system. */
  readonly bufferedBytes: number
  /** Stops `onData` until `resume`: back-pressure on the sender. */
  pause(): void
  resume(): void
  /** Sends what is queued, then closes. */
  end(): void
  /** Closes now, drops what is queued. `onClose` follows in a later turn. */
  destroy(): void
}

export class NetworkFault extends Error {
  override readonly name = 'NetworkFault'
  /** The errno's name: ECONNREFUSED, ECONNRESET, ETIMEDOUT, EADDRINUSE … */
  readonly errno: string

  constructor(message: string, errno: string, cause?: unknown) {
    super(`${message}: ${errno}`, cause === undefined ? undefined : { cause })
    this.errno = errno
  }
}
