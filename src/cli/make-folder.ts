/**
 * Makes a folder, and every one around it that is missing, so that their names outlive a power loss: what is
 * synced inside a folder whose own name is lost is lost with it.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { syncFolder } from '../env-node/sync-folder.ts'

export async function makeFolder(path: string, mode?: number): Promise<void> {
  // The outermost folder that is new; everything between it and the innermost is new too.
  const made = await mkdir(path, { recursive: true, ...(mode === undefined ? {} : { mode }) })
  if (made === undefined) return
  const outermost = resolve(made)
  for (let folder = resolve(path); folder.length >= outermost.length; folder = dirname(folder)) {
    await syncFolder(dirname(folder))
  }
}
