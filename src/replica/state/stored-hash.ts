/**
 * The state hash as a group's engine holds it: 64 partitions a record, so that a batch rewrites
 * only what changed (docs/formats/engine-records.md).
 */
import { ByteReader } from '../../base/byte-reader.ts'
import { type ByteString, bytesToBuffer } from '../../base/bytes.ts'
import { StateHash } from '../../base/hash64.ts'
import { PARTITION_COUNT } from '../../base/machine.ts'
import type { EngineOperation, EngineSnapshot } from '../../env/engine.ts'
import { hashChunkKey } from './engine-records.ts'

const CHUNK_PARTITIONS = 64
const CHUNKS = Math.ceil(PARTITION_COUNT / CHUNK_PARTITIONS)

export class StoredHash {
  readonly #hash = new StateHash()
  readonly #isDirty = new Uint8Array(CHUNKS)

  add(partition: number, key: ByteString, value: ByteString): void {
    this.#hash.add(partition, key, value)
    this.#isDirty[Math.floor(partition / CHUNK_PARTITIONS)] = 1
  }

  subtract(partition: number, key: ByteString, value: ByteString): void {
    this.#hash.subtract(partition, key, value)
    this.#isDirty[Math.floor(partition / CHUNK_PARTITIONS)] = 1
  }

  clearData(): void {
    this.#hash.clearData()
    this.#isDirty.fill(1)
  }

  digest(): string {
    return this.#hash.digest()
  }

  /** Puts for every chunk that changed since the last call. */
  takeChanges(): EngineOperation[] {
    const puts: EngineOperation[] = []
    for (let chunk = this.#isDirty.indexOf(1); chunk >= 0; chunk = this.#isDirty.indexOf(1, chunk + 1)) {
      puts.push(this.#putChunk(chunk))
    }
    this.#isDirty.fill(0)
    return puts
  }

  /** Puts for all chunks: what the engine held before is another state's. */
  takeAll(): EngineOperation[] {
    this.#isDirty.fill(1)
    return this.takeChanges()
  }

  static async read(view: Pick<EngineSnapshot, 'getMany'>): Promise<StoredHash> {
    const stored = new StoredHash()
    const keys: ByteString[] = []
    for (let chunk = 0; chunk < CHUNKS; chunk++) keys.push(hashChunkKey(chunk))
    const values = await view.getMany(keys)
    values.forEach((value, chunk) => {
      if (value !== null) stored.#readChunk(chunk, value)
    })
    return stored
  }

  #putChunk(chunk: number): EngineOperation {
    const end = Math.min((chunk + 1) * CHUNK_PARTITIONS, PARTITION_COUNT)
    const value = this.#hash.lanesOf(chunk * CHUNK_PARTITIONS, end)
    return { kind: 'put', key: hashChunkKey(chunk), value }
  }

  #readChunk(chunk: number, value: ByteString): void {
    const reader = new ByteReader(bytesToBuffer(value))
    const end = Math.min((chunk + 1) * CHUNK_PARTITIONS, PARTITION_COUNT)
    for (let partition = chunk * CHUNK_PARTITIONS; partition < end; partition++) {
      this.#hash.setLanes(partition, reader.u32(), reader.u32())
    }
    reader.expectEnd()
  }
}
