/**
 * The vocabulary that consensus (`raft`) and the log on disk (`storage`) share.
 * Neither imports the other; both import this.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from './ids.ts'

declare const termTag: unique symbol
declare const logIndexTag: unique symbol

export type Term = number & { readonly [termTag]: true }
/** Position in a group's log; the first entry has index 1, 0 means "before the first". */
export type LogIndex = number & { readonly [logIndexTag]: true }

export const TERM_ZERO = 0 as Term
export const INDEX_ZERO = 0 as LogIndex

export function makeTerm(value: number): Term {
  assert(Number.isSafeInteger(value) && value >= 0, `not a term: ${value}`)
  return value as Term
}

export function makeLogIndex(value: number): LogIndex {
  assert(Number.isSafeInteger(value) && value >= 0, `not a log index: ${value}`)
  return value as LogIndex
}

/**
 * What an entry is for. `empty`: the first entry of a leader's term (Raft §5.4.2, §8);
 * `command`: a payload for the group's state machine; `membership`: a configuration change.
 */
export const EntryKind = { empty: 0, command: 1, membership: 2 } as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

export type Entry = {
  readonly index: LogIndex
  readonly term: Term
  readonly kind: EntryKind
  /** Opaque to raft and storage; never modified after it was handed over. */
  readonly payload: Uint8Array
}

export type LogPosition = { readonly term: Term; readonly index: LogIndex }

/** Raft's persistent state beside the log (Raft Fig. 2). `commit` may lag; it only saves replay work. */
export type HardState = {
  readonly term: Term
  readonly vote: ReplicaId | null
  readonly commit: LogIndex
}
