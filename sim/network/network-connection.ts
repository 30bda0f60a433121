/**
 * One end of a simulated TCP connection.
 *
 *   write → queued (this turn) → unsent (window full, or not open yet) → in transit → inbox (paused) → onData
 *
 * Packets of one direction arrive in the order they were sent, each as one event; where the bytes are
 * cut, and which neighbours arrive as one piece, is random. A piece counts against the sender's window
 * until the receiver's handler has it and the way back is free: a paused, frozen or one-way partitioned
 * reader makes `bufferedBytes` grow.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { ByteString } from '../../src/base/bytes.ts'
import {
  type Address,
  type Connection,
  type ConnectionHandler,
  HIGH_WATER_BYTES,
  NetworkFault,
} from '../../src/env/network.ts'
import type { Random } from '../../src/env/random.ts'
import type { Gate } from '../world/clock.ts'
import { eventTag, type Scheduled, type Scheduler } from '../world/scheduler.ts'
import type { Link } from './network-link.ts'

/** What the operating systems of both sides hold of one direction. */
export const WINDOW_BYTES = 256 * 1024
/** As the real adapter: how long an ended connection waits for the other side. */
const END_TIMEOUT_MS = 10_000
/** Between attempts to reach a machine that is gone. */
const RETRY_MS = 400
const CUT_PROBABILITY = 0.2
const JOIN_PROBABILITY = 0.3

const ARRIVE = eventTag('network.arrive')
const CLOSED = eventTag('network.closed')
const ACKNOWLEDGED = eventTag('network.acknowledged')
const END_TIMEOUT = eventTag('network.endTimeout')

export type Packet =
  | { readonly kind: 'open' }
  | { readonly kind: 'data'; bytes: Buffer }
  | { readonly kind: 'fin' }
  | { readonly kind: 'reset' }

export type ConnectionWorld = {
  readonly scheduler: Scheduler
  readonly random: Random
  /** The process at this end. */
  readonly gate: Gate
  readonly out: Link
  readonly back: Link
  /** Whether the machine at the other end runs, whatever became of its processes. */
  readonly isPeerMachineUp: () => boolean
  /** The first packet of a connecting end arrived at the other machine: whether somebody accepted it. */
  readonly onOpenArrived: (connection: SimConnection) => boolean
  /** The connection is over at this end; nothing refers to it any more. */
  readonly onGone: (connection: SimConnection) => void
}

export class SimConnection implements Connection {
  readonly remote: Address
  /** The other end; null until it accepted. */
  peer: SimConnection | null = null
  readonly #world: ConnectionWorld
  #handler: ConnectionHandler | null = null
  #state: 'connecting' | 'open' | 'closed' = 'connecting'
  /** Nobody is behind this end any more, and the other end was not told. */
  #isVanished = false
  #isEnded = false
  #isFinSent = false
  /** The other side sends nothing more, and the handler goes on writing. */
  #isInputEnded = false
  #isFinWaiting = false
  #isPaused = false
  #isInsideData = false
  #isFlushScheduled = false
  #isAwaitingDrain = false
  #queued: (Uint8Array | ByteString)[] = []
  #queuedBytes = 0
  #unsent: Buffer[] = []
  #unsentBytes = 0
  #windowUsedBytes = 0
  #inTransit: Packet[] = []
  /** Packets at the head of `#inTransit` whose time has come, held by a blocked link. */
  #dueCount = 0
  #isStalled = false
  #isRetrying = false
  #lastArrivalMs = 0
  #inbox: Buffer[] = []
  #endTimeout: Scheduled | null = null

  constructor(remote: Address, world: ConnectionWorld) {
    this.remote = remote
    this.#world = world
  }

  /** Called in the turn in which the program gets the connection. */
  expectHandler(): void {
    this.#world.scheduler.endOfTurn(() =>
      assert(this.#handler !== null || this.#isDeaf(), 'connection left without a handler'),
    )
  }

  get isConnecting(): boolean {
    return this.#state === 'connecting'
  }

  get isVanished(): boolean {
    return this.#isVanished
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#unsentBytes
  }

  handle(handler: ConnectionHandler): void {
    assert(this.#handler === null, 'a connection has one handler')
    this.#handler = handler
  }

  write(bytes: Uint8Array | ByteString): void {
    if (this.#isDeaf() || this.#isEnded || bytes.length === 0) return
    this.#queued.push(bytes)
    this.#queuedBytes += bytes.length
    if (this.#isFlushScheduled || this.#isInsideData) return
    this.#isFlushScheduled = true
    this.#world.scheduler.flushAfterTurn(() =>
      this.#world.gate.deliver(() => {
        this.#isFlushScheduled = false
        this.#flush()
      }),
    )
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#inbox.length === 0 && !this.#isFinWaiting) return
    this.#world.scheduler.after(0, ARRIVE, () => this.#world.gate.deliver(() => this.#drainInbox()))
  }

  end(): void {
    if (this.#isDeaf() || this.#isEnded) return
    this.#flush()
    this.#isEnded = true
    this.#pump()
    if (this.#state === 'closed') return
    this.resume()
    this.#endTimeout = this.#world.scheduler.after(END_TIMEOUT_MS, END_TIMEOUT, () =>
      this.#world.gate.deliver(() => this.#finish(undefined)),
    )
  }

  destroy(): void {
    if (this.#isDeaf()) return
    const hasUnread = this.#inbox.length > 0
    const wasOpen = this.#state === 'open'
    this.#shut(wasOpen ? (hasUnread ? 'reset' : 'fin') : null)
    this.#announceClose(undefined)
  }

  /** The connecting end learns that the other machine answered. */
  open(): void {
    assert(this.#state === 'connecting')
    this.#state = 'open'
    this.#transmit({ kind: 'open' })
    this.#pump()
    this.#world.gate.deliver(() => {
      if (this.#state === 'open') this.#handler?.onOpen?.()
    })
  }

  /** The accepting end is open from the start. */
  accept(peer: SimConnection): void {
    assert(this.#state === 'connecting' && this.peer === null)
    this.peer = peer
    peer.peer = this
    this.#state = 'open'
  }

  /** Ends this end with `errno`, without a word to the other. */
  fail(errno: string): void {
    if (this.#isDeaf()) return
    this.#shut(null)
    this.#announceClose(this.#fault(errno))
  }

  /** The process behind this end is gone. Packets on their way still arrive; then the peer hears, or not. */
  vanish(lastWord: 'fin' | 'reset' | null): void {
    if (this.#isVanished) return
    this.#shut(this.#state === 'open' ? lastWord : null)
    this.#world.onGone(this)
  }

  #isDeaf(): boolean {
    return this.#state === 'closed' || this.#world.gate.state === 'killed'
  }

  // From here on nobody listens at this end: what still arrives is answered with a reset.
  #shut(lastWord: 'fin' | 'reset' | null): void {
    assert(!this.#isVanished)
    this.#drop()
    this.#state = 'closed'
    this.#endTimeout?.cancel()
    if (lastWord !== null && !this.#isFinSent) this.#transmit({ kind: lastWord })
    this.#isVanished = true
  }

  #fault(errno: string): NetworkFault {
    return new NetworkFault(`connection with ${this.remote.host}:${this.remote.port}`, errno)
  }

  #drop(): void {
    this.#queued = []
    this.#queuedBytes = 0
    this.#unsent = []
    this.#unsentBytes = 0
    this.#inbox = []
  }

  #announceClose(fault: NetworkFault | undefined): void {
    this.#world.scheduler.after(0, CLOSED, () =>
      this.#world.gate.deliver(() => {
        this.#world.onGone(this)
        this.#handler?.onClose(fault)
      }),
    )
  }

  #flush(): void {
    if (this.#queuedBytes === 0) return
    const joined = join(this.#queued, this.#queuedBytes)
    this.#queued = []
    this.#queuedBytes = 0
    this.#unsent.push(joined)
    this.#unsentBytes += joined.length
    this.#pump()
    if (this.#unsentBytes >= HIGH_WATER_BYTES) this.#isAwaitingDrain = true
  }

  #pump(): void {
    if (this.#state !== 'open') return
    const { random } = this.#world
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const room = WINDOW_BYTES - this.#windowUsedBytes
      if (room <= 0) return
      let length = Math.min(first.length, room)
      if (length > 1 && random.next() < CUT_PROBABILITY) length = 1 + (random.u32() % (length - 1))
      if (length === first.length) this.#unsent.shift()
      else this.#unsent[0] = first.subarray(length)
      this.#unsentBytes -= length
      this.#windowUsedBytes += length
      this.#send(length === first.length ? first : first.subarray(0, length))
    }
    assert(this.#unsentBytes === 0)
    if (this.#isEnded && !this.#isFinSent) {
      this.#isFinSent = true
      this.#transmit({ kind: 'fin' })
      if (!this.#isInputEnded) return
      this.#shut(null)
      this.#announceClose(undefined)
    }
  }

  #send(bytes: Buffer): void {
    const last = this.#inTransit.at(-1)
    const canJoin = last?.kind === 'data' && this.#inTransit.length > this.#dueCount
    if (canJoin && this.#world.random.next() < JOIN_PROBABILITY) {
      last.bytes = Buffer.concat([last.bytes, bytes])
    } else {
      this.#transmit({ kind: 'data', bytes })
    }
  }

  #transmit(packet: Packet): void {
    if (this.#isVanished) return
    const { scheduler, random, out } = this.#world
    const byteCount = packet.kind === 'data' ? packet.bytes.length : 0
    const arrivalMs = Math.max(this.#lastArrivalMs, scheduler.nowMs + out.latencyMs(random, byteCount))
    this.#lastArrivalMs = arrivalMs
    this.#inTransit.push(packet)
    scheduler.after(arrivalMs - scheduler.nowMs, ARRIVE, () => {
      this.#dueCount++
      this.#arrive()
    })
  }

  #arrive(): void {
    const { scheduler, random, out } = this.#world
    if (this.#isStalled) return
    if (out.isBlocked) {
      this.#isStalled = true
      out.whenUnblocked(() =>
        scheduler.after(out.retransmitMs(random), ARRIVE, () => {
          this.#isStalled = false
          this.#arrive()
        }),
      )
      return
    }
    while (this.#dueCount > 0) {
      this.#dueCount--
      const packet = this.#inTransit.shift()
      assert(packet !== undefined)
      this.#hand(packet)
    }
  }

  #hand(packet: Packet): void {
    const { scheduler, random, out } = this.#world
    scheduler.trace(packet.kind === 'data' ? crc32(packet.bytes) : packet.kind.charCodeAt(0))
    if (packet.kind === 'open') {
      if (!this.#world.onOpenArrived(this)) this.#answerReset(packet)
      return
    }
    if (packet.kind === 'data' && random.next() < out.conditions.corruptProbability)
      packet.bytes = withFlippedBit(packet.bytes, random)
    const { peer } = this
    if (peer === null) return
    if (peer.isVanished) return this.#answerReset(packet)
    peer.#world.gate.deliver(() => peer.#receive(packet))
  }

  // A living machine answers bytes for a connection it does not know; a dead one says nothing, until it
  // is back and the sender's system has tried again.
  #answerReset(packet: Packet): void {
    const { scheduler, random, back, gate } = this.#world
    if (packet.kind === 'reset' || this.#state === 'closed') return
    if (!this.#world.isPeerMachineUp()) {
      if (this.#isRetrying) return
      this.#isRetrying = true
      scheduler.after(RETRY_MS, ARRIVE, () => {
        this.#isRetrying = false
        this.#answerReset(packet)
      })
      return
    }
    const answer = (): void => {
      scheduler.after(back.latencyMs(random, 0), ARRIVE, () => {
        if (back.isBlocked) return back.whenUnblocked(answer)
        gate.deliver(() => this.fail('ECONNRESET'))
      })
    }
    answer()
  }

  #receive(packet: Packet): void {
    if (this.#state === 'closed') return
    if (packet.kind === 'reset') return this.#finish('ECONNRESET')
    if (packet.kind === 'fin') return this.#receiveFin()
    assert(packet.kind === 'data')
    if (this.#isPaused || this.#inbox.length > 0) this.#inbox.push(packet.bytes)
    else this.#take(packet.bytes)
  }

  #take(bytes: Buffer): void {
    this.#acknowledge(bytes.length)
    if (this.#isEnded) return
    this.#isInsideData = true
    try {
      this.#handler?.onData(bytes)
    } finally {
      this.#isInsideData = false
    }
    if (!this.#isDeaf() && !this.#isEnded) this.#flush()
  }

  #drainInbox(): void {
    while (!this.#isPaused && this.#state === 'open') {
      const bytes = this.#inbox.shift()
      if (bytes === undefined) break
      this.#take(bytes)
    }
    if (this.#isFinWaiting && this.#state === 'open') this.#receiveFin()
  }

  // Without `onEnd` the connection closes with the other side: what waits here has no reader.
  #receiveFin(): void {
    this.#isFinWaiting = this.#isPaused || this.#inbox.length > 0
    if (this.#isFinWaiting) return
    if (this.#handler?.onEnd !== undefined && !this.#isEnded) {
      this.#isInputEnded = true
      this.#handler.onEnd()
      return
    }
    this.#drop()
    this.#isEnded = true
    this.#pump()
    this.#finish(undefined)
  }

  #finish(errno: string | undefined): void {
    if (this.#state === 'closed') return
    this.#shut(null)
    this.#world.onGone(this)
    this.#handler?.onClose(errno === undefined ? undefined : this.#fault(errno))
  }

  // The receiver's handler has the bytes: the sender's window opens, once the way back is free.
  #acknowledge(byteCount: number): void {
    const sender = this.peer
    assert(sender !== null)
    const { scheduler, random, out } = this.#world
    const open = (): void => {
      sender.#windowUsedBytes -= byteCount
      assert(sender.#windowUsedBytes >= 0)
      if (sender.#unsentBytes === 0) return
      scheduler.after(out.latencyMs(random, 0), ACKNOWLEDGED, () => sender.#continue())
    }
    if (out.isBlocked) out.whenUnblocked(open)
    else open()
  }

  // The operating system's part goes on while the process is frozen; only `onDrain` waits.
  #continue(): void {
    this.#pump()
    if (!this.#isAwaitingDrain || this.#unsentBytes * 2 >= HIGH_WATER_BYTES) return
    this.#isAwaitingDrain = false
    this.#world.gate.deliver(() => {
      if (this.#state === 'open') this.#handler?.onDrain?.()
    })
  }
}

/** Bytes that were written never change: one piece is handed on as it is. */
function join(pieces: readonly (Uint8Array | ByteString)[], byteCount: number): Buffer {
  const [only] = pieces
  if (pieces.length === 1 && Buffer.isBuffer(only)) return only
  return Buffer.concat(
    pieces.map((bytes) => (typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)),
    byteCount,
  )
}

/** A copy: the sender, and whoever else was sent the same bytes, still has them. */
function withFlippedBit(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const index = random.u32() % copy.length
  copy[index] = (copy[index] ?? 0) ^ (1 << (random.u32() % 8))
  return copy
}
