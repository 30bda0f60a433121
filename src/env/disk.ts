/**
 * Files, with exactly the durability POSIX gives and nothing more:
 *
 * - Written bytes are durable only after `datasync` of the file returned; before that a crash may
 *   keep all, none or any 512-byte sectors of them, in any order.
 * - A new file, a rename or a removal is durable only after `syncDirectory` of its folder returned.
 * - A `datasync` that failed says nothing about any unsynced byte, and a second `datasync` that
 *   succeeds does not make up for it: the caller must abandon the file.
 *
 * Paths are relative to the data directory, with `/`, and `''` or `.` is that directory itself; they
 * never contain `..` (EINVAL). Every failure is a `DiskFault`. No operation retries.
 */
import type { Buffer } from 'node:buffer'

export interface Disk {
  /** `create`: must not exist yet. `write`: must exist. `read`: must exist, and is not written. */
  open(path: string, mode: 'create' | 'write' | 'read', options?: OpenOptions): Promise<DiskFile>
  /** Replaces `to` if it exists. Atomic; durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Creates missing parents too; an existing folder is fine. */
  makeDirectory(path: string): Promise<void>
  /** Removes the folder and everything in it; a missing one is fine. */
  removeDirectory(path: string): Promise<void>
  /** Names in the folder, sorted; an absent folder is empty. */
  list(path: string): Promise<readonly string[]>
  exists(path: string): Promise<boolean>
  syncDirectory(path: string): Promise<void>
  freeSpace(): Promise<FreeSpace>
}

export type OpenOptions = {
  /**
   * Writes and syncs of this file never wait behind other disk work of the process (the engine's,
   * say): the log's own lane.
   */
  readonly dedicated?: boolean
}

export type FreeSpace = {
  readonly freeBytes: number
  readonly totalBytes: number
  readonly freeInodes: number
}

export interface DiskFile {
  readonly path: string
  /** Writes all of `chunks`, one behind the other, starting at `offset`. The bytes must not change until it returns. */
  write(chunks: readonly Uint8Array[], offset: number): Promise<void>
  /** Everything written before the call is durable when it returns. */
  datasync(): Promise<void>
  /**
   * `write`, then `datasync`, as one trip. On failure neither is known to have happened.
   */
  writeAndSync(chunks: readonly Uint8Array[], offset: number): Promise<void>
  /** Fewer bytes than asked only at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>
  size(): Promise<number>
  /** Grows (with zeros) or cuts the file. */
  truncate(sizeBytes: number): Promise<void>
  close(): Promise<void>
}

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'datasync'
  | 'size'
  | 'truncate'
  | 'close'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'removeDirectory'
  | 'list'
  | 'exists'
  | 'syncDirectory'
  | 'freeSpace'

/** What the operating system answered, unclassified; `base/errors` decides what it means. */
export class DiskFault extends Error {
  override readonly name = 'DiskFault'
  readonly operation: DiskOperation
  readonly path: string
  /** The errno's name, `ENOSPC` say. */
  readonly errno: string

  constructor(operation: DiskOperation, path: string, errno: string, cause?: unknown) {
    super(`${operation} ${path}: ${errno}`, cause === undefined ? undefined : { cause })
    this.operation = operation
    this.path = path
    this.errno = errno
  }
}
