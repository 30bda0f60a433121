/**
 * Engines without a disk: for the simulator, tests, and nodes that are told to forget.
 *
 * Crash model: `crash` keeps, for each engine on its own, everything a `persist` or a clean `close`
 * covered, and a random prefix of the batches written since. Promises of engines that were open at
 * the crash never settle. Deterministic: the only choice comes from `random`; every promise settles
 * in microtasks, so a virtual clock may drive it.
 *
 * Fault model: `faultFor` may make any operation fail. A write that failed may or may not be there
 * after the engine was opened again, as on a real disk.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { KeyRange, KeyValue } from '../base/machine.ts'
import {
  ENGINE_KEY_BYTES_MAX,
  type Engine,
  EngineFault,
  type EngineOperation,
  type EngineReader,
  type EngineSnapshot,
  type EngineStore,
  type VerifyProgress,
} from '../env/engine.ts'
import type { Random } from '../env/random.ts'
import { MemoryTable } from './memory-table.ts'

export type EngineCall =
  | 'open'
  | 'destroy'
  | 'list'
  | 'getMany'
  | 'range'
  | 'write'
  | 'snapshot'
  | 'persist'
  | 'verify'
  | 'close'

export type MemoryEngineOptions = {
  /** Decides what a crash keeps. Without it a crash keeps every batch that was written. */
  readonly random?: Random
  /** Asked before each operation; what it returns is thrown instead. `name` is empty for `list`. */
  readonly faultFor?: (call: EngineCall, name: string) => EngineFault | null
}

export interface MemoryEngineStore extends EngineStore {
  /** The process dies now: open engines are dead, and what was not persisted may be gone. */
  crash(): void
}

type Batch = readonly EngineOperation[]

/** What one engine has on its imaginary disk; outlives the `MemoryEngine` that is open on it. */
type Files = {
  persisted: MemoryTable
  /** Written after `persisted`, oldest first. */
  unsynced: Batch[]
  /** `persisted` with all of `unsynced` applied. */
  current: MemoryTable
  opener: MemoryEngine | null
}

export function createMemoryEngineStore(options: MemoryEngineOptions = {}): MemoryEngineStore {
  return new MemoryStore(options)
}

class MemoryStore implements MemoryEngineStore {
  readonly #options: MemoryEngineOptions
  readonly #files = new Map<string, Files>()

  constructor(options: MemoryEngineOptions) {
    this.#options = options
  }

  async open(name: string): Promise<Engine> {
    assert(name.length > 0)
    this.#mayFail('open', name)
    let files = this.#files.get(name)
    if (files === undefined) {
      files = { persisted: new MemoryTable(), unsynced: [], current: new MemoryTable(), opener: null }
      this.#files.set(name, files)
    }
    assert(files.opener === null, `engine ${name} is open already`)
    const engine = new MemoryEngine(name, files, this.#options)
    files.opener = engine
    return engine
  }

  async destroy(name: string): Promise<void> {
    this.#mayFail('destroy', name)
    assert((this.#files.get(name)?.opener ?? null) === null, `engine ${name} is open`)
    this.#files.delete(name)
  }

  async list(): Promise<readonly string[]> {
    this.#mayFail('list', '')
    return [...this.#files.keys()].sort()
  }

  crash(): void {
    const { random } = this.#options
    for (const files of this.#files.values()) {
      files.opener?.die()
      files.opener = null
      const kept = random === undefined ? files.unsynced.length : random.u32() % (files.unsynced.length + 1)
      assert(kept >= 0 && kept <= files.unsynced.length)
      files.unsynced = files.unsynced.slice(0, kept)
      files.current = files.persisted.fork()
      for (const batch of files.unsynced) applyBatch(files.current, batch)
    }
  }

  #mayFail(call: EngineCall, name: string): void {
    const fault = this.#options.faultFor?.(call, name) ?? null
    if (fault !== null) throw fault
  }
}

class MemoryEngine implements Engine {
  readonly #name: string
  readonly #files: Files
  readonly #options: MemoryEngineOptions
  #state: 'open' | 'closed' | 'dead' = 'open'
  /** The failure after which no more writes are taken, and the batch whose outcome is unknown. */
  #failure: { readonly fault: EngineFault; readonly batch: Batch | null } | null = null

  constructor(name: string, files: Files, options: MemoryEngineOptions) {
    this.#name = name
    this.#files = files
    this.#options = options
  }

  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]> {
    return this.#perform('getMany', () => lookUp(this.#files.current, keys))
  }

  range(range: KeyRange): Promise<readonly KeyValue[]> {
    return this.#perform('range', () => this.#files.current.range(range.from, range.to, range.limit))
  }

  write(operations: readonly EngineOperation[]): Promise<void> {
    const batch = [...operations]
    return this.#perform(
      'write',
      () => {
        applyBatch(this.#files.current, batch)
        this.#files.unsynced.push(batch)
      },
      batch,
    )
  }

  snapshot(): Promise<EngineSnapshot> {
    return this.#perform('snapshot', () => {
      const frozen = this.#files.current.fork()
      return new MemorySnapshot((call, run) => this.#perform(call, () => run(frozen)), this.#name)
    })
  }

  persist(): Promise<void> {
    return this.#perform('persist', () => this.#makeDurable(), [])
  }

  verify(onProgress?: (progress: VerifyProgress) => void): Promise<void> {
    return this.#perform('verify', () => onProgress?.({ bytesChecked: 0, bytesTotal: 0 }))
  }

  close(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    const closed = this.#perform('close', () => {
      if (this.#failure === null) this.#makeDurable()
      else this.#resolveUnknownOutcome(this.#failure.batch)
    })
    if (this.#state === 'open') {
      this.#state = 'closed'
      this.#files.opener = null
    }
    return closed
  }

  die(): void {
    if (this.#failure !== null) this.#resolveUnknownOutcome(this.#failure.batch)
    this.#state = 'dead'
  }

  /**
   * Takes effect at once, so that operations are ordered by their calls, and settles a microtask
   * later, unless a crash came between. `batch` is given by the calls that a failure makes final.
   */
  #perform<Result>(call: EngineCall, run: () => Result, batch: Batch | null = null): Promise<Result> {
    if (this.#state === 'dead') return new Promise(() => {})
    if (this.#state === 'closed') return Promise.reject(closedFault(this.#name))
    if (batch !== null && this.#failure !== null) return Promise.reject(this.#failure.fault)
    const fault = this.#options.faultFor?.(call, this.#name) ?? null
    if (fault !== null) {
      if (batch !== null) this.#failure = { fault, batch }
      return this.#settle(Promise.reject(fault))
    }
    return this.#settle(Promise.resolve(run()))
  }

  async #settle<Result>(outcome: Promise<Result>): Promise<Result> {
    try {
      return await outcome
    } finally {
      if (this.#state === 'dead') await new Promise<never>(() => {})
    }
  }

  #makeDurable(): void {
    this.#files.persisted = this.#files.current.fork()
    this.#files.unsynced = []
  }

  #resolveUnknownOutcome(batch: Batch | null): void {
    const isThere = batch !== null && (this.#options.random?.next() ?? 0) >= 0.5
    if (!isThere) return
    this.#files.unsynced.push(batch)
    applyBatch(this.#files.current, batch)
  }
}

class MemorySnapshot implements EngineSnapshot, EngineReader {
  readonly #perform: <Result>(call: EngineCall, run: (table: MemoryTable) => Result) => Promise<Result>
  readonly #name: string
  #closed = false

  constructor(
    perform: <Result>(call: EngineCall, run: (table: MemoryTable) => Result) => Promise<Result>,
    name: string,
  ) {
    this.#perform = perform
    this.#name = name
  }

  getMany(keys: readonly ByteString[]): Promise<readonly (ByteString | null)[]> {
    if (this.#closed) return Promise.reject(closedFault(this.#name))
    return this.#perform('getMany', (table) => lookUp(table, keys))
  }

  range(range: KeyRange): Promise<readonly KeyValue[]> {
    if (this.#closed) return Promise.reject(closedFault(this.#name))
    return this.#perform('range', (table) => table.range(range.from, range.to, range.limit))
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}

function applyBatch(table: MemoryTable, batch: Batch): void {
  for (const operation of batch) {
    switch (operation.kind) {
      case 'put':
        assert(operation.key.length > 0 && operation.key.length <= ENGINE_KEY_BYTES_MAX)
        table.put(operation.key, operation.value)
        break
      case 'delete':
        table.delete(operation.key)
        break
      case 'deleteRange':
        table.deleteRange(operation.from, operation.to)
        break
    }
  }
}

function lookUp(table: MemoryTable, keys: readonly ByteString[]): (ByteString | null)[] {
  return keys.map((key) => table.get(key) ?? null)
}

function closedFault(name: string): EngineFault {
  return new EngineFault('closed', name, 'used after it was closed')
}
