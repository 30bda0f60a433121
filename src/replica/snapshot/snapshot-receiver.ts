/**
 * Takes in a snapshot chunk by chunk, under an epoch that nothing reads yet, and offers it to
 * consensus when it is whole (docs/formats/snapshot-stream.md).
 *
 * One at a time per group; a newer one replaces an older one, and one of an earlier term is given up: its
 * sender has been deposed and will not finish it. What is given up is removed from the engine at once; a crash
 * leaves the removal to the next start.
 */
import type { ByteReader } from '../../base/byte-reader.ts'
import type { ByteString } from '../../base/bytes.ts'
import type { ReplicaId } from '../../base/ids.ts'
import type { LogPosition, Term } from '../../base/log-entry.ts'
import type { Logger } from '../../env/logger.ts'
import { type AppliedRecord, decodeApplied } from '../state/engine-records.ts'
import type { StateStore } from '../state/state-store.ts'
import { StoredHash } from '../state/stored-hash.ts'
import type { Respond } from '../transport/transport.ts'
import { readBegin, readChunk, readEnd } from './snapshot-codec.ts'

export type ReceivedSnapshot = { readonly applied: AppliedRecord; readonly hash: StoredHash }

type Receiving = {
  readonly number: number
  readonly from: ReplicaId
  readonly term: Term
  readonly applied: AppliedRecord
  readonly epoch: number
  readonly hash: StoredHash
  nextOrdinal: number
}

export type SnapshotReceiverDependencies = {
  readonly store: StateStore
  readonly partitionOf: (key: ByteString) => number
  readonly logger: Logger
  /** Of the replica. */
  readonly term: () => Term
  /** True when consensus wants it: it will come back as something to install. */
  readonly offer: (position: LogPosition, membership: Uint8Array, from: ReplicaId, term: Term) => boolean
}

export class SnapshotReceiver {
  readonly #dependencies: SnapshotReceiverDependencies
  #receiving: Receiving | null = null
  #complete: ReceivedSnapshot | null = null
  /** Chunks are staged in the order they came, whatever the engine's timing. */
  #tail: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(dependencies: SnapshotReceiverDependencies) {
    this.#dependencies = dependencies
  }

  begin(from: ReplicaId, body: ByteReader, respond: Respond): void {
    const begin = readBegin(body)
    this.#enqueue(respond, async () => {
      const current = this.#receiving
      if (begin.term < Math.max(current?.term ?? 0, this.#dependencies.term())) {
        respond(null)
        return
      }
      if (current === null || current.number !== begin.id.number || current.from !== from) {
        const sent = decodeApplied(begin.applied)
        await this.#discard(current)
        const epoch = this.#dependencies.store.allocateEpoch()
        const applied = { ...sent, epochs: { data: epoch, meta: epoch } }
        this.#receiving = {
          number: begin.id.number,
          from,
          term: begin.term,
          applied,
          epoch,
          hash: new StoredHash(),
          nextOrdinal: 0,
        }
      }
      const { nextOrdinal } = this.#receiving as Receiving
      respond((writer) => writer.varint(nextOrdinal))
    })
  }

  chunk(from: ReplicaId, body: ByteReader, respond: Respond): void {
    const chunk = readChunk(body)
    this.#enqueue(respond, async () => {
      const receiving = this.#receiving
      const isExpected = receiving !== null && receiving.from === from && receiving.number === chunk.id.number
      if (!isExpected || chunk.ordinal > receiving.nextOrdinal) {
        respond(null)
        return
      }
      if (chunk.ordinal === receiving.nextOrdinal) {
        await this.#dependencies.store.stage(receiving.epoch, chunk.records)
        for (const { key, value } of chunk.records) {
          receiving.hash.add(this.#dependencies.partitionOf(key), key, value)
        }
        receiving.nextOrdinal += 1
      }
      respond(() => {})
    })
  }

  end(from: ReplicaId, body: ByteReader, respond: Respond): void {
    const end = readEnd(body)
    this.#enqueue(respond, async () => {
      const receiving = this.#receiving
      if (receiving === null || receiving.from !== from || receiving.number !== end.id.number) {
        respond(null)
        return
      }
      this.#receiving = null
      const isWhole = receiving.nextOrdinal === end.chunks && receiving.hash.digest() === end.digest
      if (!isWhole) {
        this.#dependencies.logger.error('a received snapshot does not match its digest and is thrown away', {
          from,
          chunks: receiving.nextOrdinal,
          expectedChunks: end.chunks,
        })
      }
      const isAccepted = isWhole && this.#offer(receiving)
      if (!isAccepted) await this.#discard(receiving)
      respond((writer) => writer.u8(isAccepted ? 1 : 0))
    })
  }

  /** The replica has moved to another term. */
  termChanged(): void {
    if (this.#receiving === null) return
    this.#enqueue(ignore, async () => {
      const receiving = this.#receiving
      if (receiving !== null && receiving.term < this.#dependencies.term()) await this.#discard(receiving)
    })
  }

  /** The replica stops, and takes in nothing more: what is half received, or not installed yet, goes. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#tail
    await this.#discard(this.#receiving)
    const complete = this.#complete
    this.#complete = null
    if (complete !== null) await this.#dependencies.store.discardStaged(complete.applied.epochs.data)
  }

  /** The snapshot that consensus accepted at this position. */
  take(position: LogPosition): ReceivedSnapshot {
    const complete = this.#complete
    this.#complete = null
    if (complete === null || complete.applied.position.index !== position.index) {
      throw new Error(`consensus accepted a snapshot at index ${position.index} that was not received`)
    }
    return complete
  }

  #offer(receiving: Receiving): boolean {
    const { applied, hash, from, term } = receiving
    // One accepted before may not have been taken yet.
    const before = this.#complete
    // Before the offer: acceptance asks for it at once.
    this.#complete = { applied, hash }
    const isAccepted = this.#dependencies.offer(applied.position, applied.membership, from, term)
    if (!isAccepted) this.#complete = before
    return isAccepted
  }

  async #discard(receiving: Receiving | null): Promise<void> {
    this.#receiving = null
    if (receiving !== null) await this.#dependencies.store.discardStaged(receiving.epoch)
  }

  #enqueue(respond: Respond, work: () => Promise<void>): void {
    if (this.#isStopped) {
      respond(null)
      return
    }
    this.#tail = this.#tail.then(work).catch((error: unknown) => {
      this.#receiving = null
      respond(null)
      this.#dependencies.logger.error('receiving a snapshot failed', { error: String(error) })
    })
  }
}

function ignore(): void {}
