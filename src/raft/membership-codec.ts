/**
 * A membership as bytes: the payload of `membership` entries, and part of log bases and snapshots
 * (docs/formats/peer-messages.md). Malformed bytes throw `MalformedBytes`.
 *
 *   u8 version = 1 · 4 × list   (voters, votersOutgoing, learners, learnersNext)
 *   list: varint count (≤ 63) · count × varint replica id, ascending
 */
import { ByteReader, MalformedBytes } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import type { ReplicaId } from '../base/ids.ts'
import type { Membership } from './membership.ts'
import { MEMBERS_MAX } from './membership.ts'
import { assertMembership, membershipProblem } from './membership-change.ts'

const VERSION = 1

export function encodeMembership(membership: Membership): Uint8Array {
  assertMembership(membership)
  const writer = new ByteWriter(64)
  writer.u8(VERSION)
  writeList(writer, membership.voters)
  writeList(writer, membership.votersOutgoing)
  writeList(writer, membership.learners)
  writeList(writer, membership.learnersNext)
  return writer.takeBytes()
}

export function decodeMembership(bytes: Uint8Array): Membership {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version !== VERSION) throw new MalformedBytes(`membership version ${version} is not known`)
  const membership: Membership = {
    voters: readList(reader),
    votersOutgoing: readList(reader),
    learners: readList(reader),
    learnersNext: readList(reader),
  }
  reader.expectEnd()
  const problem = membershipProblem(membership)
  if (problem !== null) throw new MalformedBytes(`membership: ${problem}`)
  return membership
}

function writeList(writer: ByteWriter, ids: readonly ReplicaId[]): void {
  writer.varint(ids.length)
  for (const id of ids) writer.varint(id)
}

function readList(reader: ByteReader): ReplicaId[] {
  const count = reader.varint()
  if (count > MEMBERS_MAX) throw new MalformedBytes(`membership list of ${count} members`)
  const ids: ReplicaId[] = []
  for (let at = 0; at < count; at++) {
    const id = reader.varint()
    if (id < 1) throw new MalformedBytes(`membership names replica ${id}`)
    ids.push(id as ReplicaId)
  }
  return ids
}
