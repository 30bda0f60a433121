/**
 * A disk in memory that crashes like a real one.
 *
 * It keeps the contract of `env/disk.ts` to the letter and gives nothing beyond it: after `crash`
 * every sector written and not synced holds any of its versions since the last sync, each name
 * created, renamed or removed without `syncDirectory` may be as before, and every promise of the
 * crashed incarnation stays pending for ever. A datasync that failed leaves what it should have
 * synced lost for later syncs too. All choices come from `random`: a run is its seed.
 *
 * Without a clock, operations settle in a microtask; with one, after the latency that `latencyMs`
 * gives. Effects happen at the call, durability at the completion, so a crash in between may show
 * all, some or nothing of them.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { Clock } from '../../src/env/clock.ts'
import type { Disk, DiskFile, DiskOperation, FreeSpace } from '../../src/env/disk.ts'
import { DiskFault } from '../../src/env/disk.ts'
import type { SimRandom } from '../world/random.ts'
import type { SimInode } from './disk-inode.ts'
import { SECTOR_BYTES } from './disk-inode.ts'
import { SimNamespace } from './disk-namespace.ts'
import { SilentLosses } from './disk-silent.ts'

export type SimDiskCall = {
  /** Counts up from 1 over the life of the disk, crashes included. */
  readonly number: number
  readonly operation: DiskOperation
  readonly path: string
  /** Of reads and writes; 0 otherwise. */
  readonly offset: number
  readonly length: number
}

/**
 * What happens to a call. `error`: it fails; a write may have left any part of itself, a datasync
 * loses what it should have synced. `lie`: a datasync or syncDirectory that answers well and does
 * nothing. `delay`: takes that much longer. `stall`: does not answer until `releaseStalls`. `lose`: a
 * write that answers well and is not there; with `elsewhere` it is at that offset instead, over whatever
 * was there (disk-silent.ts). `misread`: a read that answers what is at another offset.
 */
export type SimDiskFault =
  | { readonly kind: 'error'; readonly errno: string }
  | { readonly kind: 'lie' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'stall' }
  | { readonly kind: 'lose'; readonly elsewhere: number | null }
  | { readonly kind: 'misread'; readonly elsewhere: number }

export type SimDiskOptions = {
  readonly random: SimRandom
  readonly clock?: Clock
  readonly latencyMs?: (call: SimDiskCall) => number
  /** Asked at every call; a writeAndSync asks twice, as `write` and as `datasync`. */
  readonly faults?: (call: SimDiskCall) => SimDiskFault | null
  /** Sum of all file sizes; default unlimited. */
  readonly capacityBytes?: number
}

export interface SimDisk {
  /** The disk as the running process sees it. `crash` and `kill` end it; ask again for the next. */
  disk(): Disk
  /** Power loss. */
  crash(): void
  /** The process dies, the operating system lives: open files die, no byte is lost. */
  kill(): void
  setFaults(faults: ((call: SimDiskCall) => SimDiskFault | null) | null): void
  setCapacity(capacityBytes: number): void
  releaseStalls(): void
  /** Bit rot, at rest. */
  flipBit(path: string, offset: number, bit: number): void
  zeroSector(path: string, sector: number): void
  /** Reads of this sector fail with EIO until it is written again. */
  breakSector(path: string, sector: number): void
  /** Cuts the end off a file, at rest. */
  cutFile(path: string, sizeBytes: number): void
  /** A rename that was durable and is not any more. */
  undoRename(from: string, to: string): void
  /** Writes that the disk lost silently, for good. */
  readonly silentLosses: number
  /** Removes the file and the durable memory of it, as a file system that lost it would. */
  loseFile(path: string): void
  /** A whole file from elsewhere, at rest. Its folder exists. */
  putFile(path: string, bytes: Uint8Array): void
  paths(): readonly string[]
  bytes(path: string): Buffer
  /** An independent copy of everything, including what is not yet synced. */
  fork(random: SimRandom): SimDisk
  readonly calls: number
}

export function createSimDisk(options: SimDiskOptions): SimDisk {
  return new MemoryDisk(options, new SimNamespace())
}

class MemoryDisk implements SimDisk {
  readonly options: SimDiskOptions
  readonly namespace: SimNamespace
  readonly silent = new SilentLosses()
  calls = 0
  #faults: ((call: SimDiskCall) => SimDiskFault | null) | null
  #capacityBytes: number
  #stalled: (() => void)[] = []
  #view: IncarnationDisk | null = null

  constructor(options: SimDiskOptions, namespace: SimNamespace) {
    this.options = options
    this.namespace = namespace
    this.#faults = options.faults ?? null
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  }

  disk(): Disk {
    this.#view ??= new IncarnationDisk(this)
    return this.#view
  }

  kill(): void {
    if (this.#view !== null) this.#view.isDead = true
    this.#view = null
    this.#stalled = []
    this.silent.settle()
  }

  crash(): void {
    this.kill()
    this.namespace.crash(this.options.random)
  }

  setFaults(faults: ((call: SimDiskCall) => SimDiskFault | null) | null): void {
    this.#faults = faults
  }

  setCapacity(capacityBytes: number): void {
    this.#capacityBytes = capacityBytes
  }

  releaseStalls(): void {
    const stalled = this.#stalled
    this.#stalled = []
    for (const resume of stalled) resume()
  }

  flipBit(path: string, offset: number, bit: number): void {
    this.namespace.mustFile(path).flipBit(offset, bit)
  }

  zeroSector(path: string, sector: number): void {
    this.namespace.mustFile(path).zeroSector(sector)
  }

  breakSector(path: string, sector: number): void {
    this.namespace.mustFile(path).brokenSectors.add(sector)
  }

  cutFile(path: string, sizeBytes: number): void {
    const inode = this.namespace.mustFile(path)
    inode.truncate(sizeBytes)
    inode.sync(inode.syncPoint())
  }

  undoRename(from: string, to: string): void {
    const bytes = this.bytes(to)
    this.namespace.lose(to)
    this.putFile(from, bytes)
  }

  get silentLosses(): number {
    return this.silent.count
  }

  loseFile(path: string): void {
    this.namespace.lose(path)
  }

  putFile(path: string, bytes: Uint8Array): void {
    const inode = this.namespace.put(path)
    inode.write(bytes, 0)
    inode.sync(inode.syncPoint())
  }

  paths(): readonly string[] {
    return this.namespace.paths()
  }

  bytes(path: string): Buffer {
    return Buffer.from(this.namespace.mustFile(path).bytes())
  }

  fork(random: SimRandom): SimDisk {
    const copy = new MemoryDisk({ ...this.options, random }, this.namespace.clone())
    copy.#faults = this.#faults
    copy.#capacityBytes = this.#capacityBytes
    return copy
  }

  freeBytes(): number {
    if (this.#capacityBytes === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#capacityBytes - this.namespace.usedBytes())
  }

  get capacityBytes(): number {
    return this.#capacityBytes
  }

  plan(operation: DiskOperation, path: string, offset: number, length: number): Plan {
    const call = { number: ++this.calls, operation, path, offset, length }
    const fault = this.#faults?.(call) ?? null
    return { call, fault, latencyMs: this.options.latencyMs?.(call) ?? 0 }
  }

  /** Runs `settle` when the call's time has come. */
  after(plan: Plan, settle: () => void): void {
    if (plan.fault?.kind === 'stall') {
      this.#stalled.push(settle)
      return
    }
    const delayMs = plan.latencyMs + (plan.fault?.kind === 'delay' ? plan.fault.delayMs : 0)
    const clock = this.options.clock
    if (clock === undefined) queueMicrotask(settle)
    else clock.setTimer(delayMs, settle)
  }
}

type Plan = {
  readonly call: SimDiskCall
  readonly fault: SimDiskFault | null
  readonly latencyMs: number
}

/** One process' view. Once dead, calls have no effect and their promises never settle. */
class IncarnationDisk implements Disk {
  readonly #owner: MemoryDisk
  isDead = false

  constructor(owner: MemoryDisk) {
    this.#owner = owner
  }

  get owner(): MemoryDisk {
    return this.#owner
  }

  open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile> {
    return this.operate('open', path, 0, 0, () => {
      const inode = mode === 'create' ? this.#names.create(path) : this.#names.lookupFile(path)
      return () => new IncarnationFile(this, path, inode, mode !== 'read')
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.operate('rename', from, 0, 0, () => this.#names.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.operate('remove', path, 0, 0, () => this.#names.remove(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.operate('makeDirectory', path, 0, 0, () => this.#names.makeDirectory(path))
  }

  removeDirectory(path: string): Promise<void> {
    return this.operate('remove', path, 0, 0, () => this.#names.removeDirectory(path))
  }

  list(path: string): Promise<readonly string[]> {
    return this.operate('list', path, 0, 0, () => () => this.#names.list(path))
  }

  exists(path: string): Promise<boolean> {
    return this.operate('list', path, 0, 0, () => () => this.#names.exists(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.operate('syncDirectory', path, 0, 0, (plan) => {
      const last = this.#names.directorySyncPoint(path)
      return () => {
        if (plan.fault?.kind !== 'lie') this.#names.syncDirectory(path, last)
      }
    })
  }

  freeSpace(): Promise<FreeSpace> {
    return this.operate('freeSpace', '.', 0, 0, () => () => ({
      freeBytes: this.#owner.freeBytes(),
      totalBytes: this.#owner.capacityBytes,
      freeInodes: 1_000_000 - this.#names.paths().length,
    }))
  }

  /**
   * One call: `begin` has its effects now and returns what to do at completion. A `DiskFault`
   * thrown by either, or an injected error, rejects at completion.
   */
  operate<Result>(
    operation: DiskOperation,
    path: string,
    offset: number,
    length: number,
    begin: (plan: Plan) => (() => Result) | Result,
    onFault?: () => void,
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (this.isDead) return
      const plan = this.#owner.plan(operation, path, offset, length)
      // The fault may have been a crash, just before this call.
      if (this.isDead) return
      let finish: () => void
      if (plan.fault?.kind === 'error') {
        onFault?.()
        const fault = new DiskFault(operation, path, plan.fault.errno)
        finish = () => reject(fault)
      } else {
        finish = settleWith(() => begin(plan), resolve, reject)
      }
      this.#owner.after(plan, () => {
        if (!this.isDead) finish()
      })
    })
  }

  get #names(): SimNamespace {
    return this.#owner.namespace
  }
}

function settleWith<Result>(
  begin: () => (() => Result) | Result,
  resolve: (result: Result) => void,
  reject: (error: unknown) => void,
): () => void {
  let begun: (() => Result) | Result
  try {
    begun = begin()
  } catch (error) {
    return () => reject(error)
  }
  return () => {
    try {
      resolve(typeof begun === 'function' ? (begun as () => Result)() : begun)
    } catch (error) {
      reject(error)
    }
  }
}

class IncarnationFile implements DiskFile {
  readonly path: string
  readonly #disk: IncarnationDisk
  readonly #inode: SimInode
  readonly #isWritable: boolean
  #isClosed = false

  constructor(disk: IncarnationDisk, path: string, inode: SimInode, isWritable: boolean) {
    this.#disk = disk
    this.path = path
    this.#inode = inode
    this.#isWritable = isWritable
  }

  write(chunks: readonly Uint8Array[], offset: number): Promise<void> {
    this.#mustBeOpen()
    assert(this.#isWritable, `${this.path} was opened for reading`)
    assert(Number.isSafeInteger(offset) && offset >= 0)
    // Not a copy: all effects happen at the call, and the inode copies what it keeps.
    const [only] = chunks
    const bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
    const random = this.#disk.owner.options.random
    const begin = ({ fault }: Plan): void => {
      const room = this.#disk.owner.freeBytes()
      const growth = Math.max(0, offset + bytes.length - this.#inode.size)
      if (growth > room) {
        this.#inode.write(bytes.subarray(0, Math.max(0, bytes.length - growth + room)), offset)
        throw new DiskFault('write', this.path, 'ENOSPC')
      }
      if (fault?.kind === 'lose') this.#loseWrite(bytes, offset, fault.elsewhere)
      else {
        this.#inode.write(bytes, offset)
        this.#disk.owner.silent.written(this.#inode)
      }
    }
    const leavePart = (): void => this.#inode.writePart(bytes, offset, random)
    return this.#disk.operate('write', this.path, offset, bytes.length, begin, leavePart)
  }

  datasync(): Promise<void> {
    this.#mustBeOpen()
    const point = this.#inode.syncPoint()
    return this.#disk.operate<void>(
      'datasync',
      this.path,
      0,
      0,
      (plan) => () => {
        if (plan.fault?.kind === 'lie') return
        this.#inode.sync(point)
        this.#disk.owner.silent.synced(this.#inode, point)
      },
      () => this.#inode.loseUnsynced(point),
    )
  }

  async writeAndSync(chunks: readonly Uint8Array[], offset: number): Promise<void> {
    await this.write(chunks, offset)
    await this.datasync()
  }

  read(offset: number, length: number): Promise<Buffer> {
    this.#mustBeOpen()
    assert(Number.isSafeInteger(offset) && offset >= 0 && length >= 0)
    return this.#disk.operate('read', this.path, offset, length, ({ fault }) => () => {
      const at = fault?.kind === 'misread' ? fault.elsewhere : offset
      const first = Math.floor(at / SECTOR_BYTES)
      for (const sector of this.#inode.brokenSectors) {
        if (sector >= first && sector * SECTOR_BYTES < at + length) {
          throw new DiskFault('read', this.path, 'EIO')
        }
      }
      return this.#inode.read(at, length)
    })
  }

  #loseWrite(bytes: Uint8Array, offset: number, elsewhere: number | null): void {
    if (elsewhere !== null) {
      const room = Math.max(0, this.#inode.size - elsewhere)
      this.#inode.write(bytes.subarray(0, room), elsewhere)
    }
    this.#disk.owner.silent.add(this.#inode, Buffer.from(bytes), offset)
  }

  size(): Promise<number> {
    this.#mustBeOpen()
    return this.#disk.operate('read', this.path, 0, 0, () => () => this.#inode.size)
  }

  truncate(sizeBytes: number): Promise<void> {
    this.#mustBeOpen()
    assert(this.#isWritable, `${this.path} was opened for reading`)
    return this.#disk.operate('truncate', this.path, 0, sizeBytes, () => {
      const growth = sizeBytes - this.#inode.size
      if (growth > this.#disk.owner.freeBytes()) throw new DiskFault('truncate', this.path, 'ENOSPC')
      this.#inode.truncate(sizeBytes)
    })
  }

  close(): Promise<void> {
    this.#mustBeOpen()
    this.#isClosed = true
    return this.#disk.operate('close', this.path, 0, 0, () => undefined)
  }

  #mustBeOpen(): void {
    assert(!this.#isClosed, `${this.path} is closed`)
  }
}
