/** Compiles C, once per version of its sources, into the system's temporary directory. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const WARNINGS = ['-O2', '-Wall', '-Wextra', '-Werror', '-Wno-format-truncation']
const KINDS = {
  /** For LD_PRELOAD. */
  library: { before: ['-shared', '-fPIC', ...WARNINGS], after: ['-ldl', '-lpthread'] },
  program: { before: WARNINGS, after: [] },
} as const
const HEADER = fileURLToPath(new URL('real-calls.h', import.meta.url))
const run = promisify(execFile)

/** Why nothing can be compiled here; null when it can. */
export async function compilerMissing(): Promise<string | null> {
  try {
    await run('gcc', ['--version'])
    return null
  } catch {
    return 'gcc is missing (tools/setup-debian.sh installs it)'
  }
}

export async function compileC(source: string, kind: keyof typeof KINDS): Promise<string> {
  const { before, after } = KINDS[kind]
  const version = createHash('sha256')
    .update(readFileSync(source))
    .update(readFileSync(HEADER))
    .update([...before, ...after].join(' '))
    .digest('hex')
  const directory = join(tmpdir(), 'holdfast-shim')
  const target = join(directory, `${basename(source, '.c')}-${version.slice(0, 16)}`)
  if (existsSync(target)) return target
  await mkdir(directory, { recursive: true })
  const unfinished = `${target}.${process.pid}`
  await run('gcc', [...before, '-o', unfinished, source, ...after])
  await rename(unfinished, target)
  return target
}
