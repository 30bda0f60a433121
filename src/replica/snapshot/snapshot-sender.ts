/**
 * Streams one group's state to a replica that is too far behind for the log
 * (docs/formats/snapshot-stream.md).
 *
 * The state is a frozen view of the engine, so the group goes on meanwhile. A broken connection is
 * resumed; after `ATTEMPTS_MAX` of them in a row without a chunk getting through, it gives up and
 * consensus will ask again.
 */
import type { ByteReader } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { ByteString } from '../../base/bytes.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { LogIndex, Term } from '../../base/log-entry.ts'
import type { KeyValue } from '../../base/machine.ts'
import { type Clock, sleep } from '../../env/clock.ts'
import type { EngineSnapshot } from '../../env/engine.ts'
import {
  APPLIED_KEY,
  dataEpochs,
  decodeApplied,
  type EngineKeyRange,
  type EngineKeys,
  makeEngineKeys,
  metaEpochs,
} from '../engine-records.ts'
import { RequestKind } from '../request-kinds.ts'
import type { StateStore } from '../state-store.ts'
import { StoredHash } from '../stored-hash.ts'
import type { Transport } from '../transport/transport.ts'
import { type SnapshotId, writeBegin, writeChunk, writeEnd } from './snapshot-codec.ts'

const CHUNK_BYTES = 256 * 1024
const PAGE_RECORDS = 1_000
const ATTEMPTS_MAX = 10
const ATTEMPT_PAUSE_MS = 200
const ROOM_PAUSE_MS = 5

export type SnapshotSenderDependencies = {
  readonly store: StateStore
  readonly transport: Transport
  readonly clock: Clock
  /** Sending ends early when this turns true: leadership is lost, the node stops. */
  readonly isCancelled: () => boolean
}

type Cursor = { readonly range: number; readonly from: ByteString }

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
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !this.#dependencies.isCancelled(); attempt++) {
      if (attempt > 0) await sleep(this.#dependencies.clock, ATTEMPT_PAUSE_MS)
      const begun = await this.#request(RequestKind.snapshotBegin, (writer) =>
        writeBegin(writer, { id: this.#id, term: this.#term, applied: encoded }),
      )
      if (begun === null) continue
      const first = begun.varint()
      const chunks = await this.#sendFrom(first)
      if (chunks === null) {
        // Something got through: a connection that breaks now and then is no reason to give up.
        if (this.#cursors.length > first + 1) attempt = 0
        continue
      }
      const ended = await this.#request(RequestKind.snapshotEnd, (writer) =>
        writeEnd(writer, { id: this.#id, chunks, digest }),
      )
      if (ended !== null) return ended.u8() === 1 ? applied.position.index : null
    }
    return null
  }

  /** How many chunks the whole snapshot has; null when the connection broke. */
  async #sendFrom(first: number): Promise<number | null> {
    for (let ordinal = first; ; ordinal++) {
      if (this.#dependencies.isCancelled()) return null
      const cursor = this.#cursors[ordinal]
      if (cursor === undefined)
        throw new Error(`the receiver asks for chunk ${ordinal} of ${this.#cursors.length}`)
      const { records, next } = await this.#readChunk(cursor)
      if (records.length === 0) return ordinal
      this.#cursors[ordinal + 1] = next
      await this.#awaitRoom()
      const answer = await this.#request(RequestKind.snapshotChunk, (writer) =>
        writeChunk(writer, { id: this.#id, ordinal, records }),
      )
      if (answer === null) return null
    }
  }

  async #readChunk(start: Cursor): Promise<{ readonly records: readonly KeyValue[]; readonly next: Cursor }> {
    const keys = this.#keys as EngineKeys
    const records: KeyValue[] = []
    let cursor = start
    let bytes = 0
    while (bytes < CHUNK_BYTES) {
      const range = this.#ranges[cursor.range]
      if (range === undefined) break
      const page = await this.#view.range({ from: cursor.from, to: range.to, limit: PAGE_RECORDS })
      for (const record of page) {
        records.push({ key: keys.machineKeyOf(record.key), value: record.value })
        bytes += record.key.length + record.value.length
        cursor = { range: cursor.range, from: `${record.key}\x00` }
        if (bytes >= CHUNK_BYTES) break
      }
      if (page.length < PAGE_RECORDS && bytes < CHUNK_BYTES) {
        cursor = { range: cursor.range + 1, from: this.#ranges[cursor.range + 1]?.from ?? '' }
      }
    }
    return { records, next: cursor }
  }

  async #awaitRoom(): Promise<void> {
    const { transport, clock, isCancelled } = this.#dependencies
    while (transport.isConnected(this.#to) && !transport.hasRoom(this.#to) && !isCancelled()) {
      await sleep(clock, ROOM_PAUSE_MS)
    }
  }

  #request(kind: number, write: (writer: ByteWriter) => void): Promise<ByteReader | null> {
    return new Promise((resolve) => this.#dependencies.transport.request(kind, this.#to, write, resolve))
  }
}
