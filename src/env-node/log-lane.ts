/**
 * The log's own lane to the disk: one thread that writes and syncs the files opened with
 * `dedicated`, so that a log sync never waits behind the engine's work in libuv's four threads.
 *
 * Trips are performed in the order of the calls, and one trip carries a write and its sync. Bytes
 * are copied into shared memory before the call returns control to the event loop or wait in a
 * bounded queue; a trip costs about 15 µs beyond the disk's own time (a message to a worker: 27).
 *
 * A trip that failed says nothing about later ones. When the thread dies, every trip on its way and
 * every later one fails with EIO: the log must be treated as lost to this process.
 */
import assert from 'node:assert/strict'
import { getSystemErrorName } from 'node:util'
import { Worker } from 'node:worker_threads'
import { DiskFault } from '../env/disk.ts'
import {
  ARENA_BYTES,
  allocateLaneMemory,
  COMPLETED,
  FIELD_DESCRIPTOR,
  FIELD_ERRNO,
  FIELD_LENGTH,
  FIELD_OFFSET,
  FIELD_START,
  FIELD_SYNC_FAILED,
  FIELD_SYNCS,
  type LaneMemory,
  MAX_PIECE_BYTES,
  SLOT_COUNT,
  SLOT_FIELDS,
  SUBMITTED,
} from './log-lane-memory.ts'
import { workerUrl } from './worker-url.ts'

/** Callers have a few batches on their way each; this many waiting means that somebody does not wait for his. */
export const MAX_WAITING_JOBS = 4096

export type LaneJob = {
  readonly descriptor: number
  readonly path: string
  readonly chunks: readonly Uint8Array[]
  readonly offset: number
  readonly syncs: boolean
}

export interface LogLane {
  run(job: LaneJob): Promise<void>
  /** Waits for what is on its way, then ends the thread. */
  close(): Promise<void>
}

export function createLogLane(): LogLane {
  return new WorkerLane()
}

type PendingJob = LaneJob & {
  readonly totalBytes: number
  submittedBytes: number
  tripsInFlight: number
  isFullySubmitted: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

type Trip = { readonly job: PendingJob; readonly arenaCharge: number }

class WorkerLane implements LogLane {
  readonly #memory: LaneMemory = allocateLaneMemory()
  readonly #worker: Worker
  readonly #waiting: PendingJob[] = []
  /** In the order of submission, which is the order of completion. */
  readonly #trips: Trip[] = []
  #submitted = 0
  #completed = 0
  #arenaHead = 0
  #arenaUsed = 0
  #isWatching = false
  #death: unknown = null
  #isClosing = false
  #whenIdle: (() => void)[] = []

  constructor() {
    this.#worker = new Worker(workerUrl(import.meta.url, 'log-lane-worker'), {
      workerData: this.#memory.shared,
      name: 'holdfast-log-lane',
      // The process's own flags (code on the command line, say) are not the thread's.
      execArgv: [],
    })
    this.#worker.unref()
    this.#worker.on('error', (error) => this.#die(error))
    this.#worker.on('exit', (code) => this.#die(new Error(`log lane thread ended with code ${code}`)))
  }

  run(job: LaneJob): Promise<void> {
    assert(job.descriptor >= 0 && Number.isSafeInteger(job.offset) && job.offset >= 0)
    if (this.#death !== null || this.#isClosing) return Promise.reject(this.#deathFault(job))
    if (this.#waiting.length >= MAX_WAITING_JOBS) {
      return Promise.reject(new DiskFault('write', job.path, 'EAGAIN', new Error('log lane queue is full')))
    }
    let totalBytes = 0
    for (const chunk of job.chunks) totalBytes += chunk.length
    if (totalBytes === 0 && !job.syncs) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (this.#isIdle()) this.#worker.ref()
      this.#waiting.push({
        ...job,
        totalBytes,
        submittedBytes: 0,
        tripsInFlight: 0,
        isFullySubmitted: false,
        resolve,
        reject,
      })
      this.#submitWaiting()
    })
  }

  async close(): Promise<void> {
    this.#isClosing = true
    if (!this.#isIdle()) await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
    await this.#worker.terminate()
  }

  #isIdle(): boolean {
    return this.#trips.length === 0 && this.#waiting.length === 0
  }

  // A job of several pieces sends the next one only when the last one succeeded: nothing of it
  // may be written, let alone synced, behind a hole.
  #submitWaiting(): void {
    let isAnySubmitted = false
    for (;;) {
      const job = this.#waiting[0]
      if (job === undefined || job.tripsInFlight > 0 || this.#trips.length === SLOT_COUNT) break
      if (!this.#submitPiece(job)) break
      isAnySubmitted = true
      if (job.isFullySubmitted) this.#waiting.shift()
    }
    if (!isAnySubmitted) return
    Atomics.store(this.#memory.control, SUBMITTED, this.#submitted)
    Atomics.notify(this.#memory.control, SUBMITTED)
    this.#watch()
  }

  #submitPiece(job: PendingJob): boolean {
    const length = Math.min(job.totalBytes - job.submittedBytes, MAX_PIECE_BYTES)
    const piece = this.#allocate(length)
    if (piece === null) return false
    copyPiece(job.chunks, job.submittedBytes, length, this.#memory.arena, piece.start)
    job.isFullySubmitted = job.submittedBytes + length === job.totalBytes
    const { slots } = this.#memory
    const slot = (this.#submitted & (SLOT_COUNT - 1)) * SLOT_FIELDS
    slots[slot + FIELD_SYNCS] = job.syncs && job.isFullySubmitted ? 1 : 0
    slots[slot + FIELD_DESCRIPTOR] = job.descriptor
    slots[slot + FIELD_OFFSET] = job.offset + job.submittedBytes
    slots[slot + FIELD_START] = piece.start
    slots[slot + FIELD_LENGTH] = length
    this.#trips.push({ job, arenaCharge: piece.charge })
    job.submittedBytes += length
    job.tripsInFlight++
    this.#submitted = (this.#submitted + 1) | 0
    return true
  }

  // A ring of contiguous pieces, freed in the order they were taken; the end of the ring that is
  // too short for a piece is charged to it.
  #allocate(length: number): { start: number; charge: number } | null {
    assert(length <= MAX_PIECE_BYTES)
    if (this.#arenaUsed === 0) this.#arenaHead = 0
    let start = this.#arenaHead
    let charge = length
    if (this.#arenaHead + length > ARENA_BYTES) {
      charge += ARENA_BYTES - this.#arenaHead
      start = 0
    }
    if (this.#arenaUsed + charge > ARENA_BYTES) return null
    this.#arenaHead = start + length
    this.#arenaUsed += charge
    return { start, charge }
  }

  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    const wait = Atomics.waitAsync(this.#memory.control, COMPLETED, this.#completed)
    if (wait.async) void wait.value.then(this.#onProgress)
    else queueMicrotask(this.#onProgress)
  }

  readonly #onProgress = (): void => {
    this.#isWatching = false
    if (this.#death !== null) return
    const completed = Atomics.load(this.#memory.control, COMPLETED)
    while (this.#completed !== completed) {
      this.#settleOldest((this.#completed & (SLOT_COUNT - 1)) * SLOT_FIELDS)
      this.#completed = (this.#completed + 1) | 0
    }
    this.#submitWaiting()
    if (this.#trips.length > 0) this.#watch()
    else if (this.#isIdle()) this.#becomeIdle()
  }

  #settleOldest(slot: number): void {
    const trip = this.#trips.shift()
    assert(trip !== undefined, 'the log lane completed a trip that nobody sent')
    this.#arenaUsed -= trip.arenaCharge
    assert(this.#arenaUsed >= 0)
    const { job } = trip
    job.tripsInFlight--
    const errno = this.#memory.slots[slot + FIELD_ERRNO] ?? 0
    if (errno !== 0) {
      if (!job.isFullySubmitted) assert(this.#waiting.shift() === job)
      const operation = this.#memory.slots[slot + FIELD_SYNC_FAILED] === 1 ? 'datasync' : 'write'
      job.reject(new DiskFault(operation, job.path, getSystemErrorName(errno)))
    } else if (job.isFullySubmitted) {
      job.resolve()
    }
  }

  #becomeIdle(): void {
    this.#worker.unref()
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  #die(cause: unknown): void {
    if (this.#death !== null) return
    this.#death = cause
    const jobs = new Set([...this.#trips.map((trip) => trip.job), ...this.#waiting])
    this.#trips.length = 0
    this.#waiting.length = 0
    for (const job of jobs) job.reject(this.#deathFault(job))
    this.#becomeIdle()
  }

  #deathFault(job: LaneJob): DiskFault {
    const cause = this.#death ?? new Error('log lane is closed')
    return new DiskFault(job.chunks.length > 0 ? 'write' : 'datasync', job.path, 'EIO', cause)
  }
}

/** Copies bytes [from, from + length) of the joined `chunks` to `target` at `start`. */
function copyPiece(
  chunks: readonly Uint8Array[],
  from: number,
  length: number,
  target: Uint8Array,
  start: number,
): void {
  let skip = from
  let copied = 0
  for (const chunk of chunks) {
    if (copied === length) break
    if (skip >= chunk.length) {
      skip -= chunk.length
      continue
    }
    const taken = Math.min(chunk.length - skip, length - copied)
    target.set(
      skip === 0 && taken === chunk.length ? chunk : chunk.subarray(skip, skip + taken),
      start + copied,
    )
    copied += taken
    skip = 0
  }
  assert(copied === length)
}
