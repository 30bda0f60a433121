/** Cuts a byte stream into checked frames and builds them (docs/formats/peer-frames.md). */
import { Buffer } from 'node:buffer'
import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { crc32, crc32OfU32 } from '../../base/checksum.ts'

export const FrameType = { hello: 1, raft: 2, notice: 3, request: 4, response: 5, ping: 6, pong: 7 } as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

/**
 * Room for the largest request a client may send (256 MB, redis/resp-parser.ts) as one entry, and
 * for the messages that are on their way to the same peer in the same turn.
 */
export const FRAME_BYTES_MAX = 320 * 1024 * 1024
/** Until the other side has said who it is, so that strangers can't make a node hold much for them. */
export const HELLO_BYTES_MAX = 4 * 1024
/** Length, check of the length, checksum. */
const HEADER_BYTES = 12
const LENGTH_BYTES = 4
const TYPE_BYTES = 1
const NO_BYTES = Buffer.alloc(0)

export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** Reserves the header in `writer`; `endFrame` fills it in. Several frames may share one writer. */
export function beginFrame(writer: ByteWriter, type: FrameType): number {
  const at = writer.length
  writer.u32(0)
  writer.u32(0)
  writer.u32(0)
  writer.u8(type)
  return at
}

export function endFrame(writer: ByteWriter, at: number): void {
  const length = writer.length - at - LENGTH_BYTES
  writer.patchU32(at, length)
  writer.patchU32(at + 4, crc32OfU32(length))
  writer.patchU32(at + 8, crc32(writer.view(at + HEADER_BYTES)))
}

export function makeFrame(type: FrameType, write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter()
  const at = beginFrame(writer, type)
  write(writer)
  endFrame(writer, at)
  return writer.takeBytes()
}

export type Frame = { readonly type: number; readonly body: ByteReader }

/**
 * Gathers chunks until a frame is whole. A large frame's chunks are joined once, when its last
 * byte has come, so that the work is linear however the network cut it.
 */
export class FrameSplitter {
  #chunks: Buffer[] = []
  #bytes = 0
  #wanted = HEADER_BYTES
  /** Longer frames are refused as soon as their header has come. */
  bytesMax = FRAME_BYTES_MAX

  /** Calls `onFrame` for each complete frame; throws FrameError when the stream can't be believed any more. */
  feed(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#wanted) return
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes)
    for (;;) {
      const length = frameLength(rest, this.bytesMax)
      if (length === null || rest.length < length) {
        this.#chunks = rest.length === 0 ? [] : [rest]
        this.#bytes = rest.length
        this.#wanted = length ?? HEADER_BYTES
        return
      }
      const isLast = rest.length === length
      const frame = checkFrame(isLast ? rest : rest.subarray(0, length))
      rest = isLast ? NO_BYTES : rest.subarray(length)
      onFrame(frame)
    }
  }
}

/** Bytes of the frame that begins here, header included; null when the header is not complete. */
function frameLength(bytes: Buffer, bytesMax: number): number | null {
  if (bytes.length < HEADER_BYTES) return null
  const length = bytes.readUInt32LE(0)
  // A wrong length must not pass for a frame that is still on its way: nothing would be heard any more.
  if (crc32OfU32(length) !== bytes.readUInt32LE(4)) {
    throw new FrameError(`frame length ${length} does not match its check`)
  }
  if (length < HEADER_BYTES - LENGTH_BYTES + TYPE_BYTES || length > bytesMax)
    throw new FrameError(`frame of ${length} bytes`)
  return LENGTH_BYTES + length
}

function checkFrame(bytes: Buffer): Frame {
  const expected = bytes.readUInt32LE(8)
  const checked = bytes.subarray(HEADER_BYTES)
  const actual = crc32(checked)
  if (actual !== expected) throw new FrameError(`frame checksum is ${actual}, its header says ${expected}`)
  return { type: checked[0] as number, body: new ByteReader(checked.subarray(TYPE_BYTES)) }
}
