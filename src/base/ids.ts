/**
 * Branded identities, so that a term can't be passed where an index is wanted.
 * All numbers are non-negative safe integers; `makeX` asserts it once, at the edge where the
 * number enters (codec, configuration, test), and the brand carries the proof from there.
 */
import assert from 'node:assert/strict'

declare const nodeIdTag: unique symbol
declare const replicaIdTag: unique symbol
declare const groupIdTag: unique symbol
declare const slotTag: unique symbol

/** The name of a node: chosen by the operator or drawn at first start; `[A-Za-z0-9_-]{1,64}`. */
export type NodeId = string & { readonly [nodeIdTag]: true }
/**
 * The number under which one incarnation of a node votes, ≥ 1. Assigned by the control group when
 * the node joins, the same in every group, and never used again: a node whose disk was wiped
 * joins as a new replica, so it can't vote twice.
 */
export type ReplicaId = number & { readonly [replicaIdTag]: true }
/** A Raft group; 0 is the control group. */
export type GroupId = number & { readonly [groupIdTag]: true }

/** One of the 16,384 hash slots. */
export type Slot = number & { readonly [slotTag]: true }

export const SLOT_COUNT = 16_384
export const CONTROL_GROUP = 0 as GroupId

const NODE_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/

export function isNodeId(value: string): value is NodeId {
  return NODE_ID_PATTERN.test(value)
}

export function makeNodeId(value: string): NodeId {
  assert(isNodeId(value), `not a node id: ${JSON.stringify(value)}`)
  return value
}

export function makeReplicaId(value: number): ReplicaId {
  assert(Number.isSafeInteger(value) && value >= 1, `not a replica id: ${value}`)
  return value as ReplicaId
}

export function makeGroupId(value: number): GroupId {
  assert(Number.isSafeInteger(value) && value >= 0 && value <= 0xffff_ffff, `not a group id: ${value}`)
  return value as GroupId
}
