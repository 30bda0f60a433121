/**
 * Runs once after `npm ci`: starts a node on an empty directory and stops it, so that the compiled
 * form of every module it needs is kept. A node that must compile itself starts later and holds
 * 50 MiB more. Only a convenience: when it fails, it says so, and the first node to stop does it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = path.join(import.meta.dirname, '../src/cli/main.js')
const START_MS_MAX = 20_000
const LOOK_EVERY_MS = 50

async function startAndStop(directory: string): Promise<void> {
  const data = path.join(directory, 'data')
  const ports = ['redis', 'http', 'peer', 'milvus'].map((name) => `--${name}-port=0`)
  const node = spawn(process.execPath, [MAIN, 'start', '--data-dir', data, ...ports], { stdio: 'ignore' })
  const ended = once(node, 'exit')
  try {
    const isServing = (): boolean => existsSync(path.join(data, 'endpoints.json'))
    for (let waitedMs = 0; !isServing(); waitedMs += LOOK_EVERY_MS) {
      if (node.exitCode !== null) throw new Error(`it ended with code ${node.exitCode}`)
      if (waitedMs >= START_MS_MAX) throw new Error(`it did not serve within ${START_MS_MAX} ms`)
      await sleep(LOOK_EVERY_MS)
    }
    node.kill('SIGTERM')
    await ended
  } finally {
    if (node.exitCode === null) node.kill('SIGKILL')
  }
}

const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-compile-'))
try {
  await startAndStop(directory)
} catch (error) {
  console.warn(`the compiled modules were not kept (the first start will be slower): ${String(error)}`)
} finally {
  await rm(directory, { recursive: true, force: true })
}
