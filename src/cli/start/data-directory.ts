/**
 * Makes the data directory if it is missing, and takes it for this process.
 *
 * Its name is durable before anything in it is: a founder whose directory a power loss took would found
 * a second cluster in its place.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type DataDirectoryLock, lockDataDirectory } from '../../env-node/directory-lock.ts'
import { syncFolder } from '../../env-node/sync-folder.ts'
import { removeEndpoints } from '../endpoints-file.ts'

export type TakenDirectory = { readonly directory: string; readonly lock: DataDirectoryLock }

export async function takeDirectory(directory: string, processId: number): Promise<TakenDirectory> {
  const made = await mkdir(directory, { recursive: true, mode: 0o700 })
  if (made !== undefined) await syncNames(resolve(directory), resolve(made))
  const lock = await lockDataDirectory(directory, processId)
  try {
    // What a process that was killed left behind would send clients to nobody.
    await removeEndpoints(directory)
  } catch (error) {
    lock.release()
    throw error
  }
  return { directory, lock }
}

/** `made` is the outermost folder that is new; everything between it and `innermost` is new too. */
async function syncNames(innermost: string, made: string): Promise<void> {
  for (let folder = innermost; folder.length >= made.length; folder = dirname(folder)) {
    await syncFolder(dirname(folder))
  }
}
