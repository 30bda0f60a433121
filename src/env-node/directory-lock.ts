/**
 * One process per data directory: two would write one log and vote twice under one name.
 *
 * The operating system holds the lock and lets go of it when the process ends, however it ends:
 * there is no stale lock to remove by hand, and a process id that was given to somebody else
 * fools nobody. Node has no call for such a lock; SQLite, which is part of it, takes one (fcntl)
 * for an exclusive transaction, and that is all it is used for here: nothing is stored.
 *
 * Who holds the lock is written beside it, for the message to whoever comes second. It is only a
 * hint, and may be old.
 */
import assert from 'node:assert/strict'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type StorageError, storageError } from '../base/errors.ts'

/** Names with a dot: a directory that holds nothing else counts as empty. */
export const LOCK_FILE = '.lock'
export const LOCK_HOLDER_FILE = '.lock-holder'

const SQLITE_BUSY = 5
/** What SQLite says without the system's own word for it. */
const ERRNO_OF_SQLITE: ReadonlyMap<number, string> = new Map([
  [8, 'EROFS'],
  [10, 'EIO'],
  [13, 'ENOSPC'],
])

export interface DataDirectoryLock {
  /** Releasing twice does nothing. */
  release(): void
}

/** The directory must exist. Rejects with `dataDirectoryInUse`, or with the errno of a directory that can't be written. */
export async function lockDataDirectory(directory: string, processId: number): Promise<DataDirectoryLock> {
  assert(Number.isSafeInteger(processId) && processId > 0)
  const path = join(directory, LOCK_FILE)
  const database = await openDatabase(path)
  try {
    database.exec('BEGIN EXCLUSIVE')
    await writeFile(join(directory, LOCK_HOLDER_FILE), `${processId}\n`)
  } catch (error) {
    database.close()
    const { errcode } = error as { errcode?: unknown }
    if (errcode !== SQLITE_BUSY) throw withErrno(error, errcode)
    throw inUse(directory, await readHolder(directory))
  }
  let isHeld = true
  return {
    release: () => {
      if (isHeld) database.close()
      isHeld = false
    },
  }
}

/**
 * A file that was opened otherwise must not be closed while this process holds the lock: that
 * would drop it (POSIX). So only a failure looks closer.
 */
async function openDatabase(path: string): Promise<DatabaseSync> {
  try {
    return new DatabaseSync(path, { timeout: 0 })
  } catch (error) {
    // SQLite only says that it can't open it; the file system says why.
    await (await open(path, 'a', 0o600)).close()
    throw error
  }
}

/** The low byte of SQLite's code is what failed; the rest says where. */
function withErrno(error: unknown, errcode: unknown): unknown {
  const code = typeof errcode === 'number' ? ERRNO_OF_SQLITE.get(errcode & 0xff) : undefined
  return code === undefined ? error : Object.assign(new Error(`lock: ${code}`, { cause: error }), { code })
}

async function readHolder(directory: string): Promise<number | null> {
  try {
    const text = await readFile(join(directory, LOCK_HOLDER_FILE), 'utf8')
    return /^\d{1,10}\n$/.test(text) ? Number(text) : null
  } catch {
    return null // not written yet: the message does without it
  }
}

function inUse(directory: string, holder: number | null): StorageError {
  const who = holder === null ? 'another process' : `process ${holder}`
  return storageError('dataDirectoryInUse', {
    message: `${who} uses the data directory ${directory}`,
    context: { directory, holder },
  })
}
