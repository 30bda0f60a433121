/**
 * Where a key lives: its slot, as Redis Cluster computes it, and its place within the slot.
 *
 * Both functions are for ever: clients compute slots themselves, `hashKey` is part of every
 * record key on disk and of SCAN's cursors.
 */
import type { ByteString } from '../base/bytes.ts'
import { SLOT_COUNT, type Slot } from '../base/ids.ts'

const OPENING_BRACE = 0x7b

/** CRC16/XMODEM: polynomial x^16 + x^12 + x^5 + 1, initially 0, not reflected. */
const CRC16_TABLE = makeCrc16Table()

function makeCrc16Table(): Uint16Array {
  const table = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    table[byte] = crc & 0xffff
  }
  return table
}

function crc16(bytes: ByteString, from: number, to: number): number {
  let crc = 0
  for (let index = from; index < to; index++) {
    crc = nextCrc16(crc, bytes.charCodeAt(index))
  }
  return crc
}

function nextCrc16(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (CRC16_TABLE[(crc >>> 8) ^ byte] as number)
}

/**
 * Keys that share a hash tag share a slot. The tag is what stands between the first `{` and the
 * first `}` after it, unless that is nothing.
 */
export function slotOf(key: ByteString): Slot {
  let crc = 0
  for (let index = 0; index < key.length; index++) {
    const byte = key.charCodeAt(index)
    if (byte === OPENING_BRACE) return slotOfTagged(key, index + 1)
    crc = nextCrc16(crc, byte)
  }
  return (crc & (SLOT_COUNT - 1)) as Slot
}

/** `start`: behind the first brace. */
function slotOfTagged(key: ByteString, start: number): Slot {
  const end = key.indexOf('}', start)
  const crc = end > start ? crc16(key, start, end) : crc16(key, 0, key.length)
  return (crc & (SLOT_COUNT - 1)) as Slot
}

/** 32 well-mixed bits of the whole key, so that the keys of a slot (or of one tag) spread evenly. */
export function hashKey(key: ByteString): number {
  let hash = 0x811c_9dc5 ^ key.length
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x0100_0193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb_352d)
  hash = Math.imul(hash ^ (hash >>> 15), 0x846c_a68b)
  return (hash ^ (hash >>> 16)) >>> 0
}
