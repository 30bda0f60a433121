/**
 * Knows the files of an engine's folder, and whether they are still what was written.
 *
 * RocksDB checks every block of a table that it reads (XXH3 per block, tied to the block's place). What
 * it does not notice is a MANIFEST that lost its end: then a whole table vanishes silently. So after each
 * flush the engine writes a `WITNESS`: the MANIFEST's name, length and checksum as of that flush, and the
 * checksum of every table file (they never change). When the folder is opened the MANIFEST must still
 * begin with what was witnessed; when it is verified every table must have the bytes it had.
 *
 * A witness that fails its own checksum testifies to nothing: it is ignored with a warning and written
 * anew (one fault is survived without it). What a witness can't know is said in `docs/design/0001`.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { EngineFault, type VerifyProgress } from '../../env/engine.ts'
import { syncFolder } from '../sync-folder.ts'
import { checkLogBlock, checkLogBytes, LOG_BLOCK_BYTES } from './log-check.ts'

const WITNESS = 'WITNESS'
const WITNESS_VERSION = 1
/** A read of this size keeps the main thread for some 0.3 ms of checksumming. */
const READ_CHUNK_BYTES = 1024 * 1024
/** The last eight bytes of every RocksDB table. */
const TABLE_MAGIC = Buffer.from('f7cff485b741e288', 'hex')
const MANIFEST_BYTES_MAX = 1024 * 1024 * 1024

export type TableSum = { readonly bytes: number; readonly crc: number }
export type Witness = {
  readonly manifest: string
  readonly manifestBytes: number
  readonly manifestCrc: number
  readonly tables: ReadonlyMap<string, TableSum>
}
export type WitnessRead = { readonly witness: Witness | null; readonly isUnreadable: boolean }

export async function readWitness(folder: string): Promise<WitnessRead> {
  const bytes = await readIfThere(join(folder, WITNESS))
  if (bytes === null) return { witness: null, isUnreadable: false }
  const text = bytes.latin1Slice(0, bytes.length)
  const end = text.lastIndexOf('\n', text.length - 2)
  if (text.slice(end + 1) !== `${crc32(text.slice(0, end + 1))}\n`)
    return { witness: null, isUnreadable: true }
  const { version, manifest, manifestBytes, manifestCrc, tables } = JSON.parse(text.slice(0, end))
  if (version !== WITNESS_VERSION) return { witness: null, isUnreadable: true }
  return { witness: { manifest, manifestBytes, manifestCrc, tables: new Map(tables) }, isUnreadable: false }
}

/** Durable when it returns. */
export async function writeWitness(folder: string, witness: Witness): Promise<void> {
  const line = `${JSON.stringify({ version: WITNESS_VERSION, ...witness, tables: [...witness.tables] })}\n`
  const temporary = join(folder, `${WITNESS}.new`)
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(Buffer.from(`${line}${crc32(line)}\n`, 'latin1'))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, join(folder, WITNESS))
  await syncFolder(folder)
}

/**
 * Before RocksDB opens the folder: throws a corruption fault when the files that say which data exists
 * are not those that were written. Null for a folder in which no engine was ever complete.
 */
export async function checkIdentity(
  folder: string,
  name: string,
  witness: Witness | null,
): Promise<string | null> {
  const files = await readdir(folder)
  const current = await readIfThere(join(folder, 'CURRENT'))
  if (current === null) {
    // Nothing was ever stored before CURRENT was there; with it gone RocksDB would start afresh.
    const rest = files.find((file) => file.endsWith('.sst') || file === WITNESS)
    if (rest !== undefined) throw damage(`${name}/CURRENT`, `is missing, but ${rest} is there`)
    return null
  }
  const manifest = current.latin1Slice(0, current.length).replace(/\n$/, '')
  if (!/^MANIFEST-\d{6,}$/.test(manifest) || current.length !== manifest.length + 1) {
    throw damage(`${name}/CURRENT`, 'does not name a MANIFEST')
  }
  const bytes = await readIfThere(join(folder, manifest))
  if (bytes === null) throw damage(`${name}/${manifest}`, 'is missing')
  if (witness !== null) checkAgainstWitness(name, manifest, bytes, witness)
  const found = checkLogBytes(bytes)
  if (found.kind === 'damaged') throw damage(`${name}/${manifest}`, `${found.reason} at byte ${found.offset}`)
  return manifest
}

function checkAgainstWitness(name: string, manifest: string, bytes: Buffer, witness: Witness): void {
  const number = (file: string) => Number(file.slice('MANIFEST-'.length))
  if (number(manifest) < number(witness.manifest)) {
    throw damage(`${name}/CURRENT`, `names ${manifest}, but ${witness.manifest} was the newest already`)
  }
  // A newer MANIFEST begins with everything the old one said; its own witness was not written yet.
  if (manifest !== witness.manifest) return
  const isAllThere = bytes.length >= witness.manifestBytes
  if (!isAllThere || crc32(bytes.subarray(0, witness.manifestBytes)) !== witness.manifestCrc) {
    throw damage(
      `${name}/${manifest}`,
      `its first ${witness.manifestBytes} bytes are not those that were synced`,
    )
  }
}

/** The MANIFEST as it is now, synced: a compaction may be appending to it, and a witness must never claim too much. */
export async function sumManifest(folder: string): Promise<Omit<Witness, 'tables'>> {
  const current = await readFile(join(folder, 'CURRENT'), 'latin1')
  const manifest = current.replace(/\n$/, '')
  const handle = await open(join(folder, manifest), 'r+')
  try {
    const bytes = await handle.readFile()
    assert(bytes.length <= MANIFEST_BYTES_MAX)
    await handle.datasync()
    return { manifest, manifestBytes: bytes.length, manifestCrc: crc32(bytes) }
  } finally {
    await handle.close()
  }
}

export async function listFiles(folder: string, suffix: '.sst' | '.log'): Promise<readonly string[]> {
  return (await readdir(folder)).filter((file) => file.endsWith(suffix)).sort()
}

/** The sums of all tables: those known already as they were, the new ones read. */
export async function sumTables(
  folder: string,
  known: ReadonlyMap<string, TableSum>,
): Promise<Map<string, TableSum>> {
  const sums = new Map<string, TableSum>()
  for (const file of await listFiles(folder, '.sst')) {
    const sum = known.get(file) ?? (await sumTable(folder, file, () => {}))
    if (sum !== null) sums.set(file, sum)
  }
  return sums
}

/**
 * Reads every table and compares it with its sum; then the write-ahead logs up to `logBytes` each.
 * A file that vanishes meanwhile was replaced by a compaction or a flush.
 */
export async function verifyFiles(
  folder: string,
  name: string,
  known: ReadonlyMap<string, TableSum>,
  logBytes: ReadonlyMap<string, number>,
  onProgress: (progress: VerifyProgress) => void,
): Promise<Map<string, TableSum>> {
  const tables = await listFiles(folder, '.sst')
  const sizes = await Promise.all(tables.map((file) => sizeOf(join(folder, file))))
  const logTotal = [...logBytes.values()].reduce((sum, bytes) => sum + bytes, 0)
  let bytesTotal = sizes.reduce((sum, bytes) => sum + bytes, logTotal)
  let bytesChecked = 0
  const advance = (bytes: number) => {
    bytesChecked += bytes
    bytesTotal = Math.max(bytesTotal, bytesChecked)
    onProgress({ bytesChecked, bytesTotal })
  }
  const sums = new Map<string, TableSum>()
  for (const file of tables) {
    const sum = await sumTable(folder, file, advance)
    if (sum === null) continue
    const was = known.get(file)
    if (was !== undefined && (was.bytes !== sum.bytes || was.crc !== sum.crc)) {
      throw damage(
        `${name}/${file}`,
        `its bytes changed since it was written (${was.bytes} bytes, checksum ${was.crc})`,
      )
    }
    sums.set(file, sum)
  }
  for (const [file, bytes] of logBytes) await verifyLog(folder, name, file, bytes, advance)
  onProgress({ bytesChecked: bytesTotal, bytesTotal })
  return sums
}

/** Null when the file is gone, or still being written: a table is complete when it ends in its magic number. */
async function sumTable(
  folder: string,
  file: string,
  advance: (bytes: number) => void,
): Promise<TableSum | null> {
  let crc = 0
  let end = Buffer.alloc(0)
  const bytes = await readChunks(join(folder, file), Infinity, (chunk) => {
    crc = crc32(chunk, crc)
    end = Buffer.concat([end, chunk.subarray(-TABLE_MAGIC.length)]).subarray(-TABLE_MAGIC.length)
    advance(chunk.length)
  })
  return bytes === null || !end.equals(TABLE_MAGIC) ? null : { bytes, crc }
}

async function verifyLog(
  folder: string,
  name: string,
  file: string,
  bytes: number,
  advance: (bytes: number) => void,
): Promise<void> {
  const state = { isInRecord: false }
  let offset = 0
  await readChunks(join(folder, file), bytes, (chunk) => {
    for (let at = 0; at < chunk.length; at += LOG_BLOCK_BYTES) {
      const block = chunk.subarray(at, at + LOG_BLOCK_BYTES)
      const found = checkLogBlock(state, block, offset, offset + block.length >= bytes)
      if (found !== null && found.kind !== 'whole') {
        const reason = found.kind === 'torn' ? 'ends within a record' : found.reason
        throw damage(`${name}/${file}`, `${reason} at byte ${found.offset}`)
      }
      offset += block.length
    }
    advance(chunk.length)
  })
}

/** Null when the file is not there (any more); else the bytes read, at most `limit`. */
async function readChunks(
  path: string,
  limit: number,
  onChunk: (chunk: Buffer) => void,
): Promise<number | null> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return null
    throw error
  }
  try {
    const buffer = Buffer.allocUnsafeSlow(READ_CHUNK_BYTES)
    let offset = 0
    while (offset < limit) {
      const wanted = Math.min(READ_CHUNK_BYTES, limit - offset)
      let filled = 0
      // Whole chunks, so that a log is cut at its blocks.
      while (filled < wanted) {
        const { bytesRead } = await handle.read(buffer, filled, wanted - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      if (filled === 0) break
      onChunk(buffer.subarray(0, filled))
      offset += filled
    }
    return offset
  } finally {
    await handle.close()
  }
}

/** What RocksDB leaves behind at every start and never removes by itself. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    if (file.startsWith('LOG.old.') || file === `${WITNESS}.new`)
      await rm(join(folder, file), { force: true })
  }
}

export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return 0
    throw error
  }
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return null
    throw error
  }
}

function damage(path: string, message: string): EngineFault {
  return new EngineFault('corruption', path, message)
}
