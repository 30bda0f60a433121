/**
 * Streams one group's state to a replica that is too far behind for the log
 * (docs/formats/snapshot-stream.md).
 *
 * The state is a frozen view of the engine, so the group goes on meanwhile. A broken connection, or
 * one on which no answer comes, is resumed; after `ATTEMPTS_MAX` attempts in a row without a chunk
 * getting through it gives up, and consensus will ask again.
 */
import type { ByteReader } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { ByteString } from '../../base/bytes.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { LogIndex, Term } from '../../base/log-entry.ts'
import type { KeyValue } from '../../base/machine.ts'
import { type Clock, sleep } from '../../env/clock.ts'
import type { EngineSnapshot } from '../../env/engine.ts'
import { RequestKind } from '../request-kinds.ts'
import {
  APPLIED_KEY,
  dataEpochs,
  decodeApplied,
  type EngineKeyRange,
  type EngineKeys,
  makeEngineKeys,
  metaEpochs,
} from '../state/engine-records.ts'
import type { StateStore } from '../state/state-store.ts'
import { StoredHash } from '../state/stored-hash.ts'
import type { Transport } from '../transport/transport.ts'
import { type SnapshotId, writeBegin, writeChunk, writeEnd } from './snapshot-codec.ts'

/** A chunk ends at either. */
const CHUNK_BYTES = 256 * 1024
const CHUNK_RECORDS = 1_024
/** Read in one call of the engine: about a chunk's bytes, as far as the records before tell. */
const PAGE_RECORDS_MAX = 256
const FIRST_PAGE_RECORDS = 8
const ATTEMPTS_MAX = 30
const ATTEMPT_PAUSE_MS = 200
const ROOM_PAUSE_MS = 5
/**
 * For a message to be sent, and what it brings to be written to the other side's engine and answered. To ask again does
 * no harm: whatever got through meanwhile is not sent again.
 */
const ANSWER_TIMEOUT_MS = 3_000
/** What a link carries at least: a chunk may be one value of hundreds of megabytes. */
const BYTES_PER_MS_MIN = 1_000

export type SnapshotSenderDependencies = {
  readonly store: StateStore
  readonly transport: Transport
  readonly clock: Clock
  /** Sending ends early when this turns true: leadership is lost, the node stops. */
  readonly isCancelled: () => boolean
}

type Cursor = { readonly range: number; readonly from: ByteString }
type Chunk = { readonly records: readonly KeyValue[]; readonly bytes: number; readonly next: Cursor }

/** The index of the state that the receiver accepted, or null. */
export async function sendSnapshot(
  dependencies: SnapshotSenderDependencies,
  target: { readonly to: ReplicaId; readonly group: GroupId; readonly number: number; readonly term: Term },
): Promise<LogIndex | null> {
  const { view } = await dependencies.store.snapshot()
  try {
    return await new Sending(dependencies, view, target).run()
  } finally {
    await view.close()
  }
}

class Sending {
  readonly #dependencies: SnapshotSenderDependencies
  readonly #view: EngineSnapshot
  readonly #to: ReplicaId
  readonly #term: Term
  readonly #id: SnapshotId
  #keys: EngineKeys | null = null
  #ranges: readonly EngineKeyRange[] = []
  /** Where each chunk begins: what resuming needs. */
  readonly #cursors: Cursor[] = []
  #answeredChunks = 0
  #pageRecords = FIRST_PAGE_RECORDS

  constructor(
    dependencies: SnapshotSenderDependencies,
    view: EngineSnapshot,
    target: { readonly to: ReplicaId; readonly group: GroupId; readonly number: number; readonly term: Term },
  ) {
    this.#dependencies = dependencies
    this.#view = view
    this.#to = target.to
    this.#term = target.term
    this.#id = { group: target.group, number: target.number }
  }

  async run(): Promise<LogIndex | null> {
    const [encoded] = await this.#view.getMany([APPLIED_KEY])
    if (encoded === null || encoded === undefined) throw new Error('the engine has no applied record to send')
    const applied = decodeApplied(encoded)
    const { data, meta } = applied.epochs
    this.#keys = makeEngineKeys(applied.epochs)
    this.#ranges = [metaEpochs(meta, meta + 1), dataEpochs(data, data + 1)]
    this.#cursors.push({ range: 0, from: (this.#ranges[0] as EngineKeyRange).from })
    const digest = (await StoredHash.read(this.#view)).digest()
    let failures = 0
    while (failures < ATTEMPTS_MAX && !this.#dependencies.isCancelled()) {
      const answeredBefore = this.#answeredChunks
      const accepted = await this.#attempt(encoded, digest)
      if (accepted !== null) return accepted ? applied.position.index : null
      // Something got through: a connection that breaks now and then is no reason to give up.
      failures = this.#answeredChunks > answeredBefore ? 0 : failures + 1
      await sleep(this.#dependencies.clock, ATTEMPT_PAUSE_MS)
    }
    return null
  }

  /** Whether the receiver accepted; null when the connection broke or it refused for now. */
  async #attempt(encoded: ByteString, digest: ByteString): Promise<boolean | null> {
    const begun = await this.#request(RequestKind.snapshotBegin, (writer) =>
      writeBegin(writer, { id: this.#id, term: this.#term, applied: encoded }),
    )
    if (begun === null) return null
    const next = begun.varint()
    // Those that got through so late that their answers did not count.
    this.#answeredChunks = Math.max(this.#answeredChunks, next)
    const chunks = await this.#sendFrom(next)
    if (chunks === null) return null
    const ended = await this.#request(RequestKind.snapshotEnd, (writer) =>
      writeEnd(writer, { id: this.#id, chunks, digest }),
    )
    return ended === null ? null : ended.u8() === 1
  }

  /** How many chunks the whole snapshot has; null when the connection broke. */
  async #sendFrom(first: number): Promise<number | null> {
    for (let ordinal = first; ; ordinal++) {
      if (this.#dependencies.isCancelled()) return null
      const cursor = this.#cursors[ordinal]
      if (cursor === undefined)
        throw new Error(`the receiver asks for chunk ${ordinal} of ${this.#cursors.length}`)
      const { records, bytes, next } = await this.#readChunk(cursor)
      if (records.length === 0) return ordinal
      this.#cursors[ordinal + 1] = next
      await this.#awaitRoom()
      const write = (writer: ByteWriter): void => writeChunk(writer, { id: this.#id, ordinal, records })
      const answer = await this.#request(RequestKind.snapshotChunk, write, bytes)
      if (answer === null) return null
      this.#answeredChunks = Math.max(this.#answeredChunks, ordinal + 1)
    }
  }

  async #readChunk(start: Cursor): Promise<Chunk> {
    const keys = this.#keys as EngineKeys
    const records: KeyValue[] = []
    let cursor = start
    let bytes = 0
    while (bytes < CHUNK_BYTES && records.length < CHUNK_RECORDS) {
      const range = this.#ranges[cursor.range]
      if (range === undefined) break
      const limit = this.#pageRecords
      const page = await this.#view.range({ from: cursor.from, to: range.to, limit })
      let pageBytes = 0
      let taken = 0
      for (const record of page) {
        if (bytes >= CHUNK_BYTES) break
        records.push({ key: keys.machineKeyOf(record.key), value: record.value })
        taken += 1
        pageBytes += record.key.length + record.value.length
        bytes += record.key.length + record.value.length
        cursor = { range: cursor.range, from: `${record.key}\x00` }
      }
      if (taken === page.length && page.length < limit) {
        cursor = { range: cursor.range + 1, from: this.#ranges[cursor.range + 1]?.from ?? '' }
      }
      if (taken > 0) this.#pageRecords = pageOf(pageBytes / taken)
    }
    return { records, bytes, next: cursor }
  }

  async #awaitRoom(): Promise<void> {
    const { transport, clock, isCancelled } = this.#dependencies
    while (transport.isConnected(this.#to) && !transport.hasRoom(this.#to) && !isCancelled()) {
      await sleep(clock, ROOM_PAUSE_MS)
    }
  }

  /** Null: refused, the connection broke, or no answer came in time. */
  #request(kind: number, write: (writer: ByteWriter) => void, bytes = 0): Promise<ByteReader | null> {
    const { transport, clock } = this.#dependencies
    return new Promise((resolve) => {
      const timer = clock.setTimer(ANSWER_TIMEOUT_MS + bytes / BYTES_PER_MS_MIN, () => resolve(null))
      transport.request(kind, this.#to, write, (answer) => {
        timer.cancel()
        resolve(answer)
      })
    })
  }
}

function pageOf(recordBytes: number): number {
  return Math.min(Math.max(Math.floor(CHUNK_BYTES / recordBytes), 1), PAGE_RECORDS_MAX)
}
