/**
 * The three requests that carry a snapshot (docs/formats/snapshot-stream.md).
 */
import assert from 'node:assert/strict'
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { ByteString } from '../../base/bytes.ts'
import type { GroupId } from '../../base/ids.ts'
import { makeTerm, type Term } from '../../base/log-entry.ts'
import type { KeyValue } from '../../base/machine.ts'
import { readGroupId } from '../transport/read-group-id.ts'

export type SnapshotId = { readonly group: GroupId; readonly number: number }

export type SnapshotBegin = {
  readonly id: SnapshotId
  /** The sender's term: tells a snapshot of a deposed leader from a current one. */
  readonly term: Term
  /** The sender's applied record, encoded; its epochs mean nothing to the receiver. */
  readonly applied: ByteString
}
export type SnapshotChunk = {
  readonly id: SnapshotId
  readonly ordinal: number
  readonly records: readonly KeyValue[]
}
export type SnapshotEnd = { readonly id: SnapshotId; readonly chunks: number; readonly digest: ByteString }

export function writeBegin(writer: ByteWriter, begin: SnapshotBegin): void {
  writeId(writer, begin.id)
  writer.varint(begin.term)
  writer.byteString(begin.applied)
}

export function readBegin(reader: ByteReader): SnapshotBegin {
  const begin = { id: readId(reader), term: makeTerm(reader.varint()), applied: reader.byteString() }
  reader.expectEnd()
  return begin
}

export function writeChunk(writer: ByteWriter, chunk: SnapshotChunk): void {
  assert(chunk.records.length > 0)
  writeId(writer, chunk.id)
  writer.varint(chunk.ordinal)
  writer.varint(chunk.records.length)
  for (const { key, value } of chunk.records) {
    writer.byteString(key)
    writer.byteString(value)
  }
}

export function readChunk(reader: ByteReader): SnapshotChunk {
  const id = readId(reader)
  const ordinal = reader.varint()
  const count = reader.varint()
  if (count > reader.remaining) throw new MalformedBytes(`${count} records in ${reader.remaining} bytes`)
  const records: KeyValue[] = []
  for (let at = 0; at < count; at++) records.push({ key: reader.byteString(), value: reader.byteString() })
  reader.expectEnd()
  return { id, ordinal, records }
}

export function writeEnd(writer: ByteWriter, end: SnapshotEnd): void {
  writeId(writer, end.id)
  writer.varint(end.chunks)
  writer.byteString(end.digest)
}

export function readEnd(reader: ByteReader): SnapshotEnd {
  const end = { id: readId(reader), chunks: reader.varint(), digest: reader.byteString() }
  reader.expectEnd()
  return end
}

function writeId(writer: ByteWriter, id: SnapshotId): void {
  writer.varint(id.group)
  writer.u32(id.number)
}

function readId(reader: ByteReader): SnapshotId {
  return { group: readGroupId(reader), number: reader.u32() }
}
