/**
 * CRC-32C (Castagnoli), only to check the logs that RocksDB writes: our own frames use `zlib.crc32`.
 * Eight tables, eight bytes a step: some 1 GB/s, so a whole log is checked in the time of a hiccup.
 */
import type { Buffer } from 'node:buffer'

const POLYNOMIAL = 0x82f63b78
const TABLES = makeTables()

function makeTables(): readonly Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256))
  const first = tables[0] as Int32Array
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    first[byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = first[byte] as number
    for (let table = 1; table < 8; table++) {
      crc = (first[crc & 0xff] as number) ^ (crc >>> 8)
      ;(tables[table] as Int32Array)[byte] = crc
    }
  }
  return tables
}

/** Unsigned CRC-32C of bytes[from, to). */
export function crc32c(bytes: Buffer, from: number, to: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as readonly [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  let crc = ~0
  let at = from
  for (; at + 8 <= to; at += 8) {
    crc ^= bytes.readInt32LE(at)
    const high = bytes.readInt32LE(at + 4)
    crc =
      (t7[crc & 0xff] as number) ^
      (t6[(crc >>> 8) & 0xff] as number) ^
      (t5[(crc >>> 16) & 0xff] as number) ^
      (t4[crc >>> 24] as number) ^
      (t3[high & 0xff] as number) ^
      (t2[(high >>> 8) & 0xff] as number) ^
      (t1[(high >>> 16) & 0xff] as number) ^
      (t0[high >>> 24] as number)
  }
  for (; at < to; at++) crc = (t0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}
