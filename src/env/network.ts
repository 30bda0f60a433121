/**
 * Byte streams between processes, as TCP gives them: in order, unlimited in size, cut anywhere,
 * and gone without a word when the other side dies. Peers and client protocols both speak over
 * this; framing and checksums are theirs.
 */
import type { Buffer } from 'node:buffer'
import type { ByteString } from '../base/bytes.ts'

/**
 * A connection whose `bufferedBytes` passed this tells its writer by `onDrain` when it may go on.
 * Nothing stops a writer here: each protocol decides what it does with a slow reader.
 */
export const HIGH_WATER_BYTES = 1024 * 1024

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

/**
 * Set once with `connection.handle`, before the turn ends in which the connection was made. No
 * handler function is ever called from inside a call of the connection's own methods.
 */
export type ConnectionHandler = {
  readonly onOpen?: () => void
  /** The chunk belongs to the handler: it is never reused. */
  readonly onData: (chunk: Buffer) => void
  /** `bufferedBytes` had reached `HIGH_WATER_BYTES` and fell below half of it. */
  readonly onDrain?: () => void
  /**
   * The other side sends nothing more, but may still read: once, behind the last `onData`. Whoever sets
   * this ends the connection itself; without it, the connection closes as soon as the other side has.
   */
  readonly onEnd?: () => void
  /** Exactly once, after which nothing else is called. `error` is absent after an orderly close. */
  readonly onClose: (error?: NetworkFault) => void
}

export interface Connection {
  readonly remote: Address
  handle(handler: ConnectionHandler): void
  /**
   * Queues bytes, which must not change afterwards. What is queued while `onData` runs leaves when
   * it returns, everything else at the end of the turn: one system call each. Ignored once closed
   * or ended.
   */
  write(bytes: Uint8Array | ByteString): void
  /** Bytes queued and not yet given to the operating system. */
  readonly bufferedBytes: number
  /**
   * Stops `onData` until `resume`: back-pressure on the sender. While paused, the other side's
   * closing may go unnoticed.
   */
  pause(): void
  resume(): void
  /** Sends what is queued, then closes; `onData` is not called again. */
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
