/**
 * Writes that a gateway sends to a leader and follows in its own log (request kind `propose`,
 * docs/design/0008-writes-through-followers.md).
 *
 *   request  = group varint, term varint, incarnation varint, stream varint, first varint,
 *              count varint, count × (0 | 1, command in the machine's encoding); 0: the place is empty
 *   response = term varint, leader varint (0: unknown), both as the answering node knows them now,
 *              0 | 1, next varint, 0 open, 1 overloaded, 2 unhealthy or 3 behind
 *
 * The response says what was taken, not what came of it: 0 refused for good, else all before place `next`; a
 * stream that is not open takes nothing more, ever.
 */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { type GroupId, makeGroupId, makeReplicaId, type ReplicaId } from '../../base/ids.ts'
import {
  type ClosedBy,
  REFUSED,
  type StreamId,
  type Taken,
} from '../../replica/forwarding/proposal-streams.ts'

export type ProposalHeader = {
  readonly group: GroupId
  readonly id: StreamId
  /** Place of the first command. */
  readonly first: number
  readonly count: number
}

export type ProposalAnswer = {
  readonly term: number
  readonly leader: ReplicaId | null
  readonly taken: Taken
}

const CLOSED_BY: readonly (ClosedBy | null)[] = [null, 'overloaded', 'unhealthy', 'behind']

export function writeProposalHeader(writer: ByteWriter, { group, id, first, count }: ProposalHeader): void {
  writer.varint(group)
  writer.varint(id.term)
  writer.varint(id.incarnation)
  writer.varint(id.stream)
  writer.varint(first)
  writer.varint(count)
}

export function readProposalHeader(reader: ByteReader, gateway: ReplicaId): ProposalHeader {
  const group = makeGroupId(reader.varint())
  const term = reader.varint()
  const incarnation = reader.varint()
  const stream = reader.varint()
  const first = reader.varint()
  if (first === 0) throw new MalformedBytes('places of a stream begin with 1')
  return { group, id: { gateway, incarnation, term, stream }, first, count: reader.varint() }
}

export function writeProposalAnswer(writer: ByteWriter, { term, leader, taken }: ProposalAnswer): void {
  writer.varint(term)
  writer.varint(leader ?? 0)
  writer.u8(taken.kind === 'taken' ? 1 : 0)
  if (taken.kind === 'refused') return
  writer.varint(taken.next)
  writer.u8(CLOSED_BY.indexOf(taken.closedBy))
}

export function readProposalAnswer(reader: ByteReader): ProposalAnswer {
  const term = reader.varint()
  const leaderNumber = reader.varint()
  const taken = readTaken(reader)
  reader.expectEnd()
  return { term, leader: leaderNumber === 0 ? null : makeReplicaId(leaderNumber), taken }
}

function readTaken(reader: ByteReader): Taken {
  if (reader.u8() === 0) return REFUSED
  const next = reader.varint()
  const closedBy = CLOSED_BY[reader.u8()]
  if (closedBy === undefined) throw new MalformedBytes('an unknown reason for closing a stream')
  return { kind: 'taken', next, closedBy }
}
