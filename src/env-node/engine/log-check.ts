/**
 * Checks a file in RocksDB's log format: the write-ahead logs and the MANIFEST.
 *
 * RocksDB itself takes a record whose length points beyond the end of the file for one that a crash
 * cut short, and goes on without it: one flipped bit in the length of the MANIFEST's last record makes
 * a table file, and all that is in it, vanish without an error. So the engine looks for itself.
 *
 *   file   = blocks of 32 KiB, the last one may be shorter
 *   block  = record* zero-padding (a record never crosses a block; less than a header's room is padding)
 *   record = crc(4) length(2) type(1) [logNumber(4) if type 5..8] payload
 *   crc    = CRC-32C of type.. to the end of the payload, rotated right by 15, plus 0xa282ead8
 *   type   = 1 full, 2 first, 3 middle, 4 last; 5..8 the same, recyclable; others are whole records
 */
import assert from 'node:assert/strict'
import type { Buffer } from 'node:buffer'
import { crc32c } from './crc32c.ts'

export const LOG_BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const RECYCLABLE_HEADER_BYTES = 11
const MASK_DELTA = 0xa282ead8

export type LogCheck =
  | { readonly kind: 'whole' }
  /** The file ends within a record: what an append that a crash interrupted leaves behind. */
  | { readonly kind: 'torn'; readonly offset: number }
  | { readonly kind: 'damaged'; readonly offset: number; readonly reason: string }

/** Fed block by block, from the start of the file; `fragments` is what carries over. */
export type LogCheckState = { isInRecord: boolean }

/** Null when the block is sound and ends a record or goes on in the next block. */
export function checkLogBlock(
  state: LogCheckState,
  block: Buffer,
  blockOffset: number,
  isLastBlock: boolean,
): LogCheck | null {
  assert(block.length <= LOG_BLOCK_BYTES && blockOffset % LOG_BLOCK_BYTES === 0)
  assert(isLastBlock || block.length === LOG_BLOCK_BYTES)
  let at = 0
  while (at < block.length) {
    const offset = blockOffset + at
    if (LOG_BLOCK_BYTES - at < HEADER_BYTES) {
      if (isZero(block, at)) break
      return { kind: 'damaged', offset, reason: 'the padding of a block is not zero' }
    }
    if (block.length - at < HEADER_BYTES) return { kind: 'torn', offset }
    const length = block.readUInt16LE(at + 4)
    const type = block[at + 6] as number
    if (type === 0 && length === 0) {
      const isUnwritten = isLastBlock && isZero(block, at)
      return isUnwritten
        ? { kind: 'torn', offset }
        : { kind: 'damaged', offset, reason: 'zeros inside the log' }
    }
    const isRecyclable = type >= 5 && type <= 8
    const end = at + (isRecyclable ? RECYCLABLE_HEADER_BYTES : HEADER_BYTES) + length
    if (end > LOG_BLOCK_BYTES) return { kind: 'damaged', offset, reason: 'a record crosses its block' }
    const stored = block.readUInt32LE(at)
    if (end > block.length) {
      // A cut record has not all of its payload; one that has it all had its length changed.
      const isComplete = stored === maskedCrc(block, at + 6, block.length)
      return isComplete
        ? { kind: 'damaged', offset, reason: 'the length of a record changed' }
        : { kind: 'torn', offset }
    }
    if (stored !== maskedCrc(block, at + 6, end))
      return { kind: 'damaged', offset, reason: 'checksum mismatch' }
    if (!followFragment(state, isRecyclable ? type - 4 : type)) {
      return { kind: 'damaged', offset, reason: 'a fragment of a record is missing' }
    }
    at = end
  }
  if (!isLastBlock) return null
  return state.isInRecord ? { kind: 'torn', offset: blockOffset + block.length } : { kind: 'whole' }
}

export function checkLogBytes(bytes: Buffer): LogCheck {
  const state: LogCheckState = { isInRecord: false }
  for (let offset = 0; offset < bytes.length; offset += LOG_BLOCK_BYTES) {
    const block = bytes.subarray(offset, offset + LOG_BLOCK_BYTES)
    const found = checkLogBlock(state, block, offset, offset + LOG_BLOCK_BYTES >= bytes.length)
    if (found !== null) return found
  }
  return { kind: 'whole' }
}

/** False when `type` cannot come here. */
function followFragment(state: LogCheckState, type: number): boolean {
  const continues = type === 3 || type === 4
  if (continues !== state.isInRecord) return false
  state.isInRecord = type === 2 || type === 3
  return true
}

function maskedCrc(bytes: Buffer, from: number, to: number): number {
  const crc = crc32c(bytes, from, to)
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

function isZero(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}
