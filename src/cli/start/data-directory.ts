/** Makes the data directory if it is missing, and takes it for this process. */
import { mkdir } from 'node:fs/promises'
import { type DataDirectoryLock, lockDataDirectory } from '../../env-node/directory-lock.ts'
import { removeEndpoints } from '../endpoints-file.ts'

export type TakenDirectory = { readonly directory: string; readonly lock: DataDirectoryLock }

export async function takeDirectory(directory: string, processId: number): Promise<TakenDirectory> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
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
