/**
 * Completes package-lock.json. A package with one build per platform names all its builds as
 * optional dependencies; npm leaves those out of the lock that the registry does not offer at that
 * moment, and `npm ci` then refuses the lock everywhere, also where the build isn't wanted.
 *
 * Run it after `npm install`. What it adds says for which platform the package is, so that npm
 * neither fetches nor misses it elsewhere; it has no integrity, because nobody has seen its bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PROJECT_ROOT } from './source-files.ts'

export const LOCK_FILE: string = path.join(PROJECT_ROOT, 'package-lock.json')

type Package = {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
export type Lock = { readonly packages: Readonly<Record<string, Package>> }

export type MissingBuild = {
  readonly name: string
  readonly version: string
  readonly isDevelopmentOnly: boolean
}

/** Optional dependencies that the lock knows by name only. */
export function findMissingBuilds({ packages }: Lock): readonly MissingBuild[] {
  return Object.entries(packages).flatMap(([place, { optionalDependencies, dev }]) =>
    Object.entries(optionalDependencies ?? {})
      .filter(([name]) => !isResolvable(packages, place, name))
      .map(([name, version]) => ({ name, version, isDevelopmentOnly: dev === true })),
  )
}

/** The lock with an entry for each missing build, in npm's order. */
export function completeLock<L extends Lock>(lock: L): L {
  const added = findMissingBuilds(lock).map(
    ({ name, version, isDevelopmentOnly }) =>
      [
        `node_modules/${name}`,
        { version, ...platformOf(name), ...(isDevelopmentOnly ? { dev: true } : {}), optional: true },
      ] as const,
  )
  const entries = [...Object.entries(lock.packages), ...added]
  const sorted = entries.sort(([left], [right]) => left.localeCompare(right, 'en'))
  return { ...lock, packages: Object.fromEntries(sorted) }
}

/** As Node looks: beside the package, then in each folder above. */
function isResolvable(packages: Lock['packages'], place: string, name: string): boolean {
  let from = place
  for (;;) {
    if (Object.hasOwn(packages, `${from === '' ? '' : `${from}/`}node_modules/${name}`)) return true
    if (from === '') return false
    from = from.slice(0, Math.max(0, from.lastIndexOf('node_modules/') - 1))
  }
}

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'win32']
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

/** Read off the name, as in `@swc/core-linux-arm-gnueabihf`. */
function platformOf(name: string): {
  readonly os: string[]
  readonly cpu: string[]
  readonly libc?: string[]
} {
  const words = name.split(/[/-]/)
  const os = SYSTEMS.filter((system) => words.includes(system))
  const cpu = PROCESSORS.filter((processor) => words.includes(processor))
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`cannot tell the platform of ${name}`)
  if (os[0] !== 'linux') return { os, cpu }
  return { os, cpu, libc: words.some((word) => word.startsWith('musl')) ? ['musl'] : ['glibc'] }
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync(LOCK_FILE, 'utf8')) as Lock
  const missing = findMissingBuilds(lock)
  if (missing.length > 0) writeFileSync(LOCK_FILE, `${JSON.stringify(completeLock(lock), null, 2)}\n`)
  console.log(`${missing.length} builds added`)
}
