/**
 * Loaded into a node's process (`--import`) to see what it holds when nothing is left to be collected.
 *
 * MEMORY_PROBE_FILE: creating MEMORY_PROBE_FILE.ask makes it collect garbage and write down what it holds.
 */
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

export type MemoryReading = {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
  readonly descriptors: number
}

const POLL_MS = 100

const file = process.env['MEMORY_PROBE_FILE']
if (isMainThread && file !== undefined) watch(file)

function watch(path: string): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setInterval(() => {
    if (!existsSync(`${path}.ask`)) return
    // Twice: what a finaliser lets go of is collected by the second.
    collect()
    collect()
    const { rss, heapUsed, external } = process.memoryUsage()
    const reading: MemoryReading = {
      residentBytes: rss,
      heapBytes: heapUsed,
      externalBytes: external,
      descriptors: readdirSync('/proc/self/fd').length,
    }
    writeFileSync(`${path}.tmp`, JSON.stringify(reading))
    renameSync(`${path}.tmp`, path)
    rmSync(`${path}.ask`)
  }, POLL_MS).unref()
}
