/** Group numbers in bytes that a peer sent: what is none is its fault, and must not end this process. */
import { type ByteReader, MalformedBytes } from '../../base/byte-reader.ts'
import { type GroupId, makeGroupId } from '../../base/ids.ts'

const GROUP_ID_MAX = 0xffff_ffff

export function readGroupId(reader: ByteReader): GroupId {
  const value = reader.varint()
  if (value > GROUP_ID_MAX) throw new MalformedBytes(`not a group id: ${value}`)
  return makeGroupId(value)
}
