/**
 * Finds out what the next commands will want from the engine, so that one trip fetches it for many.
 *
 * The commands are executed on the state as it is now, without the effects of those before them, and
 * what they would do is dropped: only the keys they name count. A guess that is wrong costs a trip
 * later and never changes a result, since the applier executes each command again in its turn.
 */
import type { ByteString } from '../base/bytes.ts'
import type { Context, Machine } from '../base/machine.ts'
import type { ExecutionView } from './execution.ts'
import type { StateStore } from './state-store.ts'

/** Commands looked at, and keys named, per trip. */
const AHEAD_COMMANDS_MAX = 256
const AHEAD_KEYS_MAX = 512

export type Upcoming<Command> = { readonly command: Command; readonly context: Context }

/** Keys that memory does not hold; ranges are left to their command. */
export function keysAhead<Command, Reply>(
  machine: Machine<Command, Reply>,
  store: StateStore,
  view: ExecutionView,
  upcoming: Iterable<Upcoming<Command>>,
): ReadonlySet<ByteString> {
  const keys = new Set<ByteString>()
  let commands = 0
  for (const { command, context } of upcoming) {
    commands += 1
    if (commands > AHEAD_COMMANDS_MAX || keys.size >= AHEAD_KEYS_MAX) break
    const outcome = machine.execute(view, command, context)
    if (outcome.kind === 'need') for (const key of outcome.keys) keys.add(key)
    else if (!outcome.clearsData)
      for (const key of store.unknownOldValues(outcome.writes, false, view.fetched)) keys.add(key)
  }
  return keys
}
