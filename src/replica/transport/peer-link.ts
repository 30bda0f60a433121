/** Keeps one outgoing connection to one peer alive: connects, connects again with growing pauses, drops what it can't send. */
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { ReplicaId } from '../../base/ids.ts'
import type { Timer } from '../../env/clock.ts'
import type { Address } from '../../env/network.ts'
import type { Hello, PeerConnection } from './peer-connection.ts'
import type { OnResponse, TransportWorld } from './transport.ts'

/** First pause before connecting again; doubles to the maximum, with full jitter. */
const RECONNECT_MS_MIN = 20
const RECONNECT_MS_MAX = 500
/** How often a sign of life is asked for. */
const PING_MS = 500
/**
 * A connection on which nothing came for so many pings is given up: a machine that lost its power says
 * nothing, and TCP alone would go on trying for a quarter of an hour. Covers the hello too.
 */
const SILENT_PINGS_MAX = 6
/** Beyond this many unsent bytes messages are dropped and requests fail: the peer reads slower than we write. */
const BUFFERED_BYTES_MAX = 128 * 1024 * 1024
/** Bulk transfers wait above this. */
const BULK_BUFFERED_BYTES_MAX = 1024 * 1024

export type PeerLinkCallbacks = {
  readonly connect: (
    address: Address,
    callbacks: { readonly onHello: (hello: Hello) => void; readonly onClosed: (wasUp: boolean) => void },
  ) => PeerConnection
  readonly onClosed: () => void
}

export class PeerLink {
  readonly #peer: ReplicaId
  readonly #world: TransportWorld
  readonly #callbacks: PeerLinkCallbacks
  #address: Address
  #connection: PeerConnection | null = null
  #timer: Timer | null = null
  #failures = 0
  #pingTimer: Timer | null = null
  #silentPings = 0
  #chunksAtPing = 0
  #isStopped = false

  constructor(peer: ReplicaId, address: Address, world: TransportWorld, callbacks: PeerLinkCallbacks) {
    this.#peer = peer
    this.#address = address
    this.#world = world
    this.#callbacks = callbacks
    this.#connect()
  }

  get isUp(): boolean {
    return this.#connection?.isUp ?? false
  }

  get hasRoom(): boolean {
    return this.#connection !== null && this.isUp && this.#connection.bufferedBytes < BULK_BUFFERED_BYTES_MAX
  }

  setAddress(address: Address): void {
    if (address.host === this.#address.host && address.port === this.#address.port) return
    this.#address = address
    this.reconnect()
  }

  /** A later process of the peer has shown itself. */
  dropEarlier(incarnation: number): void {
    const known = this.#connection?.hello?.incarnation ?? incarnation
    if (known < incarnation) this.#connection?.abandon()
  }

  reconnect(): void {
    this.#failures = 0
    if (this.#connection !== null) this.#connection.close()
  }

  /** False when the message was dropped. */
  send(frame: Uint8Array): boolean {
    const connection = this.#connection
    if (connection === null || !connection.isUp || connection.bufferedBytes > BUFFERED_BYTES_MAX) return false
    connection.send(frame)
    return true
  }

  request(kind: number, write: (writer: ByteWriter) => void, onResponse: OnResponse): void {
    const connection = this.#connection
    const isTaken = connection !== null && connection.isUp && connection.bufferedBytes <= BUFFERED_BYTES_MAX
    if (!isTaken) this.#world.clock.endOfTurn(() => onResponse(null))
    else connection.request(kind, write, onResponse)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#pingTimer?.cancel()
    this.#connection?.close()
  }

  #connect(): void {
    this.#timer = null
    this.#connection = this.#callbacks.connect(this.#address, {
      onHello: (hello) => this.#onHello(hello),
      onClosed: (wasUp) => this.#onClosed(wasUp),
    })
    this.#silentPings = 0
    this.#chunksAtPing = 0
    this.#schedulePing()
  }

  #schedulePing(): void {
    this.#pingTimer = this.#world.clock.setTimer(PING_MS, () => this.#ping())
  }

  #ping(): void {
    const connection = this.#connection
    if (connection === null || this.#isStopped) return
    this.#silentPings = connection.receivedChunks === this.#chunksAtPing ? this.#silentPings + 1 : 0
    this.#chunksAtPing = connection.receivedChunks
    if (this.#silentPings > SILENT_PINGS_MAX) {
      connection.close()
      return
    }
    if (connection.isUp) connection.ping()
    this.#schedulePing()
  }

  #onHello(hello: Hello): void {
    if (hello.from === this.#peer) {
      this.#failures = 0
      return
    }
    // A node that is joining does not know its number yet when its peers first hear of it.
    this.#world.logger[hello.from === null ? 'debug' : 'warning'](
      'the node at a peer address is another one',
      {
        address: this.#address,
        expected: this.#peer,
        found: hello.from,
        nodeId: hello.nodeId,
      },
    )
    this.#connection?.close()
  }

  #onClosed(wasUp: boolean): void {
    this.#connection = null
    this.#pingTimer?.cancel()
    if (this.#isStopped) return
    const ceilingMs = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(this.#failures, 10))
    this.#failures += 1
    this.#timer = this.#world.clock.setTimer(this.#world.random.next() * ceilingMs, () => this.#connect())
    if (wasUp) this.#callbacks.onClosed()
  }
}
