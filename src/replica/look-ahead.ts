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
import type { StateStore } from './state-store.ts'

/** Commands looked at per trip. */
const AHEAD_COMMANDS_MAX = 256
/** Keys named per trip: how many depends on how large the values of the last trips were (`nextKeysMax`). */
export const AHEAD_KEYS_MIN = 8
const AHEAD_KEYS_MAX = 512
/** What one trip should bring at most; values may be so large that a single one is more. */
const TRIP_BYTES_MAX = 4 * 1024 * 1024

export type Upcoming<Command> = { readonly command: Command; readonly context: Context }

/** Keys that memory does not hold; ranges are left to their command. */
export function keysAhead<Command, Reply>(
  machine: Machine<Command, Reply>,
  store: StateStore,
  view: ExecutionView,
  upcoming: Iterable<Upcoming<Command>>,
  keysMax: number,
): ReadonlySet<ByteString> {
  assert(keysMax >= 1 && keysMax <= AHEAD_KEYS_MAX)
  const keys = new Set<ByteString>()
  let commands = 0
  for (const { command, context } of upcoming) {
    commands += 1
    if (commands > AHEAD_COMMANDS_MAX || keys.size >= keysMax) break
    const outcome = machine.execute(view, command, context)
    if (outcome.kind === 'need') for (const key of outcome.keys) keys.add(key)
    else if (!outcome.clearsData)
      for (const key of store.unknownOldValues(outcome.writes, false, view.fetched)) keys.add(key)
  }
  return keys
}

/** After a trip that brought `bytes`: twice as many keys next time, or, after too much, a quarter. */
export function nextKeysMax(keysMax: number, bytes: number): number {
  assert(bytes >= 0)
  return bytes > TRIP_BYTES_MAX ? Math.max(1, keysMax >> 2) : Math.min(AHEAD_KEYS_MAX, keysMax * 2)
}
