/**
 * The memory that the main thread and the log lane's worker share.
 *
 *   control  Int32 [submitted, completed]: counters of trips, wrapping; each side writes only its own
 *   slots    Float64, SLOT_FIELDS per trip: what to do, and how it went
 *   arena    the bytes to write, one contiguous piece per trip
 *
 * A slot and its piece belong to the worker from the moment `submitted` passes it until `completed`
 * does; the atomic store and load of those counters order everything else.
 */

/** Trips on their way at once; a power of two, so that wrapped counters keep naming the right slot. */
export const SLOT_COUNT = 64
export const ARENA_BYTES = 4 * 1024 * 1024
/** A longer write takes several trips, so that the arena always holds more than one. */
export const MAX_PIECE_BYTES = 1024 * 1024

export const SUBMITTED = 0
export const COMPLETED = 1

export const SLOT_FIELDS = 8
export const FIELD_SYNCS = 0
export const FIELD_DESCRIPTOR = 1
export const FIELD_OFFSET = 2
export const FIELD_START = 3
export const FIELD_LENGTH = 4
/** The answer: 0, or the errno as Node gives it (negative). */
export const FIELD_ERRNO = 5
/** Whether it was the sync that failed. */
export const FIELD_SYNC_FAILED = 6

const CONTROL_BYTES = 64
const SLOTS_BYTES = SLOT_COUNT * SLOT_FIELDS * 8

export type LaneMemory = {
  readonly shared: SharedArrayBuffer
  readonly control: Int32Array<SharedArrayBuffer>
  readonly slots: Float64Array<SharedArrayBuffer>
  readonly arena: Uint8Array<SharedArrayBuffer>
}

export function allocateLaneMemory(): LaneMemory {
  return mapLaneMemory(new SharedArrayBuffer(CONTROL_BYTES + SLOTS_BYTES + ARENA_BYTES))
}

export function mapLaneMemory(shared: SharedArrayBuffer): LaneMemory {
  return {
    shared,
    control: new Int32Array(shared, 0, CONTROL_BYTES / 4),
    slots: new Float64Array(shared, CONTROL_BYTES, SLOT_COUNT * SLOT_FIELDS),
    arena: new Uint8Array(shared, CONTROL_BYTES + SLOTS_BYTES, ARENA_BYTES),
  }
}
