/**
 * The snapshots that a replica is sending: one at a time to each peer, ended early when it stops leading
 * in the term that asked for it.
 *
 * Failure model: a snapshot that fails is reported as such, and consensus asks again.
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { LogIndex } from '../../base/log-entry.ts'
import type { Clock } from '../../env/clock.ts'
import type { Logger } from '../../env/logger.ts'
import type { Random } from '../../env/random.ts'
import type { Raft } from '../../raft/raft.ts'
import type { StateStore } from '../state/state-store.ts'
import type { Transport } from '../transport/transport.ts'
import { sendSnapshot } from './snapshot-sender.ts'

export type SnapshotDispatchWorld = {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly transport: Transport
}

export class SnapshotDispatch {
  readonly #group: GroupId
  readonly #raft: Raft
  readonly #store: StateStore
  readonly #world: SnapshotDispatchWorld
  readonly #isLeading: () => boolean
  readonly #onEnd: (to: ReplicaId, index: LogIndex | null) => void
  readonly #sendingTo = new Set<ReplicaId>()

  /** `onEnd`: the peer has the state of this index, or (null) did not get it. */
  constructor(
    group: GroupId,
    raft: Raft,
    store: StateStore,
    world: SnapshotDispatchWorld,
    callbacks: {
      readonly isLeading: () => boolean
      readonly onEnd: (to: ReplicaId, index: LogIndex | null) => void
    },
  ) {
    this.#group = group
    this.#raft = raft
    this.#store = store
    this.#world = world
    this.#isLeading = callbacks.isLeading
    this.#onEnd = callbacks.onEnd
  }

  send(to: ReplicaId): void {
    if (this.#sendingTo.has(to)) return
    this.#sendingTo.add(to)
    const group = this.#group
    const { transport, clock, logger, random } = this.#world
    const { term } = this.#raft
    const target = { to, group, number: random.u32(), term }
    const isCancelled = (): boolean => !this.#isLeading() || this.#raft.term !== term
    logger.info('sending a snapshot', { group, to })
    sendSnapshot({ store: this.#store, transport, clock, isCancelled }, target).then(
      (index) => this.#end(to, index),
      (error: unknown) => {
        logger.error('sending a snapshot failed', { group, to, error: String(error) })
        this.#end(to, null)
      },
    )
  }

  #end(to: ReplicaId, index: LogIndex | null): void {
    this.#sendingTo.delete(to)
    this.#onEnd(to, index)
  }
}
