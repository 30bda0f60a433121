/**
 * Faults of the peers' protocol above TCP: frames of one node that are lost, doubled, overtaken by
 * others, or come again long after they were sent.
 *
 * TCP does none of this within a connection. A proxy, a bug in a system below, or a node that comes
 * back with an old state may look like it to the receiver; consensus claims that none of it can
 * harm (docs/formats/peer-messages.md), so it is done. Hellos and signs of life pass untouched: a
 * connection without them would only be closed.
 *
 * What was sent to peers is remembered, bounded, across the processes of the machine, so that an
 * earlier incarnation can be heard again.
 */
import { Buffer } from 'node:buffer'
import type { ByteString } from '../../src/base/bytes.ts'
import type { Connection, Network } from '../../src/env/network.ts'
import { FrameType } from '../../src/replica/transport/frame.ts'
import type { SimRandom } from '../world/random.ts'
import { eventTag, type Scheduler } from '../world/scheduler.ts'

/** Each the share of frames that it happens to. */
export type FrameFaults = {
  readonly drop: number
  readonly duplicate: number
  readonly overtake: number
  readonly replay: number
}

/** What one connection to a peer sent, from its hello on. */
export type Recording = { readonly host: string; readonly frames: Buffer[]; bytes: number }

const HELD = eventTag('frames.held')
const HELD_MS_MAX = 50
const TYPE_OFFSET = 12
const RECORDINGS_MAX = 8
const RECORDING_BYTES_MAX = 128 * 1024
const FRAMES_REMEMBERED = 256
const REMEMBERED_FRAME_BYTES_MAX = 64 * 1024
const TOUCHED: ReadonlySet<number> = new Set([
  FrameType.raft,
  FrameType.notice,
  FrameType.request,
  FrameType.response,
])
/** Without an answer, so that it may come over any connection at any time. */
const REPLAYED: ReadonlySet<number> = new Set([FrameType.raft, FrameType.notice])

export class FrameMeddler {
  readonly #scheduler: Scheduler
  readonly #random: SimRandom
  readonly #peerPort: number
  readonly #remembers: boolean
  #faults: FrameFaults | null = null
  #recordings: Recording[] = []
  /** By host: the newest frames, in no order. */
  readonly #sent = new Map<string, Buffer[]>()
  #sentCount = 0

  /** `remembers`: whether frames may come again; it costs a copy of each. */
  constructor(scheduler: Scheduler, random: SimRandom, peerPort: number, remembers: boolean) {
    this.#scheduler = scheduler
    this.#random = random
    this.#peerPort = peerPort
    this.#remembers = remembers
  }

  get recordings(): readonly Recording[] {
    return this.#recordings
  }

  setFaults(faults: FrameFaults | null): void {
    this.#faults = faults
  }

  /** Another machine under the same name: connections say from now on that they are somebody else's. */
  forgetSent(): void {
    this.#sent.clear()
  }

  wrap(network: Network): Network {
    return {
      listen: (address, onConnection) =>
        network.listen(address, (connection) => {
          const isPeer = address.port === this.#peerPort
          onConnection(isPeer ? this.#meddled(connection, null) : connection)
        }),
      connect: (address, options) => {
        const connection = network.connect(address, options)
        if (address.port !== this.#peerPort) return connection
        const recording = { host: address.host, frames: [], bytes: 0 }
        this.#recordings = [...this.#recordings.slice(1 - RECORDINGS_MAX), recording]
        return this.#meddled(connection, recording)
      },
    }
  }

  #meddled(connection: Connection, recording: Recording | null): Connection {
    let held: Uint8Array[] = []
    const release = (): void => {
      const frames = held
      held = []
      for (const frame of frames) connection.write(frame)
    }
    const hold = (frame: Uint8Array): void => {
      held.push(frame)
      this.#scheduler.after(this.#random.next() * HELD_MS_MAX, HELD, release)
    }
    const write = (bytes: Uint8Array | ByteString): void => {
      if (typeof bytes === 'string') {
        connection.write(bytes)
        return
      }
      if (recording !== null) this.#record(recording, bytes)
      const faults = this.#faults
      const type = bytes[TYPE_OFFSET] ?? 0
      if (faults === null || !TOUCHED.has(type)) connection.write(bytes)
      else if (this.#random.chance(faults.drop)) return
      else if (this.#random.chance(faults.overtake)) hold(bytes)
      else {
        connection.write(bytes)
        if (this.#random.chance(faults.duplicate)) connection.write(bytes)
        if (recording !== null && this.#random.chance(faults.replay)) this.#replay(connection, recording.host)
      }
    }
    return {
      remote: connection.remote,
      get bufferedBytes() {
        return connection.bufferedBytes
      },
      handle: (handler) => connection.handle(handler),
      write,
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      end: () => connection.end(),
      destroy: () => connection.destroy(),
    }
  }

  #replay(connection: Connection, host: string): void {
    const frames = this.#sent.get(host) ?? []
    if (frames.length > 0) connection.write(this.#random.pick(frames))
  }

  #record(recording: Recording, bytes: Uint8Array): void {
    if (!this.#remembers || bytes.length > REMEMBERED_FRAME_BYTES_MAX) return
    const frame = Buffer.from(bytes)
    if (recording.bytes + frame.length <= RECORDING_BYTES_MAX) {
      recording.frames.push(frame)
      recording.bytes += frame.length
    }
    if (!REPLAYED.has(frame[TYPE_OFFSET] ?? 0)) return
    const sent = this.#sent.get(recording.host)
    if (sent === undefined) this.#sent.set(recording.host, [frame])
    else if (sent.length < FRAMES_REMEMBERED) sent.push(frame)
    else sent[this.#sentCount % FRAMES_REMEMBERED] = frame
    this.#sentCount += 1
  }
}
