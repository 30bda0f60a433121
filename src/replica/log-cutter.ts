/**
 * Keeps a group's log short: when it holds too much, everything applied is made durable in the
 * engine, and only then is the log cut behind it (docs/formats/recovery.md).
 */
import type { Logger } from '../env/logger.ts'
import { encodeMembership } from '../raft/membership-codec.ts'
import type { Raft } from '../raft/raft.ts'
import type { GroupOptions } from './group-options.ts'
import type { Persister } from './persister.ts'
import type { StateStore } from './state-store.ts'

export class LogCutter {
  readonly #raft: Raft
  readonly #store: StateStore
  readonly #persister: Persister
  readonly #options: GroupOptions
  readonly #logger: Logger
  #cutting: Promise<void> | null = null

  constructor(raft: Raft, store: StateStore, persister: Persister, options: GroupOptions, logger: Logger) {
    this.#raft = raft
    this.#store = store
    this.#persister = persister
    this.#options = options
    this.#logger = logger
  }

  /** Starts cutting if the log is too long and no cut is under way. */
  consider(): void {
    if (this.#cutting !== null || this.#raft.logBytes <= this.#options.logBytesMax) return
    this.#cutting = this.cut()
      .catch((error: unknown) => this.#logger.error('the log could not be cut', { error: String(error) }))
      .finally(() => {
        this.#cutting = null
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
