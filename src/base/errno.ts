/**
 * Which error of the catalogue an error name of the operating system, of Node's resolver or of
 * the storage engine stands for: one table for code, tests and docs/reference/errors.md. Type,
 * Redis prefix, hint, and whether it heals by itself, are those of the catalogue row it names.
 *
 * Errors are told apart by errno alone, never by their text. An errno that is not here is an
 * `internalError`: not retried, because nobody has thought about what it left behind.
 */
import { type ErrorName, errorRow } from './error-catalogue.ts'
import { type ErrorRow } from './error-row.ts'

export const ERRNO_TABLE = {
  // Space and other things that run out and come back.
  ENOSPC: 'diskFull',
  EDQUOT: 'quotaExceeded',
  ENOMEM: 'memoryExhausted',
  EMFILE: 'fileHandlesExhausted',
  ENFILE: 'fileHandlesExhausted',
  ENOBUFS: 'memoryExhausted',
  // The disk fails, or is gone.
  EIO: 'diskFault',
  EREMOTEIO: 'diskFault',
  EROFS: 'readOnlyFileSystem',
  ENODEV: 'deviceGone',
  ENXIO: 'deviceGone',
  ENOMEDIUM: 'deviceGone',
  ESTALE: 'deviceGone',
  // The file system found its own structures damaged.
  EUCLEAN: 'checksumMismatch',
  EBADMSG: 'checksumMismatch',
  // Rights, and files that are not what they should be.
  EACCES: 'accessDenied',
  EPERM: 'accessDenied',
  ENOENT: 'fileMissing',
  EEXIST: 'fileConflict',
  EISDIR: 'fileConflict',
  ENOTDIR: 'fileConflict',
  ENOTEMPTY: 'fileConflict',
  ELOOP: 'fileConflict',
  EXDEV: 'fileConflict',
  // Passing.
  EAGAIN: 'resourceBusy',
  EBUSY: 'resourceBusy',
  EINTR: 'resourceBusy',
  ETXTBSY: 'resourceBusy',
  EDEADLK: 'resourceBusy',
  ENOLCK: 'resourceBusy',
  // Calls the system does not take.
  EBADF: 'systemCallRefused',
  EFBIG: 'systemCallRefused',
  EINVAL: 'systemCallRefused',
  ENAMETOOLONG: 'systemCallRefused',
  ENOSYS: 'systemCallRefused',
  ENOTSUP: 'systemCallRefused',
  EOPNOTSUPP: 'systemCallRefused',
  // The network.
  ECONNREFUSED: 'connectionRefused',
  ECONNRESET: 'connectionLost',
  ECONNABORTED: 'connectionLost',
  ENOTCONN: 'connectionLost',
  EPIPE: 'connectionLost',
  ESHUTDOWN: 'connectionLost',
  ENETRESET: 'connectionLost',
  ETIMEDOUT: 'networkTimeout',
  EHOSTDOWN: 'hostUnreachable',
  EHOSTUNREACH: 'hostUnreachable',
  ENETDOWN: 'hostUnreachable',
  ENETUNREACH: 'hostUnreachable',
  ENONET: 'hostUnreachable',
  EAI_AGAIN: 'nameNotResolved',
  EAI_FAIL: 'nameNotResolved',
  EAI_NONAME: 'nameNotResolved',
  ENOTFOUND: 'nameNotResolved',
  EPROTO: 'peerProtocol',
  EADDRINUSE: 'portInUse',
  EADDRNOTAVAIL: 'addressNotAvailable',
  // The storage engine's own names.
  LEVEL_CORRUPTION: 'engineDamaged',
  LEVEL_IO_ERROR: 'diskFault',
  LEVEL_LOCKED: 'dataDirectoryInUse',
} as const satisfies Record<string, ErrorName>

export type KnownErrno = keyof typeof ERRNO_TABLE

export type ErrnoRow = ErrorRow & { readonly errno: KnownErrno; readonly name: ErrorName }

export function isKnownErrno(errno: string): errno is KnownErrno {
  return Object.hasOwn(ERRNO_TABLE, errno)
}

/**
 * The error an errno stands for. `operation` matters once: an input/output error of a sync leaves
 * other doubts behind than one of a read.
 */
export function errorNameOfErrno(errno: string, operation?: string): ErrorName {
  if (!isKnownErrno(errno)) return 'internalError'
  const name = ERRNO_TABLE[errno]
  return name === 'diskFault' && operation !== undefined && SYNC_OPERATIONS.has(operation)
    ? 'syncFailed'
    : name
}

/** The table joined with the catalogue, in the order in which it is written. */
export function errnoRows(): readonly ErrnoRow[] {
  const names = Object.keys(ERRNO_TABLE).filter(isKnownErrno)
  return names.map((errno) => ({ errno, name: ERRNO_TABLE[errno], ...errorRow(ERRNO_TABLE[errno]) }))
}

const SYNC_OPERATIONS: ReadonlySet<string> = new Set(['datasync', 'syncDirectory', 'fsync', 'fdatasync'])
