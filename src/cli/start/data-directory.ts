/**
 * Makes the data directory if it is missing, and takes it for this process.
 *
 * Its name is durable before anything in it is: a founder whose directory a power loss took would found
 * a second cluster in its place.
 */
import { type DataDirectoryLock, lockDataDirectory } from '../../env-node/directory-lock.ts'
import { removeEndpoints } from '../endpoints-file.ts'
import { makeFolder } from '../make-folder.ts'

export type TakenDirectory = { readonly directory: string; readonly lock: DataDirectoryLock }

export async function takeDirectory(directory: string, processId: number): Promise<TakenDirectory> {
  await makeFolder(directory, 0o700)
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
