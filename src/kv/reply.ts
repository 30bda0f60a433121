/**
 * What a command answers, as data; `redis/` encodes it for RESP2 or RESP3.
 *
 * The commonest replies are bare values, so that the hot path allocates nothing for them:
 * a string is a bulk string, a number (safe integer) an integer, null the nil reply, a readonly
 * array an array. Everything else is an object with a `kind`.
 */
import type { ByteString } from '../base/bytes.ts'

export type Reply =
  | ByteString
  | number
  | bigint
  | null
  | readonly Reply[]
  | StatusReply
  | ErrorReply
  | MapReply
  | SetReply
  | PairsReply
  | DoubleReply
  | BooleanReply
  | VerbatimReply
  | NilArrayReply

/** A simple string: `+OK`. */
export type StatusReply = { readonly kind: 'status'; readonly text: string }
/** The whole error line after `-`: prefix, space, message. */
export type ErrorReply = { readonly kind: 'error'; readonly text: string }
/** RESP3 map; a flat array in RESP2. */
export type MapReply = { readonly kind: 'map'; readonly entries: readonly (readonly [Reply, Reply])[] }
/** RESP3 set; an array in RESP2. */
export type SetReply = { readonly kind: 'set'; readonly members: readonly Reply[] }
/** RESP3: an array of pairs; a flat array in RESP2. */
export type PairsReply = { readonly kind: 'pairs'; readonly entries: readonly (readonly [Reply, Reply])[] }
/** RESP3 double; a bulk string in RESP2. `text` as Redis formats it. */
export type DoubleReply = { readonly kind: 'double'; readonly text: string }
/** RESP3 boolean; 1 or 0 in RESP2. */
export type BooleanReply = { readonly kind: 'boolean'; readonly value: boolean }
/** RESP3 verbatim string; a bulk string in RESP2. */
export type VerbatimReply = {
  readonly kind: 'verbatim'
  readonly format: 'txt' | 'mkd'
  readonly text: ByteString
}
/** `*-1` in RESP2, `_` in RESP3 (an aborted EXEC, a timed-out blocking pop). */
export type NilArrayReply = { readonly kind: 'nilArray' }

export const OK: StatusReply = { kind: 'status', text: 'OK' }
export const NIL_ARRAY: NilArrayReply = { kind: 'nilArray' }
export const EMPTY_ARRAY: readonly Reply[] = []

export function status(text: string): StatusReply {
  return { kind: 'status', text }
}

export function error(text: string): ErrorReply {
  return { kind: 'error', text }
}

export function isError(reply: Reply): reply is ErrorReply {
  return typeof reply === 'object' && reply !== null && 'kind' in reply && reply.kind === 'error'
}
