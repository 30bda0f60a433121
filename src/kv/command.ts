/** The commands of the key machine: what a log entry of a data group carries. */
import type { ByteString } from '../base/bytes.ts'

export type KvCommand = ClientCommand | TransactionCommand | MaintenanceCommand

export type ClientCommand = {
  readonly kind: 'client'
  /** `args[0]` is the name in lower case; the rest as the client sent it. Arity was checked. */
  readonly args: readonly ByteString[]
  readonly session: SessionTag | null
}

/** MULTI … EXEC: all of `commands`, or none when a watched key was changed. Replies as EXEC does. */
export type TransactionCommand = {
  readonly kind: 'transaction'
  readonly watches: readonly WatchedKey[]
  /** Each as `args` of a client's command. Neither empty when `watches` is. */
  readonly commands: readonly (readonly ByteString[])[]
  readonly session: SessionTag | null
}

/** A key and the revision that `holdfast.revisions` or `holdfast.watch` answered for it. */
export type WatchedKey = { readonly key: ByteString; readonly revision: number }

/**
 * Exactly-once for retries (Raft §8). A gateway that may send a command twice tags it; the machine
 * keeps the reply until `lowestUnacknowledged` has passed `sequence`, and answers a repeat with it.
 */
export type SessionTag = {
  /** 16 random bytes, drawn by the gateway; a new one at least every 12 h. */
  readonly id: ByteString
  /**
   * The gateway's time when it drew the id. The machine refuses to open a session that started so long ago
   * that an earlier record of it could have expired: a forgotten session never executes again.
   */
  readonly startedMs: number
  /** Counts up by one from 1 per session. */
  readonly sequence: number
  /** Replies to lower sequences have reached the gateway and may be forgotten. */
  readonly lowestUnacknowledged: number
}

/**
 * Proposed by the leader, never by clients; each does about `limit` records of work and replies how
 * much it found to do. As a query it changes nothing and replies how many pieces of work wait by
 * the reader's clock, at most `limit`: 0 means that there is nothing to propose.
 */
export type MaintenanceCommand =
  /** Only moves logical time forward (the entry's stamp does it). Replies 0. */
  | { readonly kind: 'advanceTime' }
  /** Deletes keys whose expiry is past, the oldest first. Replies how many. */
  | { readonly kind: 'expireDue'; readonly limit: number }
  /** Deletes members of values that were deleted or replaced as a whole. Replies how many records. */
  | { readonly kind: 'collectGarbage'; readonly limit: number }
  /** Forgets sessions idle for longer than their time limit, whole ones, so it may exceed `limit` once. Replies how many. */
  | { readonly kind: 'expireSessions'; readonly limit: number }
