/**
 * Marks tell in a log entry which of its commands another node's gateway sent, so that this gateway, applying
 * the entry, knows its own again (docs/design/0008-writes-through-followers.md, docs/formats/entry-payload.md).
 */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { makeReplicaId, type ReplicaId } from '../../base/ids.ts'

/** Commands `ordinal` to `ordinal` + `count` − 1 of an entry have the places `first`, `first` + 1, … of a stream. */
export type ProposalMark = {
  readonly gateway: ReplicaId
  /** Of the gateway's process. */
  readonly incarnation: number
  readonly stream: number
  readonly first: number
  readonly ordinal: number
  readonly count: number
}

export const NO_MARKS: readonly ProposalMark[] = []

/** Ascending by ordinal, and disjoint. */
export function writeMarks(writer: ByteWriter, marks: readonly ProposalMark[]): void {
  writer.varint(marks.length)
  let end = 0
  for (const { gateway, incarnation, stream, first, ordinal, count } of marks) {
    writer.varint(ordinal - end)
    writer.varint(count)
    writer.varint(gateway)
    writer.varint(incarnation)
    writer.varint(stream)
    writer.varint(first)
    end = ordinal + count
  }
}

/** `commands`: how many the entry has. */
export function readMarks(reader: ByteReader, commands: number): readonly ProposalMark[] {
  const runs = reader.varint()
  if (runs === 0 || runs > commands) throw new MalformedBytes(`${runs} marks for ${commands} commands`)
  const marks: ProposalMark[] = []
  let end = 0
  while (marks.length < runs) {
    const ordinal = end + reader.varint()
    const count = reader.varint()
    const gateway = makeReplicaId(reader.varint())
    const incarnation = reader.varint()
    const stream = reader.varint()
    const first = reader.varint()
    end = ordinal + count
    if (count === 0 || first === 0 || end > commands) {
      throw new MalformedBytes(`a mark of ${count} commands from ${ordinal} on, of ${commands}`)
    }
    marks.push({ gateway, incarnation, stream, first, ordinal, count })
  }
  return marks
}
