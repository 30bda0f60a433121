/** Keys and codecs of a group's engine records (docs/formats/engine-records.md). */
import assert from 'node:assert/strict'
import { ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { type ByteString, bufferToBytes, bytesToBuffer } from '../../base/bytes.ts'
import { type LogPosition, makeLogIndex, makeTerm } from '../../base/log-entry.ts'
import { isMetaKey } from './overlay.ts'

export const APPLIED_KEY: ByteString = 'A'
const HASH_PREFIX = 'H'
const META_SPACE = 'M'
const DATA_SPACE = 'D'
/** The first byte of an applied record: the state as entries left it, or as a snapshot did. */
const AppliedOrigin = { entries: 1, snapshot: 2 } as const
const EPOCH_MAX = 0xffff_ffff

export type AppliedRecord = {
  readonly position: LogPosition
  readonly timeMs: number
  readonly machineVersion: number
  readonly epochs: Epochs
  /** In raft's encoding. */
  readonly membership: Uint8Array
}

/** Records under other epochs are garbage. */
export type Epochs = { readonly data: number; readonly meta: number }

/** Builds engine keys for one pair of epochs; a new one is made when an epoch changes. */
export type EngineKeys = {
  readonly epochs: Epochs
  of(machineKey: ByteString): ByteString
  /** The machine key inside an engine key of this epoch. */
  machineKeyOf(engineKey: ByteString): ByteString
}

export function makeEngineKeys(epochs: Epochs): EngineKeys {
  const dataPrefix = DATA_SPACE + epochBytes(epochs.data)
  const metaPrefix = META_SPACE + epochBytes(epochs.meta)
  return {
    epochs,
    of: (machineKey) => (isMetaKey(machineKey) ? metaPrefix : dataPrefix) + machineKey,
    machineKeyOf: (engineKey) => engineKey.slice(dataPrefix.length),
  }
}

/** Every record of an engine. */
export const EVERYTHING: EngineKeyRange = { from: '\x00', to: '\xff' }

export type EngineKeyRange = { readonly from: ByteString; readonly to: ByteString }

/** Data records of epochs in [from, to). */
export function dataEpochs(from: number, to: number): EngineKeyRange {
  return { from: DATA_SPACE + epochBytes(from), to: DATA_SPACE + epochBytes(to) }
}

/** Bookkeeping records of epochs in [from, to). */
export function metaEpochs(from: number, to: number): EngineKeyRange {
  return { from: META_SPACE + epochBytes(from), to: META_SPACE + epochBytes(to) }
}

/** Everything that is not of these epochs. */
export function garbageRanges(epochs: Epochs): readonly EngineKeyRange[] {
  return [
    dataEpochs(0, epochs.data),
    dataEpochs(epochs.data + 1, EPOCH_MAX),
    metaEpochs(0, epochs.meta),
    metaEpochs(epochs.meta + 1, EPOCH_MAX),
  ]
}

/**
 * What a state under `next` makes garbage while the process runs: the state of now, and older epochs.
 * Newer ones are being received: they may be the state after that.
 */
export function supersededRanges(now: Epochs, next: Epochs): readonly EngineKeyRange[] {
  const ranges = [dataEpochs(0, next.data), metaEpochs(0, next.meta)]
  // A clear may have moved the data to an epoch younger than the snapshot's.
  if (now.data > next.data) ranges.push(dataEpochs(now.data, now.data + 1))
  if (now.meta > next.meta) ranges.push(metaEpochs(now.meta, now.meta + 1))
  return ranges
}

export function hashChunkKey(chunk: number): ByteString {
  return HASH_PREFIX + String.fromCharCode(chunk >>> 8, chunk & 0xff)
}

/** `isInstalled`: the log's base record, which follows the installing of a snapshot, may not be written yet. */
export function encodeApplied(record: AppliedRecord, isInstalled = false): ByteString {
  const writer = new ByteWriter(64 + record.membership.length)
  writer.u8(isInstalled ? AppliedOrigin.snapshot : AppliedOrigin.entries)
  writer.u64(record.position.index)
  writer.u64(record.position.term)
  writer.u64(record.timeMs)
  writer.varint(record.machineVersion)
  writer.u32(record.epochs.data)
  writer.u32(record.epochs.meta)
  writer.bytes(record.membership)
  return bufferToBytes(writer.takeBytes())
}

export function decodeApplied(value: ByteString): AppliedRecord {
  const reader = new ByteReader(bytesToBuffer(value))
  const origin = reader.u8()
  if (origin !== AppliedOrigin.entries && origin !== AppliedOrigin.snapshot)
    throw new MalformedBytes(`applied record of unknown origin ${origin}`)
  const index = makeLogIndex(reader.u64())
  const term = makeTerm(reader.u64())
  const timeMs = reader.u64()
  const machineVersion = reader.varint()
  const epochs = { data: reader.u32(), meta: reader.u32() }
  const membership = Uint8Array.from(reader.bytes())
  reader.expectEnd()
  return { position: { index, term }, timeMs, machineVersion, epochs, membership }
}

export function isInstalled(value: ByteString): boolean {
  return value.charCodeAt(0) === AppliedOrigin.snapshot
}

function epochBytes(epoch: number): ByteString {
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= EPOCH_MAX, `not an epoch: ${epoch}`)
  return String.fromCharCode((epoch >>> 24) & 0xff, (epoch >>> 16) & 0xff, (epoch >>> 8) & 0xff, epoch & 0xff)
}
