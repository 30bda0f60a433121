/**
 * Makes, opens and removes segment files.
 *
 * A segment gets its final name only after its zeros and header are synced, and is used only after
 * the folder is synced: whoever finds the name finds a complete file.
 */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { storageError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../env/disk.ts'
import type { Logger } from '../../env/logger.ts'
import type { Random } from '../../env/random.ts'
import type { SegmentIdentity } from './log-format.ts'
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  preparingName,
  READS_MAX,
  SECTOR_BYTES,
  segmentName,
} from './log-format.ts'

const ZERO_CHUNK_BYTES = 1024 * 1024
/** Zeros are synced in steps, so that the log's own syncs never wait behind all of them. */
const ZERO_SYNC_BYTES = 4 * ZERO_CHUNK_BYTES
const ZERO_CHUNK = Buffer.alloc(ZERO_CHUNK_BYTES)

/** Ready for its first frame. */
export type FreshSegment = {
  readonly identity: SegmentIdentity
  readonly file: DiskFile
  readonly crc: number
  sizeBytes: number
}

export class SegmentFiles {
  readonly #disk: Disk
  readonly #random: Random
  readonly directory: string
  readonly #segmentBytes: number

  constructor(disk: Disk, random: Random, directory: string, segmentBytes: number) {
    assert(segmentBytes % SECTOR_BYTES === 0 && segmentBytes >= 4 * SECTOR_BYTES)
    this.#disk = disk
    this.#random = random
    this.directory = directory
    this.#segmentBytes = segmentBytes
  }

  path(number: number): string {
    return `${this.directory}/${segmentName(number)}`
  }

  async create(number: number): Promise<FreshSegment> {
    const preparing = `${this.directory}/${preparingName(number)}`
    if (await this.#disk.exists(preparing)) await this.#disk.remove(preparing)
    const identity = { number, low: this.#random.u32(), high: this.#random.u32() }
    const header = Buffer.alloc(SECTOR_BYTES)
    encodeSegmentHeader(header, identity)
    const file = await this.#disk.open(preparing, 'create')
    try {
      for (let at = 0; at < this.#segmentBytes; at += ZERO_CHUNK_BYTES) {
        const length = Math.min(ZERO_CHUNK_BYTES, this.#segmentBytes - at)
        await file.write([ZERO_CHUNK.subarray(0, length)], at)
        if ((at + length) % ZERO_SYNC_BYTES === 0) await file.datasync()
      }
      await file.writeAndSync([header], 0)
    } finally {
      await file.close()
    }
    await this.#disk.rename(preparing, this.path(number))
    return this.use(number)
  }

  /** Opens a segment that is complete and unused. */
  async use(number: number): Promise<FreshSegment> {
    await this.#disk.syncDirectory(this.directory)
    const file = await this.#disk.open(this.path(number), 'write', { dedicated: true })
    for (let attempt = 0; attempt < READS_MAX; attempt++) {
      const header = decodeSegmentHeader(await file.read(0, SECTOR_BYTES))
      if (header !== null && header.identity.number === number) {
        return { identity: header.identity, file, crc: header.crc, sizeBytes: await file.size() }
      }
    }
    await file.close()
    // It was right a moment ago: the disk reads it wrongly, or lost it. The next start looks again.
    const path = this.path(number)
    throw storageError('checksumMismatch', {
      message: `the header of the prepared log segment ${path} is not as it was written`,
      context: { path, offset: 0 },
    })
  }

  /**
   * Makes room for a frame that is larger than a segment; the room reads as zeros. Durable before
   * the frame is written: a frame longer than its file would look rotten, not torn.
   */
  async grow(segment: FreshSegment, sizeBytes: number): Promise<void> {
    assert(sizeBytes % SECTOR_BYTES === 0 && sizeBytes > segment.sizeBytes)
    await segment.file.truncate(sizeBytes)
    await segment.file.datasync()
    segment.sizeBytes = sizeBytes
  }

  async remove(number: number): Promise<void> {
    await this.#disk.remove(this.path(number))
    await this.#disk.syncDirectory(this.directory)
  }

  /** For a file that holds nothing: what stays is removed at the next start. */
  async removeIfPossible(number: number, logger: Logger): Promise<void> {
    try {
      await this.remove(number)
    } catch (error) {
      logger.warning('an unused log segment could not be removed', {
        path: this.path(number),
        error: String(error),
      })
    }
  }

  /** Cuts off what nothing counts of. False when that failed: the file is as good as before, only longer. */
  async cutIfPossible(number: number, usedBytes: number, logger: Logger): Promise<boolean> {
    const path = this.path(number)
    try {
      const file = await this.#disk.open(path, 'write')
      try {
        await file.truncate(usedBytes)
        await file.datasync()
      } finally {
        await file.close()
      }
      return true
    } catch (error) {
      logger.warning('the unused rest of a log segment could not be cut off', { path, error: String(error) })
      return false
    }
  }

  /** Takes a damaged segment out of the log and keeps it. */
  async keepAsEvidence(number: number): Promise<void> {
    const evidence = `${this.directory}/evidence`
    await this.#disk.makeDirectory(evidence)
    await this.#disk.syncDirectory(this.directory)
    await this.#disk.rename(this.path(number), `${evidence}/${segmentName(number)}`)
    await this.#disk.syncDirectory(evidence)
    await this.#disk.syncDirectory(this.directory)
  }

  async removePreparing(): Promise<void> {
    for (const name of await this.#disk.list(this.directory)) {
      if (name.endsWith('.preparing')) await this.#disk.remove(`${this.directory}/${name}`)
    }
  }
}
