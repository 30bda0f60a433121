/** Parts that the unit tests of `src/replica` share: a clock by hand, an empty store, entries. */

import { type Entry, EntryKind, makeLogIndex, makeTerm } from '../src/base/log-entry.ts'
import type { Clock } from '../src/env/clock.ts'
import type { Engine } from '../src/env/engine.ts'
import type { Logger } from '../src/env/logger.ts'
import { encodePayload } from '../src/replica/entry-payload.ts'
import { NO_MARKS } from '../src/replica/forwarding/proposal-mark.ts'
import type { AppliedRecord } from '../src/replica/state/engine-records.ts'
import { StateStore, type StateStoreLimits } from '../src/replica/state/state-store.ts'
import { StoredHash } from '../src/replica/state/stored-hash.ts'
import { createTinyMachine, type TinyCommand } from './tiny-machine.ts'

export const STORE_LIMITS: StateStoreLimits = {
  flushRecords: 100,
  flushBytes: 100_000,
  overlayBytesMax: 1_000_000,
  cacheBytes: 100_000,
}

export const FRESH_APPLIED: AppliedRecord = {
  position: { term: makeTerm(0), index: makeLogIndex(0) },
  timeMs: 0,
  machineVersion: 1,
  epochs: { data: 1, meta: 1 },
  membership: Uint8Array.of(1),
}

/** Time stands still unless the test moves it; timers and ends of turns run when the test says so. */
export class HandClock implements Clock {
  wall = 1_000
  monotonic = 0
  /** Each look at the monotonic clock finds it so much later. */
  stepMs = 0
  readonly #timers: { readonly dueMs: number; readonly run: () => void }[] = []
  readonly #turn: (() => void)[] = []

  wallMs(): number {
    return this.wall
  }

  monotonicMs(): number {
    this.monotonic += this.stepMs
    return this.monotonic
  }

  setTimer(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { dueMs: this.monotonic + delayMs, run }
    this.#timers.push(timer)
    return {
      cancel: () => {
        const at = this.#timers.indexOf(timer)
        if (at >= 0) this.#timers.splice(at, 1)
      },
    }
  }

  endOfTurn(run: () => void): void {
    this.#turn.push(run)
  }

  get pendingTimers(): number {
    return this.#timers.length
  }

  /** The oldest timer that is due. False: none. */
  runTimer(): boolean {
    const at = this.#timers.findIndex((timer) => timer.dueMs <= this.monotonic)
    const [timer] = at < 0 ? [] : this.#timers.splice(at, 1)
    timer?.run()
    return timer !== undefined
  }

  endTurn(): void {
    while (this.#turn.length > 0) this.#turn.shift()?.()
  }
}

export function recordingLogger(lines: string[]): Logger {
  const add = (message: string): void => {
    lines.push(message)
  }
  const logger: Logger = { debug: add, info: add, warning: add, error: add, with: () => logger }
  return logger
}

export function freshStore(
  engine: Engine,
  limits: Partial<StateStoreLimits> = {},
  callbacks: { onFlushed?: () => void; onFailure?: (error: unknown) => void } = {},
): StateStore {
  const found = { applied: FRESH_APPLIED, hash: new StoredHash() }
  return new StateStore(
    engine,
    found,
    { ...STORE_LIMITS, ...limits },
    {
      onFlushed: callbacks.onFlushed ?? (() => undefined),
      onFailure:
        callbacks.onFailure ??
        ((error) => {
          throw error
        }),
    },
  )
}

const machine = createTinyMachine()

export function commandEntry(index: number, commands: readonly TinyCommand[], timeMs = index * 10): Entry {
  const payload = encodePayload(machine, { kind: 'commands', timeMs, seed: index, commands, marks: NO_MARKS })
  return { index: makeLogIndex(index), term: makeTerm(1), kind: EntryKind.command, payload }
}

export function rawEntry(index: number, kind: EntryKind, payload: Uint8Array): Entry {
  return { index: makeLogIndex(index), term: makeTerm(1), kind, payload }
}
