/**
 * Keeps a group's log short: when it holds too much, or too many segments are kept for it, everything
 * applied is made durable in the engine, and only then is the log cut behind it
 * (docs/formats/recovery.md).
 */
import type { Clock } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import { encodeMembership } from '../raft/membership-codec.ts'
import type { Raft } from '../raft/raft.ts'
import type { GroupOptions } from './group-options.ts'
import type { Persister } from './persister.ts'
import type { StateStore } from './state/state-store.ts'

/**
 * Between two cuts, unless the log grew by as much as it may have: while applying lags behind, each would gain little
 * and cost the engine a flush to disk.
 */
const PAUSE_MS = 1_000
/** A log of so many times what it may have, and that is being cut, takes no more: the disk is slower than what comes. */
const FULL_FACTOR = 3

export type LogCutterWorld = { readonly clock: Clock; readonly logger: Logger }

export class LogCutter {
  readonly #raft: Raft
  readonly #store: StateStore
  readonly #persister: Persister
  readonly #options: Pick<GroupOptions, 'logBytesMax' | 'logKeepBytes'>
  readonly #world: LogCutterWorld
  readonly #onEnd: () => void
  #cutting: Promise<void> | null = null
  #cuts = 0
  #lastEndMs = Number.NEGATIVE_INFINITY
  #bytesAfterLast = 0

  constructor(
    raft: Raft,
    store: StateStore,
    persister: Persister,
    options: Pick<GroupOptions, 'logBytesMax' | 'logKeepBytes'>,
    world: LogCutterWorld,
    onEnd: () => void,
  ) {
    this.#raft = raft
    this.#store = store
    this.#persister = persister
    this.#options = options
    this.#world = world
    this.#onEnd = onEnd
  }

  /** The log is too long. */
  get isDue(): boolean {
    return this.#raft.logBytes > this.#options.logBytesMax
  }

  /** What is proposed has to wait until a cut has ended. Never for what a cut can't change. */
  get isFull(): boolean {
    return this.#cutting !== null && this.#raft.logBytes >= FULL_FACTOR * this.#options.logBytesMax
  }

  /** How many were begun. */
  get cuts(): number {
    return this.#cuts
  }

  /** Starts cutting if the log is too long and no cut is under way. */
  consider(): void {
    if (this.isDue) this.#start()
  }

  /** As `consider`, but for anything that there is to gain. */
  shorten(): void {
    if (this.#raft.logBytes > this.#options.logKeepBytes) this.#start()
  }

  #start(): void {
    const { clock, logger } = this.#world
    if (this.#cutting !== null) return
    const hasGrown = this.#raft.logBytes >= this.#bytesAfterLast + this.#options.logBytesMax
    if (!hasGrown && clock.monotonicMs() - this.#lastEndMs < PAUSE_MS) return
    this.#cuts += 1
    this.#cutting = this.cut()
      .catch((error: unknown) => logger.error('the log could not be cut', { error: String(error) }))
      .finally(() => {
        this.#cutting = null
        this.#lastEndMs = clock.monotonicMs()
        this.#bytesAfterLast = this.#raft.logBytes
        this.#onEnd()
      })
  }

  async cut(): Promise<void> {
    const durable = await this.#store.persist()
    const base = this.#raft.compactionPoint(durable.position.index, this.#options.logKeepBytes)
    if (base === null) return
    this.#persister.setBase(base.position, encodeMembership(base.membership))
    this.#raft.compact(base.position.index)
  }

  async stop(): Promise<void> {
    await this.#cutting
  }
}
