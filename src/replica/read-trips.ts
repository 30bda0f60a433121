/**
 * Fetches for many reads at once: what the reads of one turn miss in memory travels in a few calls of
 * the engine, because a call costs as much as a dozen keys in it.
 *
 * A few and not one: the engine answers a call in one thread, and from a disk that takes a while.
 *
 * Failure model: a trip that fails fails the reads that were on it, each told alone.
 */
import type { ByteString } from '../base/bytes.ts'
import type { Clock } from '../env/clock.ts'
import { ExecutionView } from './execution.ts'
import { AHEAD_KEYS_MIN, nextKeysMax } from './look-ahead.ts'
import type { StateStore } from './state/state-store.ts'

/** Into so many the reads of a turn are split: the threads in which an engine reads. */
const TRIPS_PER_TURN = 3
/** Fewer keys are not worth a trip of their own. */
const TRIP_KEYS_MIN = 16

export type TripCallbacks<Read> = {
  /** The view has what the read needed and is current; for each read, in order, before anything else happens. */
  readonly onFetched: (read: Read, view: ExecutionView) => void
  readonly onFailed: (read: Read, error: unknown) => void
}

type Waiting<Read> = { readonly read: Read; readonly keys: readonly ByteString[] }

export class ReadTrips<Read> {
  readonly #store: StateStore
  readonly #clock: Clock
  readonly #callbacks: TripCallbacks<Read>
  readonly #depart = (): void => this.#departAll()
  #waiting: Waiting<Read>[] = []
  #waitingKeys = 0
  /** Keys of one trip: as many as large values allow. */
  #keysMax = AHEAD_KEYS_MIN

  constructor(store: StateStore, clock: Clock, callbacks: TripCallbacks<Read>) {
    this.#store = store
    this.#clock = clock
    this.#callbacks = callbacks
  }

  /** Departs when the turn ends. */
  add(read: Read, keys: readonly ByteString[]): void {
    if (this.#waiting.length === 0) this.#clock.endOfTurn(this.#depart)
    this.#waiting.push({ read, keys })
    this.#waitingKeys += keys.length
  }

  #departAll(): void {
    const waiting = this.#waiting
    const share = Math.max(TRIP_KEYS_MIN, Math.ceil(this.#waitingKeys / TRIPS_PER_TURN))
    const keysMax = Math.min(this.#keysMax, share)
    this.#waiting = []
    this.#waitingKeys = 0
    let from = 0
    let keys = 0
    for (const [at, next] of waiting.entries()) {
      if (at > from && keys + next.keys.length > keysMax) {
        void this.#travel(waiting.slice(from, at))
        from = at
        keys = 0
      }
      keys += next.keys.length
    }
    void this.#travel(from === 0 ? waiting : waiting.slice(from))
  }

  /** Never rejects. */
  async #travel(travelling: readonly Waiting<Read>[]): Promise<void> {
    const view = new ExecutionView(this.#store)
    const keys = new Set<ByteString>()
    for (const { keys: needed } of travelling) for (const key of needed) keys.add(key)
    try {
      await view.fulfil([...keys], [])
    } catch (error) {
      for (const { read } of travelling) this.#callbacks.onFailed(read, error)
      return
    }
    this.#keysMax = nextKeysMax(this.#keysMax, view.fetchedBytes)
    for (const { read } of travelling) {
      view.refresh()
      this.#callbacks.onFetched(read, view)
    }
  }
}
