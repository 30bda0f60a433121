/** Makes the names in a folder durable: files that were created, renamed or removed there. */
import { open } from 'node:fs/promises'

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
