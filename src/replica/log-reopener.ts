/**
 * Opens the node's log again after it failed, all groups' at once, and tries again, ever more slowly, as long
 * as that fails too. Groups are told when it writes again; until then they acknowledge nothing.
 */
import type { GroupId } from '../base/ids.ts'
import type { Clock, Timer } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import type { LogDamage, SharedLog } from '../storage/log/shared-log.ts'

/** Pauses between attempts to start a new log segment after a failure; doubles. */
const REOPEN_MS_MIN = 100
const REOPEN_MS_MAX = 10_000

export type LogReopenerWorld = { readonly clock: Clock; readonly logger: Logger; readonly log: SharedLog }

export type FoundAgain = { readonly damage: LogDamage | null; readonly lastIndex: number }
export type FoundOf = (group: GroupId) => FoundAgain | null

export type LogReopenerCallbacks = {
  /** Null: it writes again. */
  readonly onLogHealth: (error: Error | null) => void
  /** `foundOf`: what the log showed of a group when it read itself again; null: it did not have to. */
  readonly onReopened: (foundOf: FoundOf) => void
}

export class LogReopener {
  readonly #world: LogReopenerWorld
  readonly #callbacks: LogReopenerCallbacks
  #timer: Timer | null = null
  #isReopening = false
  #reopening: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(world: LogReopenerWorld, callbacks: LogReopenerCallbacks) {
    this.#world = world
    this.#callbacks = callbacks
  }

  /** Heard once from each group. */
  onFailure(error: Error): void {
    if (this.#isReopening || this.#isStopped) return
    this.#isReopening = true
    this.#callbacks.onLogHealth(error)
    this.#retryLater(REOPEN_MS_MIN)
  }

  #retryLater(pauseMs: number): void {
    this.#timer = this.#world.clock.setTimer(pauseMs, () => {
      this.#reopening = this.#reopen().catch((error: unknown) => {
        if (this.#isStopped) return
        this.#world.logger.error('the log could not be opened again', {
          error: String(error),
          againInMs: pauseMs * 2,
        })
        this.#retryLater(Math.min(pauseMs * 2, REOPEN_MS_MAX))
      })
    })
  }

  async #reopen(): Promise<void> {
    const { log, logger } = this.#world
    if (this.#isStopped) return
    // A failure may be heard of twice, the second time after the log writes again.
    const foundOf = log.status.kind === 'failed' ? await this.#readAgain() : () => null
    if (this.#isStopped) return
    this.#isReopening = false
    logger.warning('the log writes again, in a new segment')
    this.#callbacks.onLogHealth(null)
    this.#callbacks.onReopened(foundOf)
  }

  /** A group that is not shown has lost everything, if there are losses whose groups can't be told; else it had nothing. */
  async #readAgain(): Promise<FoundOf> {
    const { log } = this.#world
    await log.reopen()
    const shown = new Map<GroupId, FoundAgain>()
    for (const { group, damage, base, entries } of log.takeRecovered())
      shown.set(group, { damage, lastIndex: base.index + entries.length })
    const [loss = null] = log.losses
    return (group) => shown.get(group) ?? { damage: loss, lastIndex: 0 }
  }

  /** The log is closed next: it must not begin a new segment after that. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#reopening
  }
}
