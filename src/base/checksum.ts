/**
 * Checksums of bytes. CRC32 guards frames and values against accident, SHA-256 names and guards
 * blobs and manifests; MD5 is there only to check what others send with it.
 *
 * A checksum algorithm that isn't known is an error, and so is an expected checksum that is empty
 * or malformed: neither may ever count as a match.
 */
import { createHash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { storageError } from './errors.ts'

export const CHECKSUM_NAMES = ['CRC32', 'MD5', 'SHA256'] as const
export type ChecksumName = (typeof CHECKSUM_NAMES)[number]

/** Unsigned 32 bits. `seed` is the checksum of the bytes before, so that a record can be checked in parts. */
export function crc32(bytes: Uint8Array, seed: number = 0): number {
  return zlibCrc32(bytes, seed)
}

const CRC32_POLYNOMIAL = 0xedb88320
const CRC32_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32_POLYNOMIAL : crc >>> 1
  return crc
})

/** `crc32` of the four little-endian bytes of a whole number below 2^32: a sixth of the cost of a call into zlib. */
export function crc32OfU32(value: number): number {
  let crc = -1
  for (let shift = 0; shift < 32; shift += 8) {
    crc = (crc >>> 8) ^ (CRC32_TABLE[(crc ^ (value >>> shift)) & 0xff] as number)
  }
  return ~crc >>> 0
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Lower-case hexadecimal digits. `name` comes from a file or a request, so it may be anything. */
export function checksum(name: string, bytes: Uint8Array): string {
  switch (checksumName(name)) {
    case 'CRC32':
      return crc32(bytes).toString(16).padStart(8, '0')
    case 'MD5':
      return createHash('md5').update(bytes).digest('hex')
    case 'SHA256':
      return sha256Hex(bytes)
  }
}

/** Throws `checksumMismatch` unless `bytes` have exactly the checksum `expected`. */
export function verifyChecksum(name: string, bytes: Uint8Array, expected: string): void {
  const actual = checksum(name, bytes)
  if (actual === expected.toLowerCase()) return
  throw storageError('checksumMismatch', {
    message: `${name} of ${bytes.length} bytes is ${actual}, expected ${expected === '' ? 'nothing' : expected}`,
    context: { algorithm: name, actual, expected, sizeBytes: bytes.length },
  })
}

function checksumName(name: string): ChecksumName {
  const found = CHECKSUM_NAMES.find((known) => known === name)
  if (found !== undefined) return found
  throw storageError('invalidFormat', {
    message: `unknown checksum algorithm ${JSON.stringify(name)}; known are ${CHECKSUM_NAMES.join(', ')}`,
    context: { algorithm: name },
  })
}
