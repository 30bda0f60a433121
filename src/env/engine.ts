/**
 * The ordered key-value store that holds one group's applied state.
 *
 * Durability: `write` is atomic and ordered, but NOT durable when it returns; a crash keeps a
 * prefix of the written batches. The caller puts its applied index into each batch and replays
 * the log from there. Only what a returned `persist` covers is known to be in synced, checksummed
 * table files: only that part of the log may be cut.
 *
 * Integrity: a byte that changed on disk is either returned as it was written or reported as a
 * corruption error; what an implementation can't detect at read time, `verify` does.
 */
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue } from '../base/machine.ts'

export type EngineOperation =
  | { readonly kind: 'put'; readonly key: ByteString; readonly value: ByteString }
  | { readonly kind: 'delete'; readonly key: ByteString }
  /** Removes every key in [from, to), before the operations that follow it. */
  | { readonly kind: 'deleteRange'; readonly from: ByteString; readonly to: ByteString }

export interface Engine {
  /** Values in the order of `keys`; null when absent. Reads see every `write` called before. */
  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]>
  range(range: KeyRange): Promise<readonly KeyValue[]>
  /** Applied in order, as one. Batches become visible in the order of the calls. */
  write(operations: readonly EngineOperation[]): Promise<void>
  /** A frozen, consistent view as of all writes that returned. Must be closed. */
  snapshot(): Promise<EngineSnapshot>
  /**
   * Starts moving everything written so far into synced table files, and resolves when it is
   * there. Called by the host when it wants to cut its log.
   */
  persist(): Promise<void>
  /** Reads every table and log block and checks its checksums; throws a corruption error that names the damage. */
  verify(onProgress?: (progress: VerifyProgress) => void): Promise<void>
  close(): Promise<void>
}

export interface EngineSnapshot {
  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]>
  range(range: KeyRange): Promise<readonly KeyValue[]>
  close(): Promise<void>
}

export type VerifyProgress = { readonly bytesChecked: number; readonly bytesTotal: number }

export interface EngineStore {
  /** Opens or creates the engine in the folder `name` of the data directory. One opener at a time. */
  open(name: string): Promise<Engine>
  /** Removes an engine that is not open, and every trace of it. */
  destroy(name: string): Promise<void>
  /** Names of the engines that exist. */
  list(): Promise<readonly string[]>
}
