/**
 * Connections to the other nodes: one outgoing per peer, kept alive, and the incoming ones.
 *
 * Nothing is promised to the sender: a message to a peer that is not connected, or that reads too
 * slowly, is dropped and reported (`onUnreachable`). Requests fail at once or when their connection
 * closes, so none hangs longer than a connection does; deadlines are the caller's.
 */
import assert from 'node:assert/strict'
import type { ByteReader } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { GroupId, NodeId, ReplicaId } from '../../base/ids.ts'
import type { Clock } from '../../env/clock.ts'
import type { Logger } from '../../env/logger.ts'
import type { Address, Connection, Listener, Network } from '../../env/network.ts'
import type { Random } from '../../env/random.ts'
import { FrameType, makeFrame } from './frame.ts'
import { Incarnations } from './incarnations.ts'
import { type Hello, PeerConnection } from './peer-connection.ts'
import { PeerLink } from './peer-link.ts'
import { readGroupId } from './read-group-id.ts'

export type TransportIdentity = {
  /** Empty until the node belongs to a cluster. */
  readonly clusterId: string
  readonly replicaId: ReplicaId | null
  readonly nodeId: NodeId
  /** Of this process: greater than of any before it in the same data directory. */
  readonly incarnation: number
  /** Where peers reach this node. */
  readonly address: Address
}

export type RequestHandler = (from: ReplicaId | null, body: ByteReader, respond: Respond) => void
/** `write: null` refuses. */
export type Respond = (write: ((writer: ByteWriter) => void) | null) => void
/** `body: null`: refused, or the connection closed before an answer came. */
export type OnResponse = (body: ByteReader | null) => void

export type TransportCallbacks = {
  readonly onRaftMessages: (group: GroupId, from: ReplicaId, messages: readonly Uint8Array[]) => void
  readonly onNotice: (kind: number, from: ReplicaId, body: ByteReader) => void
  /** A connection to or from this peer closed after it had been up. */
  readonly onPeerClosed: (peer: ReplicaId) => void
  /** The peer is another process than before, and nothing of the earlier one will be heard any more. */
  readonly onPeerRestarted: (peer: ReplicaId) => void
  readonly onUnreachable: (peer: ReplicaId) => void
  readonly onPeerAddress: (peer: ReplicaId, nodeId: NodeId, address: Address) => void
}

export type TransportWorld = {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export class Transport {
  readonly #world: TransportWorld
  readonly #callbacks: TransportCallbacks
  readonly #handlers = new Map<number, RequestHandler>()
  readonly #links = new Map<ReplicaId, PeerLink>()
  readonly #incoming = new Set<PeerConnection>()
  readonly #incarnations = new Incarnations()
  #identity: TransportIdentity
  #listener: Listener | null = null
  #isStopped = false

  constructor(world: TransportWorld, identity: TransportIdentity, callbacks: TransportCallbacks) {
    this.#world = world
    this.#identity = identity
    this.#callbacks = callbacks
  }

  async listen(address: Address): Promise<Address> {
    assert(this.#listener === null)
    this.#listener = await this.#world.network.listen(address, (connection) => this.#accept(connection))
    return this.#listener.address
  }

  /** The node learned its address, or became a member. Connections made before are replaced. */
  identify(identity: TransportIdentity): void {
    this.#identity = identity
    for (const link of this.#links.values()) link.reconnect()
  }

  handle(kind: number, handler: RequestHandler): void {
    assert(!this.#handlers.has(kind), `two handlers for requests of kind ${kind}`)
    this.#handlers.set(kind, handler)
  }

  /** Keeps a connection to exactly these peers. */
  setPeers(peers: ReadonlyMap<ReplicaId, Address>): void {
    if (this.#isStopped) return
    for (const [peer, link] of this.#links) {
      if (peers.has(peer)) continue
      link.stop()
      this.#links.delete(peer)
    }
    for (const [peer, address] of peers) {
      if (peer === this.#identity.replicaId) continue
      const link = this.#links.get(peer)
      if (link === undefined) this.#links.set(peer, this.#makeLink(peer, address))
      else link.setAddress(address)
    }
  }

  isConnected(peer: ReplicaId): boolean {
    return this.#links.get(peer)?.isUp ?? false
  }

  sendRaft(group: GroupId, to: ReplicaId, messages: readonly Uint8Array[]): void {
    const link = this.#links.get(to)
    // Nothing is made for a peer that is gone: as long as it is, every heartbeat comes this way.
    if (link?.isUp !== true) {
      this.#callbacks.onUnreachable(to)
      return
    }
    const frame = makeFrame(FrameType.raft, (writer) => {
      writer.varint(group)
      writer.varint(messages.length)
      for (const message of messages) writer.bytes(message)
    })
    if (!link.send(frame)) this.#callbacks.onUnreachable(to)
  }

  /** False when it was dropped. */
  notify(kind: number, to: ReplicaId, write: (writer: ByteWriter) => void): boolean {
    const frame = makeFrame(FrameType.notice, (writer) => {
      writer.u8(kind)
      write(writer)
    })
    return this.#links.get(to)?.send(frame) ?? false
  }

  /** False when bulk data (a snapshot) should wait because the peer reads slowly. */
  hasRoom(to: ReplicaId): boolean {
    return this.#links.get(to)?.hasRoom ?? false
  }

  request(kind: number, to: ReplicaId, write: (writer: ByteWriter) => void, onResponse: OnResponse): void {
    const link = this.#links.get(to)
    if (link === undefined) this.#world.clock.endOfTurn(() => onResponse(null))
    else link.request(kind, write, onResponse)
  }

  /**
   * Asks a node of which only the address is known, over a connection of its own. Returns how to
   * give up: the connection closes, and `onResponse` is told null if it was told nothing yet.
   */
  requestAt(
    kind: number,
    address: Address,
    write: (writer: ByteWriter) => void,
    onResponse: OnResponse,
  ): () => void {
    const connection = this.#connect(address, {
      onHello: () =>
        connection.request(kind, write, (body) => {
          onResponse(body)
          connection.close()
        }),
      onClosed: () => {},
    })
    connection.onNeverUp(() => onResponse(null))
    return () => connection.close()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const link of this.#links.values()) link.stop()
    this.#links.clear()
    for (const connection of this.#incoming) connection.close()
    this.#incoming.clear()
    await this.#listener?.close()
  }

  #makeLink(peer: ReplicaId, address: Address): PeerLink {
    return new PeerLink(peer, address, this.#world, {
      connect: (to, callbacks) => this.#connect(to, callbacks),
      onClosed: () => this.#callbacks.onPeerClosed(peer),
    })
  }

  #connect(
    address: Address,
    callbacks: { readonly onHello: (hello: Hello) => void; readonly onClosed: (wasUp: boolean) => void },
  ): PeerConnection {
    const connection = this.#world.network.connect(address, { timeoutMs: CONNECT_TIMEOUT_MS })
    return new PeerConnection(connection, 'outgoing', () => this.#hello(), {
      ...callbacks,
      admit: (hello) => this.#admit(hello),
      onFrame: (type) => {
        this.#world.logger.warning('peer sent a frame that does not belong on this connection', {
          type,
          address,
        })
        return false
      },
      onProblem: (problem) => this.#world.logger.warning(problem, { address }),
    })
  }

  #accept(connection: Connection): void {
    const patience = this.#world.clock.setTimer(HELLO_TIMEOUT_MS, () => {
      if (peer.hello === null) peer.close()
    })
    const peer: PeerConnection = new PeerConnection(connection, 'incoming', () => this.#hello(), {
      admit: (hello) => this.#admit(hello),
      onHello: (hello) => {
        patience.cancel()
        if (hello.from !== null) this.#callbacks.onPeerAddress(hello.from, hello.nodeId, hello.address)
      },
      onFrame: (type, body) => this.#onIncomingFrame(peer, type, body),
      onClosed: (wasUp) => {
        patience.cancel()
        this.#incoming.delete(peer)
        const from = peer.hello?.from ?? null
        if (wasUp && from !== null && !this.#isStopped) this.#callbacks.onPeerClosed(from)
      },
      onProblem: (problem) => this.#world.logger.warning(problem, { remote: connection.remote }),
    })
    this.#incoming.add(peer)
  }

  /** Before a frame of a later process is taken, those of the earlier ones are shut out. */
  #admit({ from, incarnation, nodeId }: Hello): string | null {
    if (from === null) return null
    const meeting = this.#incarnations.meet(from, incarnation)
    if (meeting === 'outdated') {
      return `node ${nodeId} (replica ${from}) says what it said before it was started again; if it goes on, its data directory is older than it was`
    }
    if (meeting !== 'restarted') return null
    for (const peer of this.#incoming) {
      if (peer.hello?.from === from && peer.hello.incarnation < incarnation) peer.abandon()
    }
    this.#links.get(from)?.dropEarlier(incarnation)
    this.#callbacks.onPeerRestarted(from)
    return null
  }

  #onIncomingFrame(peer: PeerConnection, type: number, body: ByteReader): boolean {
    const from = peer.hello?.from ?? null
    if (type === FrameType.request) return this.#onRequest(peer, from, body)
    if (from === null) return false
    if (type === FrameType.raft) {
      const group = readGroupId(body)
      const count = body.varint()
      const messages: Uint8Array[] = []
      for (let at = 0; at < count; at++) messages.push(body.bytes())
      this.#callbacks.onRaftMessages(group, from, messages)
      return true
    }
    if (type !== FrameType.notice) return false
    this.#callbacks.onNotice(body.u8(), from, body)
    return true
  }

  #onRequest(peer: PeerConnection, from: ReplicaId | null, body: ByteReader): boolean {
    const id = body.varint()
    const handler = this.#handlers.get(body.u8())
    if (handler === undefined) peer.respond(id, null)
    else handler(from, body, (write) => peer.respond(id, write))
    return true
  }

  #hello(): Hello {
    const { replicaId: from, ...rest } = this.#identity
    return { from, ...rest }
  }
}

const CONNECT_TIMEOUT_MS = 2_000
/** Who connects and doesn't say who it is within this is disconnected. */
const HELLO_TIMEOUT_MS = 5_000
