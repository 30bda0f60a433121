/**
 * The shared log at work: group commit, rotation, failure and reopening.
 *
 * One frame is in flight at a time; everything appended meanwhile goes into the next. A frame is
 * bound to its segment when its first record is appended, so that the index knows where each record
 * will lie. Callbacks run in order, after the state they see is settled.
 *
 * Failure model: the first error of a write, sync or rotation ends the work on the active file for
 * good. `reopen` reads back what is durable, as a start of the process would, and goes on behind
 * the last synced frame in a new file.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../env/clock.ts'
import type { Disk } from '../../env/disk.ts'
import type { Logger } from '../../env/logger.ts'
import type { Random } from '../../env/random.ts'
import { FrameWriter } from './frame-writer.ts'
import { boundOf, GroupBook, RECORD_OVERHEAD_BYTES } from './group-book.ts'
import { SECTOR_BYTES } from './log-format.ts'
import { collectSegments } from './log-garbage.ts'
import type { LogContents, SegmentInfo, UnusedRest } from './log-recovery.ts'
import { readLog } from './log-recovery.ts'
import type { FreshSegment } from './segment-files.ts'
import { SegmentFiles } from './segment-files.ts'
import type { LogDamage, LogMetrics, LogRecord, LogStatus, RecoveredGroup, SharedLog } from './shared-log.ts'

export type SegmentedLogOptions = {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Folder of the log in the data directory. */
  readonly directory: string
  readonly segmentBytes: number
}

const SPARE_WRITERS_MAX = 2
/** A rest is cut off when it is at least this part of a segment. */
const CUT_GAIN_SHARE = 8

type OnDurable = (error?: Error) => void

type Frame = {
  readonly writer: FrameWriter
  readonly callbacks: OnDurable[]
  /** Number of the segment it goes into, and the bytes there are for it. */
  readonly segment: number
  readonly roomBytes: number
  isInFlight: boolean
}

type Preparation = { segment: FreshSegment | null; error: unknown }

export class SegmentedLog implements SharedLog {
  readonly #options: SegmentedLogOptions
  readonly #files: SegmentFiles
  #book = new GroupBook(new Map(), new Set())
  #segments: SegmentInfo[] = []
  #losses: readonly LogDamage[] = []
  #recovered: readonly RecoveredGroup[] | null = null
  #status: LogStatus = { kind: 'closed' }
  #active: FreshSegment | null = null
  /** Of the active segment: everything before is synced. */
  #offset = 0
  #crc = 0
  #frameNumber = 1
  #floor = 1
  #next: Promise<Preparation> | null = null
  #queue: Frame[] = []
  #spareWriters: FrameWriter[] = []
  #isFlushScheduled = false
  #isWriting = false
  #refused: OnDurable[] = []
  #onIdle: (() => void) | null = null
  #garbage: Promise<void> | null = null
  #isClosing = false
  #isReopening = false
  #counts = { appendedBytes: 0, appendedRecords: 0, syncs: 0, lastSyncMs: 0 }

  constructor(options: SegmentedLogOptions) {
    this.#options = options
    const { disk, random, directory, segmentBytes } = options
    this.#files = new SegmentFiles(disk, random, directory, segmentBytes)
  }

  get status(): LogStatus {
    return this.#status
  }

  get losses(): readonly LogDamage[] {
    return this.#losses
  }

  get queuedBytes(): number {
    let bytes = 0
    for (const frame of this.#queue) bytes += frame.writer.recordBytes
    return bytes
  }

  async open(): Promise<void> {
    assert(this.#status.kind === 'closed' && this.#active === null, 'opened once')
    const { disk, directory, logger } = this.#options
    await disk.makeDirectory(directory)
    await disk.syncDirectory('.')
    await this.#files.removePreparing()
    await this.#startFrom(await readLog(disk, directory, logger, null))
  }

  takeRecovered(): readonly RecoveredGroup[] {
    const recovered = this.#recovered
    assert(recovered !== null, 'taken once')
    this.#recovered = null
    return recovered
  }

  append(records: readonly LogRecord[], onDurable: OnDurable): void {
    if (this.#status.kind !== 'running' || this.#isClosing) return this.#refuse(onDurable)
    const frame = this.#frameFor(boundOf(records))
    for (let at = 0; at < records.length; at++)
      this.#book.put(frame.writer, frame.segment, records[at] as LogRecord)
    frame.callbacks.push(onDurable)
    this.#counts.appendedRecords += records.length
    this.#scheduleFlush()
  }

  async reopen(): Promise<void> {
    assert(this.#status.kind === 'failed', `reopened while ${this.#status.kind}`)
    assert(!this.#isReopening, 'one reopen at a time')
    assert(!this.#isWriting && this.#queue.length === 0)
    this.#isReopening = true
    try {
      await this.#garbageEnds()
      await this.#reopen()
    } finally {
      this.#isReopening = false
    }
  }

  async #reopen(): Promise<void> {
    const { disk, directory, logger } = this.#options
    const abandoned = this.#segments.at(-1)
    assert(abandoned !== undefined)
    await this.#closeFiles()
    assert(abandoned.end === this.#offset, 'what was synced is what counts')
    // Those below the floor only wait to be removed: nothing in them counts, nor whether it can be read.
    const counting = this.#segments.filter((one) => one.number >= this.#floor)
    const segments = new Map(counting.map((one) => [one.number, one]))
    const tail = { number: abandoned.number, end: this.#offset, crc: this.#crc, segments }
    await this.#files.removePreparing()
    await this.#startFrom(await readLog(disk, directory, logger, tail))
  }

  collectGarbage(): Promise<void> {
    this.#garbage ??= this.#collect().finally(() => {
      this.#garbage = null
    })
    return this.#garbage
  }

  metrics(): LogMetrics {
    let bytesOnDisk = 0
    for (const segment of this.#segments) bytesOnDisk += segment.sizeBytes
    return { ...this.#counts, segments: this.#segments.length, bytesOnDisk }
  }

  async close(): Promise<void> {
    assert(!this.#isClosing, 'closed once')
    if (this.#status.kind === 'running') {
      // Proves that the frame before it was synced.
      const mark = this.#frameFor(0)
      const isMarked = new Promise<void>((resolve) => mark.callbacks.push(() => resolve()))
      this.#isClosing = true
      this.#scheduleFlush()
      await isMarked
      while (this.#isWriting) await new Promise<void>((resolve) => (this.#onIdle = resolve))
    }
    this.#isClosing = true
    await this.#garbage?.catch((error: unknown) => {
      this.#options.logger.info('garbage collection of the log ended by its closing', {
        error: String(error),
      })
    })
    this.#status = { kind: 'closed' }
    await this.#closeFiles()
  }

  async #garbageEnds(): Promise<void> {
    // Whoever called it gets the error; here only its end counts.
    await this.#garbage?.then(
      () => undefined,
      () => undefined,
    )
  }

  // ---- Appending

  #frameFor(boundBytes: number): Frame {
    const last = this.#queue.at(-1)
    if (last !== undefined && !last.isInFlight) {
      if (boundBytes + last.writer.paddedBytes <= last.roomBytes) return last
    }
    return this.#openFrame(last, boundBytes)
  }

  #openFrame(last: Frame | undefined, boundBytes: number): Frame {
    const active = this.#active as FreshSegment
    const writer = this.#spareWriters.pop() ?? new FrameWriter()
    const number = last?.segment ?? active.identity.number
    let roomBytes = this.#options.segmentBytes
    let segment = number
    const isBehindActive = number === active.identity.number && (last === undefined || last.isInFlight)
    if (isBehindActive) {
      const inFlight = last === undefined ? 0 : last.writer.paddedBytes
      // One sector stays free for the seal.
      roomBytes = active.sizeBytes - this.#offset - inFlight - SECTOR_BYTES
    }
    if (!isBehindActive || boundBytes + SECTOR_BYTES > roomBytes) {
      segment = number + 1
      // Header, start and seal.
      roomBytes = this.#options.segmentBytes - 3 * SECTOR_BYTES
    }
    const frame = { writer, callbacks: [], segment, roomBytes, isInFlight: false }
    this.#queue.push(frame)
    return frame
  }

  #refuse(onDurable: OnDurable): void {
    this.#refused.push(onDurable)
    if (this.#refused.length > 1) return
    queueMicrotask(() => {
      const status = this.#status
      const error = status.kind === 'failed' ? status.error : new Error('the log is closed')
      for (const refused of this.#refused.splice(0)) refused(error)
    })
  }

  // ---- Writing

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isWriting) return
    this.#isFlushScheduled = true
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#isWriting || this.#status.kind !== 'running') return
    const frame = this.#queue[0]
    if (frame === undefined) return
    this.#isWriting = true
    const active = this.#active as FreshSegment
    const isHere = frame.segment === active.identity.number
    if (isHere && this.#offset + frame.writer.paddedBytes + SECTOR_BYTES <= active.sizeBytes) {
      frame.isInFlight = true
      this.#write(frame.writer).then(
        () => this.#completed(frame),
        (error: unknown) => this.#fail(error),
      )
      return
    }
    assert(!isHere, 'a frame outgrew the room that was kept for it')
    this.#rotateFor(frame).then(
      () => {
        this.#isWriting = false
        this.#flush()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  /** Writes and syncs one frame behind the last. On failure nothing here has moved. */
  #write(writer: FrameWriter): Promise<void> {
    const active = this.#active as FreshSegment
    const bytes = writer.finish(active.identity, this.#frameNumber, this.#crc)
    assert(this.#offset + bytes.length <= active.sizeBytes)
    const startMs = this.#options.clock.monotonicMs()
    return active.file.writeAndSync([bytes], this.#offset).then(() => {
      this.#offset += bytes.length
      this.#crc = writer.frameCrc
      this.#frameNumber++
      ;(this.#segments.at(-1) as SegmentInfo).end = this.#offset
      this.#counts.syncs++
      this.#counts.appendedBytes += bytes.length
      this.#counts.lastSyncMs = this.#options.clock.monotonicMs() - startMs
    })
  }

  #completed(frame: Frame): void {
    assert(this.#queue[0] === frame)
    this.#queue.shift()
    this.#isWriting = false
    if (this.#spareWriters.length < SPARE_WRITERS_MAX) {
      frame.writer.reset()
      this.#spareWriters.push(frame.writer)
    }
    for (let at = 0; at < frame.callbacks.length; at++) (frame.callbacks[at] as OnDurable)()
    this.#flush()
    if (!this.#isWriting) this.#idle()
  }

  #fail(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error))
    this.#isWriting = false
    this.#status = { kind: 'failed', error: cause }
    const frames = this.#queue
    this.#queue = []
    this.#options.logger.error(
      'the log failed: its file is abandoned, nothing is appended until it is reopened',
      {
        error: cause.message,
        segment: this.#segments.at(-1)?.number,
        syncedBytes: this.#offset,
      },
    )
    for (const frame of frames) for (const onDurable of frame.callbacks) onDurable(cause)
    this.#idle()
  }

  #idle(): void {
    const onIdle = this.#onIdle
    this.#onIdle = null
    onIdle?.()
  }

  // ---- Segments

  async #rotateFor(frame: Frame): Promise<void> {
    const next = await this.#takeNext(frame.segment)
    const old = this.#active as FreshSegment
    try {
      const neededBytes = 3 * SECTOR_BYTES + frame.writer.paddedBytes
      if (neededBytes > next.sizeBytes) await this.#files.grow(next, neededBytes)
      const seal = new FrameWriter()
      seal.seal(next.identity.number)
      await this.#write(seal)
      const { number, low, high } = old.identity
      const start = new FrameWriter()
      start.start({ predecessor: number, low, high, end: this.#offset, crc: this.#crc, floor: this.#floor })
      await this.#switchTo(next, start)
    } catch (error) {
      await this.#closeFile(next)
      throw error
    }
    await this.#closeFile(old)
    this.#prepareNext()
  }

  /** Makes `next` the active segment, with `start` as its first frame. */
  async #switchTo(next: FreshSegment, start: FrameWriter): Promise<void> {
    const bytes = start.finish(next.identity, 1, next.crc)
    if (bytes.length + 2 * SECTOR_BYTES > next.sizeBytes)
      await this.#files.grow(next, bytes.length + 2 * SECTOR_BYTES)
    await next.file.writeAndSync([bytes], SECTOR_BYTES)
    this.#active = next
    this.#offset = SECTOR_BYTES + bytes.length
    this.#crc = start.frameCrc
    this.#frameNumber = 2
    const { number } = next.identity
    this.#segments.push({ number, sizeBytes: next.sizeBytes, end: this.#offset, isDamaged: false })
    this.#counts.syncs++
  }

  #prepareNext(): void {
    const number = (this.#active as FreshSegment).identity.number + 1
    this.#next = this.#files.create(number).then(
      (segment) => ({ segment, error: null }),
      (error: unknown) => {
        this.#options.logger.warning(
          'the next log segment could not be prepared; tried again when it is needed',
          {
            number,
            error: String(error),
          },
        )
        return { segment: null, error }
      },
    )
  }

  async #takeNext(number: number): Promise<FreshSegment> {
    const prepared = await this.#next
    this.#next = null
    const next = prepared?.segment ?? (await this.#files.create(number))
    assert(next.identity.number === number)
    return next
  }

  async #startFrom(contents: LogContents): Promise<void> {
    const { logger } = this.#options
    const finished = [...contents.groups.values()].map((replay) => replay.finish())
    const recovered = finished.map((one) => one.recovered)
    const start = new FrameWriter()
    start.start({ ...contents.link, floor: contents.floor })
    for (const record of contents.carried) start.copy(record.group, record.bytes)
    for (const { group, base, entries, damage } of recovered) {
      if (damage === null) continue
      logger.error('log records of a group are damaged', { group, ...damage })
      start.damage(group, base.index + entries.length, damage)
    }
    const fresh =
      contents.reusable === null
        ? await this.#files.create(contents.nextNumber)
        : await this.#files.use(contents.reusable)
    this.#segments = contents.segments
    this.#floor = contents.floor
    try {
      await this.#switchTo(fresh, start)
    } catch (error) {
      await this.#closeFile(fresh)
      // Nothing in it was ever acknowledged, and attempts must not fill the disk. But one that was
      // there before may be named by a seal: its absence would look like a loss.
      if (contents.reusable === null) {
        await this.#files.removeIfPossible(fresh.identity.number, this.#options.logger)
      }
      throw error
    }
    for (const number of contents.obsolete) await this.#files.remove(number)
    if (contents.unusedRest !== null) await this.#cutOff(contents.unusedRest)
    this.#book = new GroupBook(
      new Map(finished.map(({ recovered: { group }, index }) => [group, index])),
      new Set(recovered.filter((one) => one.damage !== null).map((one) => one.group)),
    )
    this.#losses = contents.losses.map((loss) => ({ ...loss, lastSyncedIndex: null, isVoteLost: true }))
    this.#recovered = recovered
    this.#status = { kind: 'running' }
    this.#prepareNext()
  }

  /** Each start begins a segment: without this, a process that dies soon each time would fill the disk. */
  async #cutOff({ segment, usedBytes }: UnusedRest): Promise<void> {
    assert(usedBytes >= segment.end, 'nothing that counts is cut off')
    if (segment.isDamaged || segment.sizeBytes - usedBytes < this.#options.segmentBytes / CUT_GAIN_SHARE)
      return
    const isCut = await this.#files.cutIfPossible(segment.number, usedBytes, this.#options.logger)
    if (isCut) segment.sizeBytes = usedBytes
  }

  async #closeFiles(): Promise<void> {
    const prepared = await this.#next
    this.#next = null
    if (prepared?.segment) await this.#closeFile(prepared.segment)
    const active = this.#active
    if (active !== null) await this.#closeFile(active)
    this.#active = null
  }

  async #closeFile(segment: FreshSegment): Promise<void> {
    try {
      await segment.file.close()
    } catch (error) {
      // Everything that counts was synced, or is given up.
      this.#options.logger.warning('closing a log segment failed', {
        path: segment.file.path,
        error: String(error),
      })
    }
  }

  // ---- Garbage

  async #collect(): Promise<void> {
    await collectSegments({
      disk: this.#options.disk,
      files: this.#files,
      logger: this.#options.logger,
      rewriteBytesMax: Math.floor(this.#options.segmentBytes / 8),
      segments: () => this.#segments,
      groups: () => this.#book.groups,
      mayCollect: () =>
        this.#status.kind === 'running' && !this.#isClosing && this.#book.damagedGroups.size === 0,
      append: (records) =>
        this.#appended((frame) => {
          for (const record of records) this.#book.put(frame.writer, frame.segment, record)
        }, boundOf(records)),
      raiseFloor: async (floor) => {
        await this.#appended((frame) => frame.writer.floor(floor), RECORD_OVERHEAD_BYTES)
        this.#floor = Math.max(this.#floor, floor)
      },
    })
  }

  #appended(encode: (frame: Frame) => void, boundBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const frame = this.#frameFor(boundBytes)
      encode(frame)
      frame.callbacks.push((error) => (error === undefined ? resolve() : reject(error)))
      this.#scheduleFlush()
    })
  }
}
