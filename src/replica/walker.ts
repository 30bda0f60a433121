/**
 * Carries out the reads of a group that take longer than a turn of the main loop (base/machine.ts,
 * `Walk`): each on a state that is frozen for it, in pages, with other work between the pages.
 *
 * A few at a time, in the order they came; the others wait, so that many clients that ask for
 * everything hold no more memory, and keep no more of the engine's past, than a few do.
 *
 * Failure model: an error of the engine or of the machine fails that read alone and is reported; who
 * reports decides what it means. Reads that are failed from outside are answered at once; what they
 * have open is closed when the engine's next answer comes.
 */
import assert from 'node:assert/strict'
import type { ByteString } from '../base/bytes.ts'
import {
  type Done,
  type Found,
  type Machine,
  NEED_ROUNDS_MAX,
  type NeedTime,
  type Walk,
  type WalkSource,
} from '../base/machine.ts'
import { unreachable } from '../base/unreachable.ts'
import { type Clock, sleep } from '../env/clock.ts'
import type { Responder } from './outcome.ts'
import type { FrozenState } from './state/frozen-state.ts'
import type { StateStore } from './state/state-store.ts'

/** More wait. Two, so that one that takes minutes doesn't stop all others. */
export const WALKS_MAX = 2
/** A page ends at about so many bytes, as far as the page before tells, or at so many records. */
const PAGE_BYTES = 256 * 1024
const PAGE_RECORDS_MAX = 512
const FIRST_PAGE_RECORDS = 64

export type LongRead<Command, Reply> = {
  readonly command: Command
  readonly responder: Responder<Reply>
  /** Read when the read was begun first: what it waits for can't move away from it. */
  readonly clockMs: number
  readonly seed: number
}

export type WalkerCallbacks<Command, Reply> = {
  /** Called for each read, unless it was failed: once, in a turn of its own. */
  readonly onEnd: (
    read: LongRead<Command, Reply>,
    end: Done<Reply> | NeedTime | { readonly kind: 'error'; readonly error: unknown },
  ) => void
}

type Outcome<Reply> = Done<Reply> | NeedTime

export class Walker<Command, Reply> {
  readonly #machine: Machine<Command, Reply>
  readonly #store: StateStore
  readonly #clock: Clock
  readonly #callbacks: WalkerCallbacks<Command, Reply>
  #waiting: LongRead<Command, Reply>[] = []
  readonly #running = new Set<LongRead<Command, Reply>>()
  /** Failed reads whose snapshots are not closed yet count as well. */
  #open = 0

  constructor(
    machine: Machine<Command, Reply>,
    store: StateStore,
    clock: Clock,
    callbacks: WalkerCallbacks<Command, Reply>,
  ) {
    this.#machine = machine
    this.#store = store
    this.#clock = clock
    this.#callbacks = callbacks
  }

  add(read: LongRead<Command, Reply>): void {
    read.responder.begun?.()
    this.#waiting.push(read)
    this.#beginNext()
  }

  /** Ends all of them; the caller answers them. */
  takeAll(): readonly LongRead<Command, Reply>[] {
    const all = [...this.#running, ...this.#waiting]
    this.#running.clear()
    this.#waiting = []
    return all
  }

  #beginNext(): void {
    while (this.#open < WALKS_MAX) {
      const read = this.#waiting.shift()
      if (read === undefined) return
      this.#open += 1
      this.#running.add(read)
      void this.#run(read)
    }
  }

  /** Never rejects. */
  async #run(read: LongRead<Command, Reply>): Promise<void> {
    const end = await this.#carryOut(read).catch((error: unknown) => ({ kind: 'error' as const, error }))
    this.#open -= 1
    assert(this.#open >= 0)
    // Absent: it was failed meanwhile, and answered.
    if (this.#running.delete(read) && end !== null) this.#callbacks.onEnd(read, end)
    this.#beginNext()
  }

  /** Null when it was failed meanwhile. */
  async #carryOut(read: LongRead<Command, Reply>): Promise<Outcome<Reply> | null> {
    const state = await this.#store.freeze()
    try {
      const walk = await this.#ask(state, read)
      return walk === null || walk.kind !== 'walk' ? walk : await this.#walk(state, walk, read)
    } finally {
      await state.close()
    }
  }

  async #ask(
    state: FrozenState,
    { command, clockMs, seed }: LongRead<Command, Reply>,
  ): Promise<Outcome<Reply> | Walk<Reply>> {
    const { timeMs, machineVersion } = state.applied
    for (let round = 0; round < NEED_ROUNDS_MAX; round++) {
      const outcome = this.#machine.query(state, command, { timeMs, seed, machineVersion, clockMs })
      if (outcome.kind !== 'need') return outcome
      await state.fulfil(outcome.keys, outcome.ranges)
    }
    throw new Error(`the machine asked for data more than ${NEED_ROUNDS_MAX} times for one query`)
  }

  async #walk(
    state: FrozenState,
    walk: Walk<Reply>,
    read: LongRead<Command, Reply>,
  ): Promise<Outcome<Reply> | null> {
    const needTime = await this.#readPages(state, walk, read)
    if (needTime !== null) return needTime
    for (;;) {
      if (!this.#running.has(read)) return null
      const reply = walk.finish()
      if (reply !== undefined) return { kind: 'done', reply, writes: [], clearsData: false }
      await sleep(this.#clock, 0)
    }
  }

  async #readPages(
    state: FrozenState,
    { source, take }: Walk<Reply>,
    read: LongRead<Command, Reply>,
  ): Promise<NeedTime | null> {
    const pages = pagesOf(state, source)
    while (this.#running.has(read)) {
      const page = await pages.next()
      if (page.done === true) return null
      const needTime = take(page.value)
      if (needTime !== null) return needTime
      // Others' turn, also where the engine answers within this one.
      await sleep(this.#clock, 0)
    }
    return null
  }
}

async function* pagesOf(state: FrozenState, source: WalkSource): AsyncGenerator<readonly Found[], void> {
  switch (source.kind) {
    case 'range':
      return yield* pagesOfRange(state, source.from, source.to)
    case 'keys':
      return yield* pagesOfKeys(state, source.keys)
    case 'nothing':
      return
    default:
      unreachable(source)
  }
}

async function* pagesOfRange(
  state: FrozenState,
  begin: ByteString,
  end: ByteString,
): AsyncGenerator<readonly Found[], void> {
  let from = begin
  let limit = FIRST_PAGE_RECORDS
  for (;;) {
    const page = await state.page(from, end, limit)
    yield page
    const last = page.at(-1)
    if (page.length < limit || last === undefined) return
    from = `${last.key}\x00`
    limit = nextLimit(page)
  }
}

async function* pagesOfKeys(
  state: FrozenState,
  keys: Iterator<ByteString>,
): AsyncGenerator<readonly Found[], void> {
  let limit = FIRST_PAGE_RECORDS
  for (;;) {
    const wanted: ByteString[] = []
    while (wanted.length < limit) {
      const key = keys.next()
      if (key.done === true) break
      wanted.push(key.value)
    }
    if (wanted.length === 0) return
    const page = await state.values(wanted)
    yield page
    limit = nextLimit(page)
  }
}

function nextLimit(page: readonly Found[]): number {
  const bytes = page.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
  return Math.min(PAGE_RECORDS_MAX, Math.max(1, Math.floor((PAGE_BYTES * page.length) / bytes)))
}
