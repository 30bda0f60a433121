/**
 * The engines of a node, each a RocksDB in a folder of its own.
 *
 * Opening is where damage of the files that say which data exists is found (`engine-files.ts`): it
 * throws a corruption fault, touches nothing, and the folder stays as it is, as evidence. A folder is
 * destroyed by renaming it first, so that a crash leaves either the engine or nothing.
 */
import assert from 'node:assert/strict'
import type { Dirent } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Engine, EngineStore } from '../../env/engine.ts'
import type { Logger } from '../../env/logger.ts'
import { syncFolder } from '../sync-folder.ts'
import {
  checkIdentity,
  readWitness,
  removeLeftovers,
  sumManifest,
  sumTables,
  writeWitness,
} from './engine-files.ts'
import { RocksEngine } from './rocksdb-engine.ts'
import { faultOf } from './rocksdb-fault.ts'

const TABLE_BLOCK_BYTES = 4096
const FLUSH_BYTES_DEFAULT = 16 * 1024 * 1024
/** RocksDB flushes by itself, unwitnessed, only beyond this multiple of `flushBytes`. */
const WRITE_BUFFER_FACTOR = 4
const BACKGROUND_JOBS_MAX = 2
const DESTROYED_PREFIX = '.destroyed-'

export type RocksEngineStoreOptions = {
  /** Made when missing. */
  readonly directory: string
  readonly flushBytes?: number
  readonly log?: Logger
}

export function createRocksEngineStore(options: RocksEngineStoreOptions): EngineStore {
  assert(options.directory !== '')
  return new RocksStore(resolve(options.directory), options)
}

class RocksStore implements EngineStore {
  readonly #directory: string
  readonly #flushBytes: number
  readonly #log: Logger | undefined
  /** Open, or being opened or destroyed. */
  readonly #inUse = new Set<string>()

  constructor(directory: string, options: RocksEngineStoreOptions) {
    this.#directory = directory
    this.#flushBytes = options.flushBytes ?? FLUSH_BYTES_DEFAULT
    this.#log = options.log
    assert(this.#flushBytes > 0)
  }

  open(name: string): Promise<Engine> {
    return this.#alone(name, true, () => this.#open(name))
  }

  destroy(name: string): Promise<void> {
    return this.#alone(name, false, async () => {
      if (!(await this.#names()).includes(name)) return
      const grave = join(this.#directory, DESTROYED_PREFIX + name)
      await rm(grave, { recursive: true, force: true })
      await rename(join(this.#directory, name), grave)
      await syncFolder(this.#directory)
      await rm(grave, { recursive: true, force: true })
    })
  }

  async list(): Promise<readonly string[]> {
    try {
      await this.#removeGraves()
      return await this.#names()
    } catch (error) {
      throw faultOf(this.#directory, error)
    }
  }

  async #alone<Result>(name: string, staysInUse: boolean, run: () => Promise<Result>): Promise<Result> {
    assert(/^\w[\w.-]*$/.test(name), `"${name}" is no name for an engine`)
    assert(!this.#inUse.has(name), `engine ${name} is open`)
    this.#inUse.add(name)
    try {
      const result = await run()
      if (!staysInUse) this.#inUse.delete(name)
      return result
    } catch (error) {
      this.#inUse.delete(name)
      throw faultOf(name, error)
    }
  }

  async #open(name: string): Promise<Engine> {
    const folder = join(this.#directory, name)
    // RocksDB's own attempt to make the folder never returns when the parent can't be made.
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    if (made !== undefined) await syncFolder(this.#directory)
    // Its own name too, before anything in it lets the log be cut.
    if (made === this.#directory) await syncFolder(dirname(this.#directory))
    await rm(join(this.#directory, DESTROYED_PREFIX + name), { recursive: true, force: true })
    const { witness, isUnreadable } = await readWitness(folder)
    if (isUnreadable)
      this.#log?.warning('the witness of an engine is unreadable and is written anew', { engine: name })
    await checkIdentity(folder, name, witness)
    await removeLeftovers(folder)
    // Loaded here and not before: only a node that stores needs the native library.
    const { default: RocksDB } = await import('rocksdb-native')
    const database = new RocksDB(folder, {
      tableBlockSize: TABLE_BLOCK_BYTES,
      writeBufferSize: this.#flushBytes * WRITE_BUFFER_FACTOR,
      maxBackgroundJobs: BACKGROUND_JOBS_MAX,
      walRecoveryMode: RocksDB.constants.walRecoveryMode.POINT_IN_TIME,
    })
    await database.ready()
    try {
      const tables = await sumTables(folder, witness?.tables ?? new Map())
      await writeWitness(folder, { ...(await sumManifest(folder)), tables })
      const onClosed = () => this.#inUse.delete(name)
      return new RocksEngine(database, { name, folder, flushBytes: this.#flushBytes, tables, onClosed })
    } catch (error) {
      await database.close()
      throw error
    }
  }

  /** What a crash in the middle of `destroy` left. */
  async #removeGraves(): Promise<void> {
    for (const entry of await this.#entries()) {
      const isGrave = entry.name.startsWith(DESTROYED_PREFIX)
      if (!isGrave || this.#inUse.has(entry.name.slice(DESTROYED_PREFIX.length))) continue
      await rm(join(this.#directory, entry.name), { recursive: true, force: true })
    }
  }

  async #names(): Promise<readonly string[]> {
    const folders = (await this.#entries()).filter(
      (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
    )
    return folders.map(({ name }) => name).sort()
  }

  async #entries(): Promise<readonly Dirent[]> {
    try {
      return await readdir(this.#directory, { withFileTypes: true })
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return []
      throw error
    }
  }
}
