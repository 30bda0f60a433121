/**
 * What one replica of a group is given and what it tells: its world, its parts when it is opened, and
 * the callbacks to its host.
 */
import type { GroupId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import type { Machine } from '../base/machine.ts'
import type { Clock } from '../env/clock.ts'
import type { Engine } from '../env/engine.ts'
import type { Logger } from '../env/logger.ts'
import type { Random } from '../env/random.ts'
import type { Raft } from '../raft/raft.ts'
import type { SharedLog } from '../storage/log/shared-log.ts'
import type { StateStore } from './state/state-store.ts'
import type { Transport } from './transport/transport.ts'

export type GroupWorld = {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly log: SharedLog
  readonly transport: Transport
  /** Of this node's process: greater than of any before it. */
  readonly incarnation: number
}

export type GroupHealth =
  | { readonly kind: 'healthy' }
  /** `isStateWrong`: a majority of the replicas agrees on another state than the engine's. */
  | { readonly kind: 'failed'; readonly reason: string; readonly isStateWrong: boolean }

export type GroupCallbacks = {
  readonly onHealth: (health: GroupHealth) => void
  /** Role, term or leader changed. */
  readonly onChange: () => void
  readonly onApplied: () => void
  readonly onDigest: (index: LogIndex, digest: string) => void
  readonly onLogFailure: (error: Error) => void
}

export type OpenedGroup<Command, Reply> = {
  readonly id: GroupId
  readonly raft: Raft
  readonly machine: Machine<Command, Reply>
  /** A command that does nothing but move logical time; null when the machine has none. */
  readonly advanceTime: Command | null
  readonly engine: Engine
  /** Makes the store over the engine; the callbacks are the group's. */
  readonly makeStore: (callbacks: {
    onFlushed: () => void
    onFailure: (error: unknown) => void
  }) => StateStore
}
