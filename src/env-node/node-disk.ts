/**
 * Files of the machine, under one data directory.
 *
 * Ordinary work runs in libuv's threads; files opened with `dedicated` write and sync in the log
 * lane's own thread (`log-lane.ts`). Nothing is retried and nothing is cached here: what the
 * operating system answers is what the caller gets, as a `DiskFault` with the errno's name. An
 * error without an errno is a mistake in this program and passes through unchanged.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import {
  type Disk,
  DiskFault,
  type DiskFile,
  type DiskOperation,
  type FreeSpace,
  type OpenOptions,
} from '../env/disk.ts'
import { createLogLane, type LogLane } from './log-lane.ts'

export type NodeDiskOptions = {
  /** Must exist. */
  readonly directory: string
  /** Hears of every trip of the dedicated files: the watchdog, which tells a stuck disk from an idle one. */
  readonly dedicatedProgress?: DedicatedProgress
}

export interface DedicatedProgress {
  logBegun(): void
  logFinished(): void
}

export interface NodeDisk extends Disk {
  /** Ends the log lane's thread, if one was needed. Files must be closed before. */
  close(): Promise<void>
}

export function createNodeDisk(options: NodeDiskOptions): NodeDisk {
  assert(options.directory !== '')
  return new DirectoryDisk(resolve(options.directory), options.dedicatedProgress ?? null)
}

const OPEN_FLAGS = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  write: constants.O_RDWR,
  read: constants.O_RDONLY,
} as const

const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR'])

class DirectoryDisk implements NodeDisk {
  readonly #directory: string
  readonly #progress: DedicatedProgress | null
  #lane: LogLane | null = null

  constructor(directory: string, progress: DedicatedProgress | null) {
    this.#directory = directory
    this.#progress = progress
  }

  async open(path: string, mode: 'create' | 'write' | 'read', options: OpenOptions = {}): Promise<DiskFile> {
    const target = this.#resolve('open', path)
    const handle = await attempt('open', path, () => fs.open(target, OPEN_FLAGS[mode], 0o600))
    if (options.dedicated !== true || mode === 'read') return new NodeFile(path, handle, null, null)
    this.#lane ??= createLogLane()
    return new NodeFile(path, handle, this.#lane, this.#progress)
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#resolve('rename', from)
    const target = this.#resolve('rename', to)
    await attempt('rename', from, () => fs.rename(source, target))
  }

  async remove(path: string): Promise<void> {
    const target = this.#resolve('remove', path)
    await attempt('remove', path, () => fs.unlink(target))
  }

  async makeDirectory(path: string): Promise<void> {
    const target = this.#resolve('makeDirectory', path)
    await attempt('makeDirectory', path, () => fs.mkdir(target, { recursive: true, mode: 0o700 }))
  }

  async removeDirectory(path: string): Promise<void> {
    const target = this.#resolve('removeDirectory', path)
    if (target === this.#directory) throw new DiskFault('removeDirectory', path, 'EINVAL')
    await attempt('removeDirectory', path, () => fs.rm(target, { recursive: true, force: true }))
  }

  async list(path: string): Promise<readonly string[]> {
    const target = this.#resolve('list', path)
    try {
      return (await attempt('list', path, () => fs.readdir(target))).sort()
    } catch (error) {
      if (error instanceof DiskFault && error.errno === 'ENOENT') return []
      throw error
    }
  }

  async exists(path: string): Promise<boolean> {
    const target = this.#resolve('exists', path)
    try {
      await attempt('exists', path, () => fs.stat(target))
      return true
    } catch (error) {
      if (error instanceof DiskFault && MISSING.has(error.errno)) return false
      throw error
    }
  }

  async syncDirectory(path: string): Promise<void> {
    const target = this.#resolve('syncDirectory', path)
    await attempt('syncDirectory', path, async () => {
      const handle = await fs.open(target, constants.O_RDONLY | constants.O_DIRECTORY)
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    })
  }

  async freeSpace(): Promise<FreeSpace> {
    const status = await attempt('freeSpace', '', () => fs.statfs(this.#directory))
    return {
      freeBytes: status.bavail * status.bsize,
      totalBytes: status.blocks * status.bsize,
      // Some file systems make inodes as they need them and count none.
      freeInodes: status.files === 0 ? Number.MAX_SAFE_INTEGER : status.ffree,
    }
  }

  async close(): Promise<void> {
    const lane = this.#lane
    this.#lane = null
    await lane?.close()
  }

  #resolve(operation: DiskOperation, path: string): string {
    if (path === '' || path === '.') return this.#directory
    if (isAbsolute(path) || path.includes('\0')) throw new DiskFault(operation, path, 'EINVAL')
    for (const name of path.split('/')) {
      if (name === '' || name === '.' || name === '..') throw new DiskFault(operation, path, 'EINVAL')
    }
    return `${this.#directory}/${path}`
  }
}

class NodeFile implements DiskFile {
  readonly path: string
  readonly #handle: fs.FileHandle
  readonly #lane: LogLane | null
  readonly #progress: DedicatedProgress | null
  /** Settles after every trip sent so far, because the lane is first in, first out. */
  #lastTrip: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(path: string, handle: fs.FileHandle, lane: LogLane | null, progress: DedicatedProgress | null) {
    this.path = path
    this.#handle = handle
    this.#lane = lane
    this.#progress = progress
  }

  async write(chunks: readonly Uint8Array[], offset: number): Promise<void> {
    if (this.#lane !== null) return this.#ride(this.#lane, chunks, offset, false)
    assert(Number.isSafeInteger(offset) && offset >= 0)
    await attempt('write', this.path, () => writeFully(this.#handle, chunks, offset))
  }

  async datasync(): Promise<void> {
    if (this.#lane !== null) return this.#ride(this.#lane, [], 0, true)
    await attempt('datasync', this.path, () => this.#handle.datasync())
  }

  async writeAndSync(chunks: readonly Uint8Array[], offset: number): Promise<void> {
    if (this.#lane !== null) return this.#ride(this.#lane, chunks, offset, true)
    await this.write(chunks, offset)
    await this.datasync()
  }

  async read(offset: number, length: number): Promise<Buffer> {
    assert(Number.isSafeInteger(offset) && offset >= 0)
    assert(Number.isSafeInteger(length) && length >= 0)
    const buffer = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await attempt('read', this.path, () =>
        this.#handle.read(buffer, filled, length - filled, offset + filled),
      )
      if (bytesRead === 0) return buffer.subarray(0, filled)
      filled += bytesRead
    }
    assert(filled === length)
    return buffer
  }

  async size(): Promise<number> {
    return (await attempt('size', this.path, () => this.#handle.stat())).size
  }

  async truncate(sizeBytes: number): Promise<void> {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)
    await attempt('truncate', this.path, () => this.#handle.truncate(sizeBytes))
  }

  // The descriptor's number may be given to another file as soon as it is closed: no trip may
  // still be on its way then.
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#lastTrip
    await attempt('close', this.path, () => this.#handle.close())
  }

  #ride(lane: LogLane, chunks: readonly Uint8Array[], offset: number, syncs: boolean): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(new DiskFault(chunks.length > 0 ? 'write' : 'datasync', this.path, 'EBADF'))
    }
    const finished = (): void => this.#progress?.logFinished()
    this.#progress?.logBegun()
    const trip = lane.run({ descriptor: this.#handle.fd, path: this.path, chunks, offset, syncs })
    // The caller gets the failure; closing only needs to know that the trip is over.
    this.#lastTrip = trip.then(finished, finished)
    return trip
  }
}

type VectorWriter = {
  writev(chunks: readonly Uint8Array[], position: number): Promise<{ readonly bytesWritten: number }>
}

/** Writes all bytes: the operating system may take fewer than it was given. */
export async function writeFully(
  handle: VectorWriter,
  chunks: readonly Uint8Array[],
  offset: number,
): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0)
  let position = offset
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, position)
    if (bytesWritten <= 0) throw Object.assign(new Error('write took no byte'), { code: 'EIO', errno: -5 })
    position += bytesWritten
    rest = dropBytes(rest, bytesWritten)
  }
}

function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count
  let index = 0
  for (; index < chunks.length; index++) {
    const length = chunks[index]?.length ?? 0
    if (skip < length) break
    skip -= length
  }
  const [first, ...others] = chunks.slice(index)
  if (first === undefined) {
    assert(skip === 0)
    return []
  }
  return [skip === 0 ? first : first.subarray(skip), ...others]
}

async function attempt<T>(operation: DiskOperation, path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof DiskFault) throw error
    const { code, errno } = error as NodeJS.ErrnoException
    if (typeof code !== 'string' || typeof errno !== 'number') throw error
    throw new DiskFault(operation, path, code, error)
  }
}
