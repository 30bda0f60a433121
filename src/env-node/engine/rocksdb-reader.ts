/**
 * Reads of an engine and of its snapshots: byte strings in and out, buffers only in between.
 *
 * RocksDB checks each block's checksum when it reads it from disk, so a value that comes back is the
 * one that was written. All keys of a call are read at one point in time.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type RocksDB from 'rocksdb-native'
import { type ByteString, bufferToBytes } from '../../base/bytes.ts'
import type { KeyRange, KeyValue } from '../../base/machine.ts'

/** Keys per native call: the main thread pays some 4 µs each, at once, for arguments and results. */
const READ_KEYS_MAX = 512
/** Records per trip to the thread pool. */
const ITERATOR_RECORDS_MAX = 256

/** `isFrozen`: the database is a snapshot, so several calls see the same state. */
export async function readMany(
  database: RocksDB,
  keys: readonly ByteString[],
  isFrozen: boolean,
): Promise<(ByteString | null)[]> {
  if (keys.length === 0) return []
  if (keys.length <= READ_KEYS_MAX) return readOnce(database, keys, 0, keys.length)
  const snapshot = isFrozen ? database : database.snapshot()
  const values: (ByteString | null)[] = []
  try {
    for (let from = 0; from < keys.length; from += READ_KEYS_MAX) {
      const part = await readOnce(snapshot, keys, from, Math.min(from + READ_KEYS_MAX, keys.length))
      for (const value of part) values.push(value)
    }
  } finally {
    if (!isFrozen) await snapshot.close()
  }
  assert(values.length === keys.length)
  return values
}

async function readOnce(
  database: RocksDB,
  keys: readonly ByteString[],
  from: number,
  to: number,
): Promise<(ByteString | null)[]> {
  const batch = database.read({ capacity: to - from, autoDestroy: true })
  const reads: Promise<Buffer | null>[] = []
  for (let at = from; at < to; at++) reads.push(batch.get(Buffer.from(keys[at] as ByteString, 'latin1')))
  batch.tryFlush()
  const found = await Promise.all(reads)
  return found.map((value) => (value === null ? null : bufferToBytes(value)))
}

export function readRange(database: RocksDB, range: KeyRange): Promise<KeyValue[]> {
  const { from, to, limit } = range
  assert(limit >= 0)
  // RocksDB's binding takes an empty bound for none at all.
  if (limit === 0 || from >= to) return Promise.resolve([])
  // One more than asked, so that one trip is enough to see that the range ends there.
  const capacity = Math.min(limit + 1, ITERATOR_RECORDS_MAX)
  const bounds = { gte: Buffer.from(from, 'latin1'), lt: Buffer.from(to, 'latin1') }
  return new Promise((resolve, reject) => {
    const records: KeyValue[] = []
    let failure: Error | null = null
    database
      .iterator({ ...bounds, limit }, { capacity })
      .on('data', ({ key, value }) => records.push({ key: bufferToBytes(key), value: bufferToBytes(value) }))
      .on('error', (error) => {
        failure = error
      })
      .on('close', () => {
        assert(records.length <= limit)
        if (failure === null) resolve(records)
        else reject(failure)
      })
  })
}
