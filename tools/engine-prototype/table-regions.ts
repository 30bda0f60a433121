/**
 * Says which bytes of a table file are data, index, filter, properties or footer, so that the flips
 * can be spread over all of them. Reads the formats of LevelDB (footer 48 bytes) and RocksDB
 * (format version 6, footer 53 bytes), uncompressed blocks only.
 */
import assert from 'node:assert/strict'

export type Region = { readonly name: string; readonly from: number; readonly to: number }
type Handle = { readonly offset: number; readonly size: number }

const LEVEL_FOOTER_BYTES = 48
const ROCKS_FOOTER_BYTES = 53
const TRAILER_BYTES = 5
const ROCKS_MAGIC = 0x88e241b785f4cff7n

export function tableRegions(file: Buffer): readonly Region[] {
  const isRocks = file.readBigUInt64LE(file.length - 8) === ROCKS_MAGIC
  const footerFrom = file.length - (isRocks ? ROCKS_FOOTER_BYTES : LEVEL_FOOTER_BYTES)
  let metaIndex: Handle
  let index: Handle | null = null
  if (isRocks) {
    // Checksum type, extended magic, footer checksum, base context, then the metaindex block's size.
    const size = file.readUInt32LE(footerFrom + 13)
    metaIndex = { offset: footerFrom - TRAILER_BYTES - size, size }
  } else {
    const [first, next] = readHandle(file, footerFrom)
    metaIndex = first
    index = readHandle(file, next)[0]
  }
  const regions: Region[] = [region('meta', metaIndex), { name: 'footer', from: footerFrom, to: file.length }]
  for (const [key, value] of blockEntries(
    file.subarray(metaIndex.offset, metaIndex.offset + metaIndex.size),
  )) {
    const handle = readHandle(value, 0)[0]
    if (key.includes('filter')) regions.push(region('filter', handle))
    else if (key.includes('rocksdb.index')) index = handle
    else regions.push(region('meta', handle))
  }
  assert(index !== null)
  regions.push(region('index', index))
  const dataTo = Math.min(...regions.map(({ from }) => from))
  regions.push({ name: 'data', from: 0, to: dataTo })
  return regions
}

function region(name: string, handle: Handle): Region {
  return { name, from: handle.offset, to: handle.offset + handle.size + TRAILER_BYTES }
}

function readHandle(bytes: Buffer, at: number): [Handle, number] {
  const [offset, middle] = readVarint(bytes, at)
  const [size, end] = readVarint(bytes, middle)
  return [{ offset, size }, end]
}

function readVarint(bytes: Buffer, from: number): [number, number] {
  let value = 0
  for (let at = from; ; at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * (at - from))
    if (byte < 0x80) return [value, at + 1]
  }
}

function* blockEntries(block: Buffer): Generator<[string, Buffer]> {
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
  let key = ''
  for (let at = 0; at < end; ) {
    const [shared, at1] = readVarint(block, at)
    const [unshared, at2] = readVarint(block, at1)
    const [valueBytes, at3] = readVarint(block, at2)
    key = key.slice(0, shared) + block.toString('latin1', at3, at3 + unshared)
    at = at3 + unshared + valueBytes
    yield [key, block.subarray(at3 + unshared, at)]
  }
}
