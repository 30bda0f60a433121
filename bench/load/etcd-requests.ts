/**
 * Puts and linearizable gets of etcd for the load loop: gRPC on HTTP/2, written and read as bare
 * frames (RFC 9113, RFC 7541), because a whole HTTP/2 library would cost the machine more than the
 * server that is measured.
 *
 * Only what these requests need: after a first request every header is one byte, an index into the
 * table that the first has filled. A success is a message followed by trailers; trailers alone are a
 * gRPC error. The windows that we grant last for about eight million answers per connection; those
 * that the server grants (64 KiB at least) hold more than a whole batch.
 */
import assert from 'node:assert/strict'
import {
  KEY_DIGITS,
  type KeyOrder,
  type Requests,
  randomText,
  writeKeyDigits,
} from '../../src/cli/bench/requests.ts'

export type EtcdRequestsOptions = {
  readonly operation: 'put' | 'range'
  readonly authority: string
  readonly pipeline: number
  readonly valueBytes: number
  readonly keys: KeyOrder
  readonly seed: number
}

const FRAME_HEADER_BYTES = 9
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const
const FLAG = { ack: 1, endStream: 1, endHeaders: 4 } as const
const SETTING_INITIAL_WINDOW = 4
const WINDOW_MAX = 2 ** 31 - 1
const WINDOW_INITIAL = 65_535
const PING_BYTES = 8
/** Of the request in the preface, which fills the header table and is not counted. */
const FIRST_STREAM = 1
const PUT_PATH = '/etcdserverpb.KV/Put'
const RANGE_PATH = '/etcdserverpb.KV/Range'

export function createEtcdRequests(options: EtcdRequestsOptions): Requests {
  return new EtcdRequests(options)
}

class EtcdRequests implements Requests {
  readonly preface: Buffer
  readonly #options: EtcdRequestsOptions
  readonly #batch: Buffer
  readonly #requestBytes: number
  readonly #digitsAt: number
  readonly #dataHeaderAt: number
  readonly #frames = new FrameReader()
  #lastStream = FIRST_STREAM
  /** Bytes of messages that came for each request of the batch. */
  #messageBytes: number[] = []
  #batchStream = 0
  #urgent: Buffer[] = []
  #errors = 0
  #absent = 0
  #firstError: string | null = null

  constructor(options: EtcdRequestsOptions) {
    this.#options = options
    const texts = Array.from({ length: options.pipeline }, (_, at) =>
      randomText(options.valueBytes, options.seed * options.pipeline + at),
    )
    const requests = texts.map((value) => formatRequest(options.operation, value, INDEXED_HEADERS))
    const [first] = requests
    assert(first !== undefined)
    this.#requestBytes = first.length
    this.#digitsAt = first.indexOf(KEY_DIGITS, 0, 'latin1')
    this.#dataHeaderAt = FRAME_HEADER_BYTES + INDEXED_HEADERS.length
    this.#batch = Buffer.concat(requests)
    const opening = formatRequest(options.operation, texts[0] as string, literalHeaders(options))
    opening.writeUInt32BE(FIRST_STREAM, 5)
    opening.writeUInt32BE(FIRST_STREAM, FRAME_HEADER_BYTES + literalHeaders(options).length + 5)
    this.preface = Buffer.concat([connectionPreface(), opening])
  }

  get errors(): number {
    return this.#errors
  }

  get absent(): number {
    return this.#absent
  }

  get firstError(): string | null {
    return this.#firstError
  }

  next(count: number): Uint8Array {
    assert(count >= 1 && count <= this.#options.pipeline)
    this.#batchStream = this.#lastStream + 2
    for (let at = 0; at < count; at++) {
      const start = at * this.#requestBytes
      this.#lastStream += 2
      this.#batch.writeUInt32BE(this.#lastStream, start + 5)
      this.#batch.writeUInt32BE(this.#lastStream, start + this.#dataHeaderAt + 5)
      writeKeyDigits(this.#batch, start + this.#digitsAt, this.#options.keys())
    }
    this.#messageBytes = new Array<number>(count).fill(0)
    return this.#batch.subarray(0, count * this.#requestBytes)
  }

  receive(chunk: Buffer, length: number): number {
    let completed = 0
    this.#frames.receive(chunk, length, (frame) => {
      completed += this.#take(frame)
    })
    return completed
  }

  takeUrgent(): Uint8Array | null {
    if (this.#urgent.length === 0) return null
    const urgent = Buffer.concat(this.#urgent)
    this.#urgent = []
    return urgent
  }

  /** 1 when the frame ends a request of the batch. */
  #take({ type, flags, stream, length, payload }: Frame): number {
    if (type === FRAME.settings && (flags & FLAG.ack) === 0)
      this.#urgent.push(frameHeader(0, FRAME.settings, FLAG.ack, 0))
    if (type === FRAME.ping && (flags & FLAG.ack) === 0)
      this.#urgent.push(frameHeader(PING_BYTES, FRAME.ping, FLAG.ack, 0), Buffer.from(payload))
    if (type === FRAME.goAway) throw new Error('etcd closes the connection (GOAWAY)')
    if (stream < this.#batchStream || this.#batchStream === 0) return 0
    const at = (stream - this.#batchStream) / 2
    if (type === FRAME.data) this.#messageBytes[at] = (this.#messageBytes[at] as number) + length
    const isReset = type === FRAME.reset
    const isEnd =
      isReset || ((type === FRAME.data || type === FRAME.headers) && (flags & FLAG.endStream) !== 0)
    if (!isEnd) return 0
    const bytes = this.#messageBytes[at] as number
    if (isReset || bytes === 0) {
      this.#errors += 1
      this.#firstError ??= isReset ? 'etcd reset a stream' : 'etcd answered with a gRPC error'
    } else if (this.#options.operation === 'range' && bytes < this.#options.valueBytes) this.#absent += 1
    return 1
  }
}

type Frame = {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly length: number
  /** Of a ping only. */
  readonly payload: readonly number[]
}

/** Frames from chunks cut anywhere. */
class FrameReader {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #payloadLeft = 0
  #payload: number[] = []

  receive(chunk: Buffer, length: number, take: (frame: Frame) => void): void {
    const header = this.#header
    let at = 0
    while (at < length) {
      if (this.#headerBytes < FRAME_HEADER_BYTES) {
        header[this.#headerBytes] = chunk[at] as number
        this.#headerBytes += 1
        at += 1
        if (this.#headerBytes < FRAME_HEADER_BYTES) continue
        this.#payloadLeft = this.#lengthOf()
      } else {
        const step = Math.min(this.#payloadLeft, length - at)
        if (header[3] === FRAME.ping) this.#payload.push(...chunk.subarray(at, at + step))
        this.#payloadLeft -= step
        at += step
      }
      if (this.#payloadLeft === 0) this.#finish(take)
    }
  }

  #lengthOf(): number {
    const [high = 0, middle = 0, low = 0] = this.#header
    return high * 65_536 + middle * 256 + low
  }

  #finish(take: (frame: Frame) => void): void {
    const header = this.#header
    const [a = 0, b = 0, c = 0, d = 0] = header.subarray(5)
    this.#headerBytes = 0
    take({
      type: header[3] as number,
      flags: header[4] as number,
      stream: (((a & 0x7f) << 24) | (b << 16) | (c << 8) | d) >>> 0,
      length: this.#lengthOf(),
      payload: this.#payload,
    })
    this.#payload = []
  }
}

/** :method POST and :scheme http of the static table; then path, authority, content-type and te as the first request entered them. */
const INDEXED_HEADERS = Buffer.from([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe])

function literalHeaders({ operation, authority }: EtcdRequestsOptions): Buffer {
  const text = (value: string): Buffer => {
    assert(value.length < 127)
    return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')])
  }
  const path = text(operation === 'put' ? PUT_PATH : RANGE_PATH)
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x44]),
    path,
    Buffer.from([0x41]),
    text(authority),
    Buffer.from([0x5f]),
    text('application/grpc'),
    Buffer.from([0x40]),
    text('te'),
    text('trailers'),
  ])
}

function connectionPreface(): Buffer {
  const setting = Buffer.alloc(6)
  setting.writeUInt16BE(SETTING_INITIAL_WINDOW, 0)
  setting.writeUInt32BE(WINDOW_MAX, 2)
  const increment = Buffer.alloc(4)
  increment.writeUInt32BE(WINDOW_MAX - WINDOW_INITIAL, 0)
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    frameHeader(setting.length, FRAME.settings, 0, 0),
    setting,
    frameHeader(increment.length, FRAME.windowUpdate, 0, 0),
    increment,
  ])
}

/** HEADERS and DATA on stream 0: whoever sends it writes the stream in. */
function formatRequest(operation: 'put' | 'range', value: string, headers: Buffer): Buffer {
  const key = field(1, `bench:key:${KEY_DIGITS}`)
  const message = operation === 'put' ? Buffer.concat([key, field(2, value)]) : key
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([
    frameHeader(headers.length, FRAME.headers, FLAG.endHeaders, 0),
    headers,
    frameHeader(prefix.length + message.length, FRAME.data, FLAG.endStream, 0),
    prefix,
    message,
  ])
}

/** A protobuf field of bytes. */
function field(number: number, text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const length: number[] = []
  let rest = bytes.length
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, rest]), bytes])
}

function frameHeader(length: number, type: number, flags: number, stream: number): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  header.writeUIntBE(length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return header
}
