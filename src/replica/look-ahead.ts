/**
 * Finds out what the next commands will want from the engine, so that one trip fetches it for many.
 *
 * The commands are executed on the state as it is now, without the effects of those before them, and
 * what they would do is dropped: only the keys they name count. A guess that is wrong costs a trip
 * later and never changes a result, since the applier executes each command again in its turn.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import type { Context, Machine } from '../base/machine.ts'
import type { ExecutionView } from './execution.ts'
import type { StateStore } from './state/state-store.ts'

/** Commands looked at per trip. */
const AHEAD_COMMANDS_MAX = 256
/** Keys named per trip: how many depends on how large the values of the last trips were (`nextKeysMax`). */
export const AHEAD_KEYS_MIN = 8
const AHEAD_KEYS_MAX = 512
/** What one trip should bring at most; values may be so large that a single one is more. */
const TRIP_BYTES_MAX = 4 * 1024 * 1024

/** `place` names the command among all of the group. */
export type Upcoming<Command> = {
  readonly place: number
  readonly command: Command
  readonly context: Context
}

/** Commands remembered as needing nothing: a few trips' worth. */
const COMPLETE_MAX = 4 * AHEAD_COMMANDS_MAX

/**
 * Keys that memory does not hold; ranges are left to their command. `complete` collects the places of
 * commands that wanted nothing: the next trips pass them over.
 */
export function keysAhead<Command, Reply>(
  machine: Machine<Command, Reply>,
  store: StateStore,
  view: ExecutionView,
  upcoming: Iterable<Upcoming<Command>>,
  complete: Set<number>,
  keysMax: number,
): ReadonlySet<ByteString> {
  assert(keysMax >= 1 && keysMax <= AHEAD_KEYS_MAX)
  const keys = new Set<ByteString>()
  let commands = 0
  if (complete.size > COMPLETE_MAX) complete.clear()
  for (const { place, command, context } of upcoming) {
    commands += 1
    if (commands > AHEAD_COMMANDS_MAX || keys.size >= keysMax) break
    if (complete.has(place)) continue
    const outcome = machine.execute(view, command, context)
    if (outcome.kind === 'need') {
      for (const key of outcome.keys) keys.add(key)
      continue
    }
    const unknown = outcome.clearsData ? [] : store.unknownOldValues(outcome.writes, false, view.fetched)
    if (unknown.length === 0) complete.add(place)
    for (const key of unknown) keys.add(key)
  }
  return keys
}

/** After a trip that brought `bytes`: twice as many keys next time, or, after too much, a quarter. */
export function nextKeysMax(keysMax: number, bytes: number): number {
  assert(bytes >= 0)
  return bytes > TRIP_BYTES_MAX ? fewerKeys(keysMax) : Math.min(AHEAD_KEYS_MAX, keysMax * 2)
}

/** A quarter: to look ahead costs as much as to execute, so what brings nothing is soon given up. */
export function fewerKeys(keysMax: number): number {
  return Math.max(1, keysMax >> 2)
}
