/**
 * The log lane's thread: takes trips from shared memory in order, writes and syncs with blocking
 * system calls, and sleeps on the counter when there is nothing to do. It owns no file: descriptors
 * are the main thread's, which closes none that has a trip on its way.
 *
 * A failure of the disk is an answer. Anything else ends the thread, which fails every trip.
 */
import assert from 'node:assert/strict'
import { fdatasyncSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import {
  COMPLETED,
  FIELD_DESCRIPTOR,
  FIELD_ERRNO,
  FIELD_LENGTH,
  FIELD_OFFSET,
  FIELD_START,
  FIELD_SYNC_FAILED,
  FIELD_SYNCS,
  type LaneMemory,
  mapLaneMemory,
  SLOT_COUNT,
  SLOT_FIELDS,
  SUBMITTED,
} from './log-lane-memory.ts'

/** A write that takes no byte and reports no error would be tried forever. */
const ERRNO_OF_STUCK_WRITE = -5

serve(mapLaneMemory(workerData as SharedArrayBuffer))

function serve(memory: LaneMemory): never {
  const { control } = memory
  let completed = Atomics.load(control, COMPLETED)
  for (;;) {
    const submitted = Atomics.load(control, SUBMITTED)
    if (submitted === completed) {
      Atomics.wait(control, SUBMITTED, submitted)
      continue
    }
    performTrip(memory, (completed & (SLOT_COUNT - 1)) * SLOT_FIELDS)
    completed = (completed + 1) | 0
    Atomics.store(control, COMPLETED, completed)
    Atomics.notify(control, COMPLETED)
  }
}

function performTrip(memory: LaneMemory, slot: number): void {
  const { slots, arena } = memory
  const descriptor = slots[slot + FIELD_DESCRIPTOR] ?? -1
  const length = slots[slot + FIELD_LENGTH] ?? -1
  const start = slots[slot + FIELD_START] ?? -1
  const offset = slots[slot + FIELD_OFFSET] ?? -1
  assert(descriptor >= 0 && length >= 0 && offset >= 0)
  assert(start >= 0 && start + length <= arena.length)
  slots[slot + FIELD_SYNC_FAILED] = 0
  const writeErrno = errnoOf(() => writeAll(descriptor, arena, start, length, offset))
  slots[slot + FIELD_ERRNO] = writeErrno
  if (writeErrno !== 0 || slots[slot + FIELD_SYNCS] !== 1) return
  const syncErrno = errnoOf(() => fdatasyncSync(descriptor))
  slots[slot + FIELD_ERRNO] = syncErrno
  slots[slot + FIELD_SYNC_FAILED] = syncErrno === 0 ? 0 : 1
}

function writeAll(
  descriptor: number,
  arena: Uint8Array,
  start: number,
  length: number,
  offset: number,
): void {
  let written = 0
  while (written < length) {
    const taken = writeSync(descriptor, arena, start + written, length - written, offset + written)
    if (taken <= 0) throw Object.assign(new Error('write took no byte'), { errno: ERRNO_OF_STUCK_WRITE })
    written += taken
  }
  assert(written === length)
}

function errnoOf(act: () => void): number {
  try {
    act()
    return 0
  } catch (error) {
    const errno = (error as { errno?: unknown }).errno
    if (typeof errno !== 'number') throw error
    assert(errno < 0)
    return errno
  }
}
