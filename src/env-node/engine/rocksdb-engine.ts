/**
 * The engine on disk: RocksDB, by `rocksdb-native`. Why this one: `docs/design/0001-storage-engine.md`.
 *
 * Durability. Writes go to RocksDB's write-ahead log without sync: a killed process loses nothing, a
 * power failure keeps a prefix (the log is replayed up to the first damaged record, and not beyond).
 * `persist` flushes the memory table. RocksDB's flush returns after the table was written and synced
 * (fdatasync), then its folder, then the MANIFEST record that makes it part of the database; only then
 * is the old write-ahead log deleted. Every block of a table carries its checksum. So what a returned
 * `persist` covers is in synced, checksummed table files, and a witness of it is synced too.
 *
 * Order. Native calls run in a thread pool that keeps no order, so writes are handed over one at a
 * time, and a read that is called while writes wait goes after them.
 *
 * Failure. The first failed write or flush is final: RocksDB may heal from a full disk by itself, and
 * a later batch would then survive an earlier one that failed. Only a new `open` ends it.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import type RocksDB from 'rocksdb-native'
import type { RocksWriteBatch } from 'rocksdb-native'
import type { ByteString } from '../../base/bytes.ts'
import type { KeyRange, KeyValue } from '../../base/machine.ts'
import {
  ENGINE_KEY_BYTES_MAX,
  ENGINE_VALUE_BYTES_MAX,
  ENGINE_WRITES_PENDING_MAX,
  type Engine,
  EngineFault,
  type EngineOperation,
  type EngineSnapshot,
  type VerifyProgress,
} from '../../env/engine.ts'
import {
  listFiles,
  sizeOf,
  sumManifest,
  sumTables,
  type TableSum,
  verifyFiles,
  type Witness,
  writeWitness,
} from './engine-files.ts'
import { faultOf } from './rocksdb-fault.ts'
import { readMany, readRange } from './rocksdb-reader.ts'

const BATCH_BYTES_MAX = 2 * ENGINE_VALUE_BYTES_MAX

export type RocksEngineOptions = {
  readonly name: string
  readonly folder: string
  /** Written bytes after which the engine persists on its own account, so that opening it stays quick. */
  readonly flushBytes: number
  readonly tables: ReadonlyMap<string, TableSum>
  readonly onClosed: () => void
}

export class RocksEngine implements Engine {
  readonly #database: RocksDB
  readonly #options: RocksEngineOptions
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | null = null
  #failure: EngineFault | null = null
  /** Settles, never rejects, when every write called so far has. Null when none waits. */
  #writesDone: Promise<void> | null = null
  #writesPending = 0
  #unflushedBytes = 0
  #persistDone: Promise<void> = Promise.resolve()
  #tables: ReadonlyMap<string, TableSum>

  /** `database` is open. */
  constructor(database: RocksDB, options: RocksEngineOptions) {
    assert(options.flushBytes > 0)
    this.#database = database
    this.#options = options
    this.#tables = options.tables
  }

  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]> {
    return this.#read((database) => readMany(database, keys, false))
  }

  range(range: KeyRange): Promise<readonly KeyValue[]> {
    return this.#read((database) => readRange(database, range))
  }

  write(operations: readonly EngineOperation[]): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    assert(this.#writesPending < ENGINE_WRITES_PENDING_MAX, 'too many writes wait for the engine')
    if (operations.length === 0) return this.#writesDone ?? Promise.resolve()
    const { batch, bytes } = this.#encode(operations)
    this.#writesPending++
    const before = this.#writesDone
    const written = this.#track(this.#writeAfter(before, batch, bytes))
    const done = written.then(ignore, ignore).then(() => {
      this.#writesPending--
      assert(this.#writesPending >= 0)
      if (this.#writesDone === done) this.#writesDone = null
    })
    this.#writesDone = done
    return written
  }

  snapshot(): Promise<EngineSnapshot> {
    return this.#read(async (database) => {
      const frozen = database.snapshot()
      const read = <Result>(run: (database: RocksDB) => Promise<Result>): Promise<Result> =>
        this.#readFrom(frozen, null, run)
      return new RocksSnapshot(this.#options.name, frozen, read)
    })
  }

  persist(): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    return this.#track(this.#persistInTurn())
  }

  verify(onProgress: (progress: VerifyProgress) => void = ignore): Promise<void> {
    if (this.#closing !== null) return Promise.reject(this.#closedFault())
    return this.#track(this.#verify(onProgress))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    let failure: EngineFault | null = null
    const note = (error: unknown) => {
      failure ??= faultOf(this.#options.name, error)
    }
    if (this.#failure === null) await this.#persistInTurn().catch(note)
    await Promise.allSettled(this.#underWay)
    await this.#database.close().catch(note)
    this.#options.onClosed()
    if (failure !== null) throw failure as EngineFault
  }

  /** The reason why nothing more may be written. */
  #refusal(): EngineFault | null {
    return this.#closing !== null ? this.#closedFault() : this.#failure
  }

  #closedFault(): EngineFault {
    return new EngineFault('closed', this.#options.name, 'used after it was closed')
  }

  #track<Result>(operation: Promise<Result>): Promise<Result> {
    this.#underWay.add(operation)
    const forget = () => this.#underWay.delete(operation)
    operation.then(forget, forget)
    return operation
  }

  #read<Result>(run: (database: RocksDB) => Promise<Result>): Promise<Result> {
    return this.#readFrom(this.#database, this.#writesDone, run)
  }

  #readFrom<Result>(
    database: RocksDB,
    after: Promise<void> | null,
    run: (database: RocksDB) => Promise<Result>,
  ): Promise<Result> {
    if (this.#closing !== null) return Promise.reject(this.#closedFault())
    const result = after === null ? run(database) : after.then(() => run(database))
    return this.#track(
      result.catch((error: unknown) => {
        throw faultOf(this.#options.name, error)
      }),
    )
  }

  #encode(operations: readonly EngineOperation[]): { batch: RocksWriteBatch; bytes: number } {
    let bytes = 0
    for (const operation of operations) {
      if (operation.kind === 'deleteRange') bytes += operation.from.length + operation.to.length
      else {
        assert(operation.key.length > 0 && operation.key.length <= ENGINE_KEY_BYTES_MAX)
        bytes += operation.key.length
      }
      if (operation.kind === 'put') {
        assert(operation.value.length <= ENGINE_VALUE_BYTES_MAX)
        bytes += operation.value.length
      }
    }
    assert(bytes <= BATCH_BYTES_MAX, `a batch of ${bytes} bytes is too large`)
    const batch = this.#database.write({ capacity: operations.length, autoDestroy: true })
    const encoder = new BatchBuffer(bytes)
    for (const operation of operations) {
      if (operation.kind === 'put') batch.tryPut(encoder.add(operation.key), encoder.add(operation.value))
      else if (operation.kind === 'delete') batch.tryDelete(encoder.add(operation.key))
      else if (operation.from < operation.to)
        batch.tryDeleteRange(encoder.add(operation.from), encoder.add(operation.to))
    }
    return { batch, bytes }
  }

  async #writeAfter(before: Promise<void> | null, batch: RocksWriteBatch, bytes: number): Promise<void> {
    if (before !== null) await before
    if (this.#failure !== null) {
      batch.destroy()
      throw this.#failure
    }
    try {
      await batch.flush()
    } catch (error) {
      throw this.#fail(error)
    }
    this.#unflushedBytes += bytes
    // Its failure is kept and answers the next write; this one has succeeded.
    if (this.#unflushedBytes >= this.#options.flushBytes) this.#track(this.#persistInTurn()).catch(ignore)
  }

  #fail(error: unknown): EngineFault {
    this.#failure ??= faultOf(this.#options.name, error)
    return this.#failure
  }

  /** Flushes run one after the other; each covers every write called before it. */
  #persistInTurn(): Promise<void> {
    const writes = this.#writesDone
    const turn = this.#persistDone.then(async () => {
      if (writes !== null) await writes
      if (this.#failure !== null) throw this.#failure
      this.#unflushedBytes = 0
      try {
        await this.#database.flush()
        await this.#testify()
      } catch (error) {
        throw this.#fail(error)
      }
    })
    this.#persistDone = turn.catch(ignore)
    return turn
  }

  async #testify(): Promise<void> {
    const { folder } = this.#options
    const manifest = await sumManifest(folder)
    this.#tables = await sumTables(folder, this.#tables)
    const witness: Witness = { ...manifest, tables: this.#tables }
    await writeWitness(folder, witness)
  }

  async #verify(onProgress: (progress: VerifyProgress) => void): Promise<void> {
    const { folder, name } = this.#options
    const logBytes = new Map<string, number>()
    // In a write's turn, when no record is half written.
    const inTurn = async () => {
      for (const file of await listFiles(folder, '.log')) logBytes.set(file, await sizeOf(join(folder, file)))
    }
    try {
      const measured = (this.#writesDone ?? Promise.resolve()).then(inTurn)
      this.#writesDone = measured.catch(ignore)
      await measured
      await verifyFiles(folder, name, this.#tables, logBytes, onProgress)
    } catch (error) {
      throw faultOf(name, error)
    }
  }
}

class RocksSnapshot implements EngineSnapshot {
  readonly #name: string
  readonly #frozen: RocksDB
  readonly #read: <Result>(run: (database: RocksDB) => Promise<Result>) => Promise<Result>
  #isClosed = false

  constructor(
    name: string,
    frozen: RocksDB,
    read: <Result>(run: (database: RocksDB) => Promise<Result>) => Promise<Result>,
  ) {
    this.#name = name
    this.#frozen = frozen
    this.#read = read
  }

  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]> {
    if (this.#isClosed)
      return Promise.reject(new EngineFault('closed', this.#name, 'snapshot used after it was closed'))
    return this.#read(() => readMany(this.#frozen, keys, true))
  }

  range(range: KeyRange): Promise<readonly KeyValue[]> {
    if (this.#isClosed)
      return Promise.reject(new EngineFault('closed', this.#name, 'snapshot used after it was closed'))
    return this.#read(() => readRange(this.#frozen, range))
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#frozen.close()
  }
}

/** All bytes of a batch in one allocation; RocksDB copies them in its own thread. */
class BatchBuffer {
  readonly #buffer: Buffer
  #at = 0

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(bytes)
  }

  add(bytes: ByteString): Buffer {
    const from = this.#at
    this.#at += bytes.length
    assert(this.#at <= this.#buffer.length)
    this.#buffer.latin1Write(bytes, from, bytes.length)
    return this.#buffer.subarray(from, this.#at)
  }
}

function ignore(): void {}
