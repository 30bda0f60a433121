/**
 * One connection to another node, in either direction: hello first, then frames, with requests
 * matched to their responses.
 */
import assert from 'node:assert/strict'
import type { ByteReader } from '../../base/byte-reader.ts'
import { MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { bytesToUtf8, utf8ToBytes } from '../../base/bytes.ts'
import { isNodeId, makeReplicaId, type NodeId, type ReplicaId } from '../../base/ids.ts'
import type { Address, Connection } from '../../env/network.ts'
import { FRAME_BYTES_MAX, FrameError, FrameSplitter, FrameType, HELLO_BYTES_MAX, makeFrame } from './frame.ts'
import type { OnResponse } from './transport.ts'

export const PROTOCOL_VERSION = 3
const PING = makeFrame(FrameType.ping, () => {})
const PONG = makeFrame(FrameType.pong, () => {})
const STATUS_ANSWERED = 0
const STATUS_REFUSED = 1

export type Hello = {
  readonly clusterId: string
  readonly from: ReplicaId | null
  /** Of the process; see incarnations.ts. */
  readonly incarnation: number
  readonly nodeId: NodeId
  readonly address: Address
}

export type PeerConnectionCallbacks = {
  /** Before anything else of the other side is believed; a reason closes the connection. */
  readonly admit: (hello: Hello) => string | null
  readonly onHello: (hello: Hello) => void
  /** Every frame but hello and response; false: the frame does not belong here, close. */
  readonly onFrame: (type: number, body: ByteReader) => boolean
  readonly onClosed: (wasUp: boolean) => void
  readonly onProblem: (problem: string) => void
}

export class PeerConnection {
  readonly #connection: Connection
  readonly #makeHello: () => Hello
  readonly #callbacks: PeerConnectionCallbacks
  readonly #splitter = new FrameSplitter()
  readonly #requests = new Map<number, OnResponse>()
  #lastRequestId = 0
  #hello: Hello | null = null
  #isClosed = false
  /** The other side broke the rules: nothing more of what it sent is believed. */
  #isRefused = false
  #receivedChunks = 0
  #neverUp: (() => void) | null = null

  constructor(
    connection: Connection,
    direction: 'outgoing' | 'incoming',
    makeHello: () => Hello,
    callbacks: PeerConnectionCallbacks,
  ) {
    this.#connection = connection
    this.#makeHello = makeHello
    this.#callbacks = callbacks
    this.#splitter.bytesMax = HELLO_BYTES_MAX
    connection.handle({
      onOpen: () => {
        if (direction === 'outgoing') this.#sendHello()
      },
      onData: (chunk) => this.#onData(chunk),
      onClose: () => this.#onClose(),
    })
    if (direction === 'incoming') this.#sendHello()
  }

  /** The other side's; null until it came. */
  get hello(): Hello | null {
    return this.#hello
  }

  get isUp(): boolean {
    return this.#hello !== null && !this.#isClosed
  }

  /** Chunks that came: when it stands still although pings were sent, the other side is gone. */
  get receivedChunks(): number {
    return this.#receivedChunks
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes
  }

  /** Called instead of onHello when the connection closes before it was up. */
  onNeverUp(run: () => void): void {
    this.#neverUp = run
  }

  send(frame: Uint8Array): void {
    if (!this.#isClosed) this.#connection.write(frame)
  }

  request(kind: number, write: (writer: ByteWriter) => void, onResponse: OnResponse): void {
    assert(this.isUp, 'requests go over connections that are up')
    this.#lastRequestId += 1
    const id = this.#lastRequestId
    this.#requests.set(id, onResponse)
    this.send(
      makeFrame(FrameType.request, (writer) => {
        writer.varint(id)
        writer.u8(kind)
        write(writer)
      }),
    )
  }

  /** Asks for a sign of life; see `receivedChunks`. */
  ping(): void {
    this.send(PING)
  }

  respond(id: number, write: ((writer: ByteWriter) => void) | null): void {
    const frame = makeFrame(FrameType.response, (writer) => {
      writer.varint(id)
      writer.u8(write === null ? STATUS_REFUSED : STATUS_ANSWERED)
      if (write !== null) write(writer)
    })
    if (frame.length <= FRAME_BYTES_MAX) {
      this.send(frame)
      return
    }
    // The other side would close the connection, and everything else on it would fail too.
    this.#callbacks.onProblem(`an answer of ${frame.length} bytes is too long for a frame and is refused`)
    this.respond(id, null)
  }

  close(): void {
    if (!this.#isClosed) this.#connection.destroy()
  }

  /** Nothing more that comes is taken, also not what has come already. */
  abandon(): void {
    this.#isRefused = true
    this.close()
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed || this.#isRefused) return
    this.#receivedChunks += 1
    try {
      this.#splitter.feed(chunk, (frame) => this.#onFrame(frame.type, frame.body))
    } catch (error) {
      if (!(error instanceof FrameError || error instanceof MalformedBytes)) throw error
      this.#refuse(`closing a peer connection: ${error.message}`)
    }
  }

  #onFrame(type: number, body: ByteReader): void {
    if (this.#isClosed || this.#isRefused) return
    if (type === FrameType.hello) {
      if (this.#hello === null) this.#onHelloFrame(body)
      else this.#refuse('closing a peer connection: a second hello')
      return
    }
    if (this.#hello === null) {
      this.#refuse('closing a peer connection: it did not begin with a hello')
      return
    }
    if (type === FrameType.ping) this.send(PONG)
    else if (type === FrameType.pong) body.expectEnd()
    else if (type === FrameType.response) this.#onResponseFrame(body)
    else if (!this.#callbacks.onFrame(type, body))
      this.#refuse(`closing a peer connection: unexpected frame type ${type}`)
  }

  #onHelloFrame(body: ByteReader): void {
    const hello = decodeHello(body)
    const ours = this.#makeHello()
    const isForeign = hello.clusterId !== '' && ours.clusterId !== '' && hello.clusterId !== ours.clusterId
    if (isForeign) {
      this.#refuse(
        `closing a peer connection: node ${hello.nodeId} belongs to cluster ${hello.clusterId}, this node to ${ours.clusterId}`,
      )
      return
    }
    const problem = this.#callbacks.admit(hello)
    if (problem !== null) {
      this.#refuse(`closing a peer connection: ${problem}`)
      return
    }
    this.#hello = hello
    this.#splitter.bytesMax = FRAME_BYTES_MAX
    this.#neverUp = null
    this.#callbacks.onHello(hello)
  }

  #onResponseFrame(body: ByteReader): void {
    const id = body.varint()
    const status = body.u8()
    const onResponse = this.#requests.get(id)
    if (onResponse === undefined) return
    this.#requests.delete(id)
    onResponse(status === STATUS_ANSWERED ? body : null)
  }

  #onClose(): void {
    this.#isClosed = true
    const requests = [...this.#requests.values()]
    this.#requests.clear()
    for (const onResponse of requests) onResponse(null)
    this.#neverUp?.()
    this.#neverUp = null
    this.#callbacks.onClosed(this.#hello !== null)
  }

  #refuse(problem: string): void {
    this.#isRefused = true
    this.#callbacks.onProblem(problem)
    this.close()
  }

  #sendHello(): void {
    const { clusterId, from, incarnation, nodeId, address } = this.#makeHello()
    this.send(
      makeFrame(FrameType.hello, (writer) => {
        writer.u8(PROTOCOL_VERSION)
        writer.byteString(clusterId)
        writer.varint(from ?? 0)
        writer.varint(incarnation)
        writer.byteString(nodeId)
        writer.byteString(utf8ToBytes(address.host))
        writer.u16(address.port)
      }),
    )
  }
}

function decodeHello(body: ByteReader): Hello {
  const version = body.u8()
  if (version !== PROTOCOL_VERSION)
    throw new MalformedBytes(`peer speaks protocol version ${version}, this node ${PROTOCOL_VERSION}`)
  const clusterId = body.byteString()
  const from = body.varint()
  const incarnation = body.varint()
  const nodeId = body.byteString()
  const host = bytesToUtf8(body.byteString())
  const port = body.u16()
  body.expectEnd()
  if (from !== 0 && clusterId === '') throw new MalformedBytes('hello of a member without a cluster')
  if (!isNodeId(nodeId)) throw new MalformedBytes('hello with an invalid node id')
  const replica = from === 0 ? null : makeReplicaId(from)
  return { clusterId, from: replica, incarnation, nodeId, address: { host, port } }
}
