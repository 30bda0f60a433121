/**
 * Commands sent on to another node and what came of them (request kind `forward`).
 *
 *   request  = group varint, count varint, count × (write u8, command in the machine's encoding)
 *   response = count × outcome, in the order of the request
 *   outcome  = 0, reply in the machine's encoding | 1 not leader, leader varint (0: unknown)
 *            | 2 not committed | 3 unknown | 4 overloaded | 5 unhealthy, reason bytes
 */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { bytesToUtf8, utf8ToBytes } from '../../base/bytes.ts'
import { makeReplicaId } from '../../base/ids.ts'
import { unreachable } from '../../base/unreachable.ts'
import type { Failure } from '../../replica/outcome.ts'

export const OUTCOME_REPLY = 0
const OUTCOME_NOT_LEADER = 1
const OUTCOME_NOT_COMMITTED = 2
const OUTCOME_UNKNOWN = 3
const OUTCOME_OVERLOADED = 4
const OUTCOME_UNHEALTHY = 5

export function writeFailure(writer: ByteWriter, failure: Failure): void {
  switch (failure.kind) {
    case 'notLeader':
      writer.u8(OUTCOME_NOT_LEADER)
      writer.varint(failure.leader ?? 0)
      return
    case 'notCommitted':
      writer.u8(OUTCOME_NOT_COMMITTED)
      return
    case 'unknown':
      writer.u8(OUTCOME_UNKNOWN)
      return
    case 'overloaded':
      writer.u8(OUTCOME_OVERLOADED)
      return
    case 'unhealthy':
      writer.u8(OUTCOME_UNHEALTHY)
      writer.byteString(utf8ToBytes(failure.reason))
      return
    default:
      unreachable(failure)
  }
}

/** `code` was read already and is not OUTCOME_REPLY. */
export function readFailure(code: number, reader: ByteReader): Failure {
  switch (code) {
    case OUTCOME_NOT_LEADER: {
      const leader = reader.varint()
      return { kind: 'notLeader', leader: leader === 0 ? null : makeReplicaId(leader) }
    }
    case OUTCOME_NOT_COMMITTED:
      return { kind: 'notCommitted' }
    case OUTCOME_UNKNOWN:
      return { kind: 'unknown' }
    case OUTCOME_OVERLOADED:
      return { kind: 'overloaded' }
    case OUTCOME_UNHEALTHY:
      return { kind: 'unhealthy', reason: bytesToUtf8(reader.byteString()) }
    default:
      throw new MalformedBytes(`unknown outcome ${code}`)
  }
}
