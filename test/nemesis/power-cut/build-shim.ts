/** Compiles the shim, once per version of its source, into the system's temporary directory. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCE = fileURLToPath(new URL('shim.c', import.meta.url))
const FLAGS = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-Wno-format-truncation']
const run = promisify(execFile)

/** Why there can be no power cuts here; null when there can. */
export async function powerCutsMissing(): Promise<string | null> {
  if (process.platform !== 'linux') return 'power cuts need Linux'
  try {
    await run('gcc', ['--version'])
    return null
  } catch {
    return 'power cuts need gcc (tools/setup-debian.sh installs it)'
  }
}

export async function buildShim(): Promise<string> {
  const version = createHash('sha256').update(readFileSync(SOURCE)).update(FLAGS.join(' ')).digest('hex')
  const directory = join(tmpdir(), 'holdfast-shim')
  const target = join(directory, `${version.slice(0, 16)}.so`)
  if (existsSync(target)) return target
  await mkdir(directory, { recursive: true })
  const unfinished = `${target}.${process.pid}`
  await run('gcc', [...FLAGS, '-o', unfinished, SOURCE, '-ldl', '-lpthread'])
  await rename(unfinished, target)
  return target
}
