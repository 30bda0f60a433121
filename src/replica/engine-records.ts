/** Keys and codecs of a group's engine records (docs/formats/engine-records.md). */
import assert from 'node:assert/strict'
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { type ByteString, bufferToBytes, bytesToBuffer } from '../base/bytes.ts'
import { type LogPosition, makeLogIndex, makeTerm } from '../base/log-entry.ts'
import { isMetaKey } from './overlay.ts'

export const APPLIED_KEY: ByteString = 'A'
const HASH_PREFIX = 'H'
const META_SPACE = 'M'
const DATA_SPACE = 'D'
const FORMAT_VERSION = 1
const EPOCH_MAX = 0xffff_fffe

export type AppliedRecord = {
  readonly position: LogPosition
  readonly timeMs: number
  readonly machineVersion: number
  readonly epoch: number
  /** In raft's encoding. */
  readonly membership: Uint8Array
}

/** Builds engine keys for one epoch; a new one is made when the epoch changes. */
export type EngineKeys = {
  readonly epoch: number
  of(machineKey: ByteString): ByteString
  /** The machine key inside an engine key of this epoch. */
  machineKeyOf(engineKey: ByteString): ByteString
}

export function makeEngineKeys(epoch: number): EngineKeys {
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= EPOCH_MAX, `not an epoch: ${epoch}`)
  const dataPrefix = DATA_SPACE + bigEndianU32(epoch)
  return {
    epoch,
    of: (machineKey) => (isMetaKey(machineKey) ? META_SPACE : dataPrefix) + machineKey,
    machineKeyOf: (engineKey) => engineKey.slice(engineKey.startsWith(META_SPACE) ? 1 : dataPrefix.length),
  }
}

/** All data records of epochs in [from, to). */
export function epochRange(from: number, to: number): { readonly from: ByteString; readonly to: ByteString } {
  return { from: DATA_SPACE + bigEndianU32(from), to: DATA_SPACE + bigEndianU32(to) }
}

/** All bookkeeping records. */
export const META_RANGE = { from: META_SPACE, to: String.fromCharCode(META_SPACE.charCodeAt(0) + 1) } as const

export function hashChunkKey(chunk: number): ByteString {
  return HASH_PREFIX + String.fromCharCode(chunk >>> 8, chunk & 0xff)
}

export function encodeApplied(record: AppliedRecord): ByteString {
  const writer = new ByteWriter(64 + record.membership.length)
  writer.u8(FORMAT_VERSION)
  writer.u64(record.position.index)
  writer.u64(record.position.term)
  writer.u64(record.timeMs)
  writer.varint(record.machineVersion)
  writer.u32(record.epoch)
  writer.bytes(record.membership)
  return bufferToBytes(writer.takeBytes())
}

export function decodeApplied(value: ByteString): AppliedRecord {
  const reader = new ByteReader(bytesToBuffer(value))
  const format = reader.u8()
  if (format !== FORMAT_VERSION) throw new MalformedBytes(`applied record of unknown format ${format}`)
  const index = makeLogIndex(reader.u64())
  const term = makeTerm(reader.u64())
  const timeMs = reader.u64()
  const machineVersion = reader.varint()
  const epoch = reader.u32()
  const membership = Uint8Array.from(reader.bytes())
  reader.expectEnd()
  return { position: { index, term }, timeMs, machineVersion, epoch, membership }
}

function bigEndianU32(value: number): ByteString {
  return String.fromCharCode((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}
