/**
 * The node's one write-ahead log, shared by all its groups (docs/formats/log.md,
 * docs/formats/recovery.md).
 *
 * Callers append records at any time; all that is waiting is written and synced together (group
 * commit), and each append is told when its records are durable, in the order of the appends.
 * The log keeps no entries in memory for its callers: after `open` it hands each group what it
 * found, once. Entries that come in are never modified: their payloads are copied inside `append`.
 *
 * Failure model: a failed write or datasync abandons the segment (never synced again) and fails
 * every append since with the same error; `status` becomes `failed`, and the log accepts nothing
 * until `reopen` has started a new segment whose header tells how far the abandoned one was synced.
 */
import type { GroupId } from '../../base/ids.ts'
import type { Entry, HardState, LogIndex, LogPosition } from '../../base/log-entry.ts'

export type LogRecord =
  /** Replaces whatever the group had from `entries[0].index` on; indexes are consecutive. */
  | { readonly kind: 'entries'; readonly group: GroupId; readonly entries: readonly Entry[] }
  | { readonly kind: 'hardState'; readonly group: GroupId; readonly hardState: HardState }
  /**
   * The group's log starts after `position`; earlier entries are garbage. With `discardsTail`
   * (a snapshot was installed) later entries are garbage too.
   */
  | {
      readonly kind: 'base'
      readonly group: GroupId
      readonly position: LogPosition
      /** The membership in force at `position`, in raft's encoding. */
      readonly membership: Uint8Array
      readonly discardsTail: boolean
    }
  /** The group is gone from this node; nothing of it is handed out after the next open. */
  | { readonly kind: 'dropGroup'; readonly group: GroupId }
  /**
   * The group has lost what it had acknowledged, in a way that only its host knows: damage, as if
   * `open` had found it.
   */
  | { readonly kind: 'damaged'; readonly group: GroupId; readonly damage: LogDamage }
  /**
   * The damage of the group is undone: the log up to its present end, and the hard state written
   * last, are what this replica may answer for. Until this is durable, every open reports the damage.
   */
  | { readonly kind: 'repaired'; readonly group: GroupId }

export type RecoveredGroup = {
  readonly group: GroupId
  readonly hardState: HardState
  readonly base: LogPosition
  readonly membership: Uint8Array
  /** Consecutive from `base.index + 1`. */
  readonly entries: readonly Entry[]
  /**
   * Set when bytes of this group that had been synced can't be read any more. The replica must
   * not vote, campaign or acknowledge until its peers have filled the gap or proved that there
   * was none; `entries` holds only what precedes the damage.
   */
  readonly damage: LogDamage | null
}

export type LogDamage = {
  readonly path: string
  readonly offset: number
  /** The last entry known to have been synced on this node, if the log still shows it. */
  readonly lastSyncedIndex: LogIndex | null
  /** A hard state newer than the one found may be lost: the replica may have voted and not know it. */
  readonly isVoteLost: boolean
  readonly detail: string
}

export type LogStatus =
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'closed' }

export interface SharedLog {
  /**
   * What `open` found, per group. May be taken once, to free the memory; and once more after each
   * `reopen`, which tells what is durable of what was appended before the failure.
   */
  takeRecovered(): readonly RecoveredGroup[]
  /**
   * Losses whose groups can't be told, found by `open`. A recovered group without damage is whole
   * all the same: later records prove it. But a group that the host knows of and `takeRecovered`
   * does not show has lost everything.
   */
  readonly losses: readonly LogDamage[]
  /**
   * `onDurable` is called once: without error when all `records` are durable, with the error when
   * they may not be. Calls come in the order of the appends, never inside `append`. The records
   * of one append survive together or not at all. Throws on records that don't follow from the
   * group's earlier ones (a gap, a term that falls, a vote that changes): a bug of the caller, after
   * which the process must end, since part of the records may already be queued.
   */
  append(records: readonly LogRecord[], onDurable: (error?: Error) => void): void
  readonly status: LogStatus
  /** Appended and not yet durable. Callers stop taking in work above `LOG_QUEUE_BYTES_MAX`. */
  readonly queuedBytes: number
  /**
   * After a failure: abandons the failed segment and starts the next. What was not acknowledged is
   * gone for ever; callers append again what they still want, from `takeRecovered` on.
   */
  reopen(): Promise<void>
  /**
   * Removes segments that hold nothing any group needs. Runs in the background; safe to call often.
   * Does nothing while a damaged group is not repaired.
   */
  collectGarbage(): Promise<void>
  metrics(): LogMetrics
  /** Waits for what was appended, then closes. */
  close(): Promise<void>
}

export type LogMetrics = {
  readonly segments: number
  readonly bytesOnDisk: number
  readonly appendedBytes: number
  readonly appendedRecords: number
  readonly syncs: number
  /** Of the most recent sync. */
  readonly lastSyncMs: number
}
