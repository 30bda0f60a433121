/**
 * Turns what RocksDB says into an `EngineFault`.
 *
 * The binding gives a text and an errno name that is `EIO` for nearly everything, corruption included.
 * RocksDB's file layer ends its texts with the C library's words for the errno, which is what we go by;
 * a text that ends otherwise and speaks of damage is corruption; anything else is reported as an I/O
 * failure without errno, never as corruption: a replica must not throw its data away on a guess.
 */
import { EngineFault } from '../../env/engine.ts'

const ERRNO_OF_TEXT: readonly (readonly [string, string])[] = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['Input/output error', 'EIO'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['Read-only file system', 'EROFS'],
  ['Too many open files', 'EMFILE'],
  ['Too many open files in system', 'ENFILE'],
  ['No locks available', 'ENOLCK'],
  ['Resource temporarily unavailable', 'EAGAIN'],
  ['Cannot allocate memory', 'ENOMEM'],
  ['Structure needs cleaning', 'EUCLEAN'],
  ['Stale file handle', 'ESTALE'],
  ['File too large', 'EFBIG'],
  ['No such device', 'ENODEV'],
  ['Is a directory', 'EISDIR'],
  ['Not a directory', 'ENOTDIR'],
  ['No such file or directory', 'ENOENT'],
]
const DAMAGE =
  /corrupt|checksum|mismatch|bad (table|block|magic|entry|record)|truncated|malformed|too short|existing log file|not an sstable|unknown (record|tag)|missing/i
const FILE = /([\w.-]+\.(?:sst|log|blob)|MANIFEST-\d+|CURRENT)/

/** Throws what is no failure of the engine but a mistake in this program: a failed assertion, a `TypeError`. */
export function faultOf(name: string, error: unknown): EngineFault {
  if (error instanceof EngineFault) return error
  const isReported =
    error instanceof Error && (error.constructor === Error || error instanceof AggregateError)
  if (!isReported) throw error
  const { message, code } = innermost(error)
  const file = FILE.exec(message)?.[1]
  const path = file === undefined ? name : `${name}/${file}`
  if (message === 'RocksDB session is closed')
    return new EngineFault('closed', name, message, { cause: error })
  if (message.startsWith('Corruption:')) return new EngineFault('corruption', path, message, { cause: error })
  for (const [text, errno] of ERRNO_OF_TEXT) {
    if (message.trimEnd().endsWith(text)) return new EngineFault('io', path, message, { errno, cause: error })
  }
  if (code !== null && code !== 'EIO')
    return new EngineFault('io', path, message, { errno: code, cause: error })
  const kind = DAMAGE.test(message) ? 'corruption' : 'io'
  return new EngineFault(kind, path, message, { cause: error })
}

type Told = { readonly message: string; readonly code: string | null }

/** A failed batch is an error around the one that says why; a failed read batch is one around many. */
function innermost(error: unknown): Told {
  let current = error
  for (let depth = 0; depth < 4; depth++) {
    const inner: unknown =
      current instanceof AggregateError
        ? current.errors.find((each) => each)
        : (current as { cause?: unknown })?.cause
    if (!(inner instanceof Error)) break
    current = inner
  }
  if (!(current instanceof Error)) return { message: String(current), code: null }
  const { code } = current as { code?: unknown }
  return { message: current.message, code: typeof code === 'string' ? code : null }
}
