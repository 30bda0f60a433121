/** A machine and the encoding of its replies: what forwarding a command to another node takes. */
import type { ByteReader } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { Machine } from '../../base/machine.ts'

export type MachineCodec<Command, Reply> = {
  readonly machine: Machine<Command, Reply>
  readonly encodeReply: (reply: Reply, writer: ByteWriter) => void
  readonly decodeReply: (reader: ByteReader) => Reply
}
