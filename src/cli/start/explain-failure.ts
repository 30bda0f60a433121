/**
 * Turns what ended a start into an error that names the option to change. The layers below know
 * what failed; only the command knows which option asked for it.
 */
import { type StorageError, storageError, toStorageError } from '../../base/errors.ts'
import type { OptionName } from '../options/option-table.ts'
import { type ResolvedOptions, sourceOf } from '../options/resolve-options.ts'

const PORT_OPTIONS = ['redis-port', 'milvus-port', 'http-port', 'livez-port', 'peer-port'] as const
const NOT_WRITABLE: ReadonlySet<string> = new Set(['accessDenied', 'readOnlyFileSystem', 'fileConflict'])

export function explainFailure(thrown: unknown, resolved: ResolvedOptions): StorageError {
  const error = toStorageError(thrown)
  switch (error.name) {
    case 'portInUse':
    case 'accessDenied':
      return explainPort(error, resolved) ?? error
    case 'addressNotAvailable':
    case 'nameNotResolved':
      return named(error, resolved, 'host', `this machine has no address ${resolved.values.host}`)
    case 'diskFull':
    case 'quotaExceeded':
      return named(error, resolved, 'data-dir', `${error.message}, in ${resolved.values['data-dir']}`)
    default:
      return error
  }
}

/** For failures while the directory is made and taken, before anything in it was read. */
export function explainDirectory(thrown: unknown, resolved: ResolvedOptions): StorageError {
  const error = toStorageError(thrown)
  if (!NOT_WRITABLE.has(error.name)) return explainFailure(error, resolved)
  const reason =
    error.name === 'fileConflict' ? 'something that is no directory is in its way' : error.message
  return storageError('dataDirectoryNotWritable', {
    message: `can't write in the data directory ${resolved.values['data-dir']} (${where(resolved, 'data-dir')}): ${reason}`,
    cause: error,
    context: { ...error.context },
    hint: `${error.name === 'readOnlyFileSystem' ? 'Mount the file system writable' : 'Give the account Holdfast runs under write access'}, or choose another place with --data-dir.`,
  })
}

function explainPort(error: StorageError, resolved: ResolvedOptions): StorageError | null {
  const port = Number(/listen on .*:(\d+)/.exec(error.message)?.[1] ?? Number.NaN)
  const name = PORT_OPTIONS.find((option) => resolved.values[option] === port)
  if (name === undefined) return null
  const { host } = resolved.values
  const message =
    error.name === 'portInUse'
      ? `port ${port} of ${host} is in use by another process; option ${name} (${where(resolved, name)}) asks for it`
      : `this account may not listen on port ${port} of ${host}; option ${name} (${where(resolved, name)}) asks for it`
  return storageError(error.name, {
    message,
    cause: error,
    context: { host, port, option: name },
    hint: `Stop the other process, choose another port with --${name}, or let --${name} 0 take any free one.`,
  })
}

function named(
  error: StorageError,
  resolved: ResolvedOptions,
  name: OptionName,
  message: string,
): StorageError {
  return storageError(error.name, {
    message: `${message}; option ${name} (${where(resolved, name)}) asks for it`,
    cause: error,
    context: { ...error.context, option: name },
    hint: error.hint,
  })
}

function where(resolved: ResolvedOptions, name: OptionName): string {
  return sourceOf(resolved, name)
}
