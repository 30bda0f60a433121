/**
 * The ordered key-value store that holds one group's applied state.
 *
 * Durability: `write` is atomic and ordered, but NOT durable when it returns; a crash keeps a
 * prefix of the written batches. The caller puts its applied index into each batch and replays
 * the log from there. Only what a returned `persist` covers is known to be in synced, checksummed
 * table files: only that part of the log may be cut.
 *
 * Integrity: a byte that changed on disk is either returned as it was written or reported as a
 * corruption fault; what an implementation can't detect at read time, `open` or `verify` does.
 *
 * Failure: every operation fails with an `EngineFault`. After a failed `write` or `persist` the
 * outcome of that call is unknown and the engine takes no more writes (a later batch must not
 * survive an earlier one that did not); reads go on. Close and open it again to find out what is
 * there and to write again.
 */
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue } from '../base/machine.ts'

export type EngineOperation =
  | { readonly kind: 'put'; readonly key: ByteString; readonly value: ByteString }
  | { readonly kind: 'delete'; readonly key: ByteString }
  /** Removes every key in [from, to), before the operations that follow it. */
  | { readonly kind: 'deleteRange'; readonly from: ByteString; readonly to: ByteString }

/** Calls of `write` that may wait for their turn; more is a caller that ignores back-pressure. */
export const ENGINE_WRITES_PENDING_MAX = 1024
/** Keys are never empty; longer ones are refused by an assertion. */
export const ENGINE_KEY_BYTES_MAX = 1024 * 1024
/** One value; one batch must stay below twice that. */
export const ENGINE_VALUE_BYTES_MAX = 512 * 1024 * 1024

export interface EngineReader {
  /** Values in the order of `keys`; null when absent. */
  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]>
  range(range: KeyRange): Promise<readonly KeyValue[]>
}

/** Reads see every `write` called before them. */
export interface Engine extends EngineReader {
  /** Applied in order, as one. Batches become visible in the order of the calls. */
  write(operations: readonly EngineOperation[]): Promise<void>
  /** A frozen, consistent view as of all writes called before. Must be closed. */
  snapshot(): Promise<EngineSnapshot>
  /**
   * Starts moving everything written so far into synced table files, and resolves when it is
   * there. Called by the host when it wants to cut its log.
   */
  persist(): Promise<void>
  /** Reads every table and log block and checks its checksums; throws a corruption fault that names the damage. */
  verify(onProgress?: (progress: VerifyProgress) => void): Promise<void>
  /**
   * Waits for the operations under way, persists what was written unless an earlier write failed,
   * and closes. The engine is closed even when it throws. Snapshots still open are closed too.
   */
  close(): Promise<void>
}

/** Not affected by any later write. */
export interface EngineSnapshot extends EngineReader {
  close(): Promise<void>
}

export type VerifyProgress = { readonly bytesChecked: number; readonly bytesTotal: number }

export interface EngineStore {
  /**
   * Opens or creates the engine in the folder `name` of the data directory. One opener at a time.
   * Damage of the files that say which data exists is found here, before anything is read.
   */
  open(name: string): Promise<Engine>
  /** Removes an engine that is not open, and every trace of it. A missing one is fine. */
  destroy(name: string): Promise<void>
  /** Names of the engines that exist, sorted. */
  list(): Promise<readonly string[]>
}

/**
 * `corruption`: bytes on disk are not those that were written; re-seed this replica from a good copy.
 * `io`: the operating system refused; `errno` says what, when the library tells.
 * `closed`: the engine or snapshot was closed before the call.
 */
export type EngineFaultKind = 'corruption' | 'io' | 'closed'

/** What an engine answered, unclassified: which fault heals by itself is decided elsewhere. */
export class EngineFault extends Error {
  override readonly name = 'EngineFault'
  readonly kind: EngineFaultKind
  /** The engine's folder, or the damaged file in it, relative to the data directory where known. */
  readonly path: string
  readonly errno: string | null

  constructor(
    kind: EngineFaultKind,
    path: string,
    message: string,
    detail: { readonly errno?: string | null; readonly cause?: unknown } = {},
  ) {
    super(`engine ${path}: ${message}`, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.kind = kind
    this.path = path
    this.errno = detail.errno ?? null
  }
}
