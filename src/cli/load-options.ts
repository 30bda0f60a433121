/** Brings the three sources of options together: reads the file, and the password out of its own. */
import { readFile, stat } from 'node:fs/promises'
import { type StorageError, storageError, toStorageError } from '../base/errors.ts'
import type { CommandContext } from './command-context.ts'
import { CONFIG_FILE_BYTES_MAX, type ConfigFile, parseConfigFile } from './options/config-file.ts'
import { describeProblem } from './options/option-problem.ts'
import { environmentVariable, OPTIONS, type OptionName } from './options/option-table.ts'
import { type ResolvedOptions, resolveOptions, sourceOf } from './options/resolve-options.ts'
import { configurationError } from './report-error.ts'

const PASSWORD_FILE_BYTES_MAX = 4_096

/** Throws one error that names everything that is wrong. */
export async function loadOptions(
  flags: ReadonlyMap<OptionName, string>,
  context: Pick<CommandContext, 'environment' | 'writeError'>,
): Promise<ResolvedOptions> {
  const fromEnvironment = context.environment[environmentVariable('config')]
  const path = flags.get('config') ?? (fromEnvironment === '' ? undefined : fromEnvironment)
  const file = path === undefined ? null : await readConfigFile(path)
  const { resolved, problems, warnings } = resolveOptions({ flags, environment: context.environment, file })
  for (const warning of warnings) context.writeError(`holdfast: warning: ${describeProblem(warning)}\n`)
  if (problems.length > 0) throw configurationError(problems)
  return resolved
}

export async function readConfigFile(path: string): Promise<ConfigFile> {
  return parseConfigFile(path, await readSmallFile(path, CONFIG_FILE_BYTES_MAX, 'the configuration file'))
}

/** The password in force, from wherever it is; null when clients need none. */
export async function loadPassword(resolved: ResolvedOptions): Promise<string | null> {
  const path = resolved.values['password-file']
  if (path === null) return resolved.values.password
  const text = await readSmallFile(path, PASSWORD_FILE_BYTES_MAX, 'the password file')
  const password = OPTIONS.password.kind.parse((text.split(/\r?\n/)[0] ?? '').trim())
  if (password !== null) return password
  const message = `option password-file: the first line of ${path} is not a password`
  const allowed = `it must be ${OPTIONS.password.kind.allowed}`
  throw configurationError([{ where: sourceOf(resolved, 'password-file'), message, allowed }])
}

async function readSmallFile(path: string, bytesMax: number, what: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > bytesMax) throw tooLarge(path, size, bytesMax, what)
    return await readFile(path, 'utf8')
  } catch (thrown) {
    const error = toStorageError(thrown)
    if (error.name === 'invalidConfiguration') throw error
    throw storageError('invalidConfiguration', {
      message: `${what} ${path} can't be read: ${error.message}`,
      cause: error,
      hint: 'Check the path and who may read it.',
    })
  }
}

function tooLarge(path: string, size: number, bytesMax: number, what: string): StorageError {
  return storageError('invalidConfiguration', {
    message: `${what} ${path} has ${size} bytes, more than ${bytesMax}`,
    hint: 'Check that it is the right file.',
  })
}
