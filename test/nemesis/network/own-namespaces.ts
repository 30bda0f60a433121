/**
 * Moves the run into network and mount namespaces of its own, so that nothing it sets up is seen by
 * anything else on the machine, and all of it is gone when the run is, however that ends.
 */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const UNSHARE = ['--net', '--mount', '--propagation', 'private'] as const
const run = promisify(execFile)

/** Why there can be no namespaces here; null when there can. */
export async function namespacesMissing(): Promise<string | null> {
  if (process.platform !== 'linux') return 'namespaces need Linux'
  if (process.getuid?.() !== 0) return 'namespaces need root'
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun'
  try {
    await run('unshare', [...UNSHARE, 'true'])
    for (const [tool, word] of [
      ['ip', '-V'],
      ['ss', '-V'],
      ['nsenter', '-V'],
    ] as const)
      await run(tool, [word])
    return null
  } catch (error) {
    return `no namespaces: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Runs the same command again, inside; resolves with its exit code. */
export async function repeatInside(script: string, words: readonly string[]): Promise<number> {
  const child = spawn('unshare', [...UNSHARE, process.execPath, script, ...words], { stdio: 'inherit' })
  // Before anybody else ends this process for it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.prependListener(signal, () => child.kill(signal))
  const [code] = (await once(child, 'close')) as [number | null]
  return code ?? 1
}

/** However the run ends, what it mounted below `directory` must not keep that from being removed. */
export function unmountAtExit(directory: string): void {
  process.prependOnceListener('exit', () => {
    const mounted = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((path) => path.startsWith(`${directory}/`))
    for (const path of mounted) spawnSync('umount', ['--lazy', path])
  })
}
