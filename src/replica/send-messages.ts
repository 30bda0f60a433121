/** Hands the messages of consensus to the transport: those of one turn to one peer travel together. */
import { ByteWriter } from '../base/byte-writer.ts'
import type { GroupId, ReplicaId } from '../base/ids.ts'
import type { Message } from '../raft/message.ts'
import { encodeMessage } from '../raft/message-codec.ts'
import type { Transport } from './transport/transport.ts'

export function sendMessages(
  transport: Pick<Transport, 'sendRaft'>,
  group: GroupId,
  messages: readonly Message[],
): void {
  const [first] = messages
  if (first === undefined) return
  if (messages.length === 1) {
    transport.sendRaft(group, first.to, [encoded(first)])
    return
  }
  const byPeer = new Map<ReplicaId, Uint8Array[]>()
  for (const message of messages) {
    const others = byPeer.get(message.to)
    if (others === undefined) byPeer.set(message.to, [encoded(message)])
    else others.push(encoded(message))
  }
  for (const [peer, bytes] of byPeer) transport.sendRaft(group, peer, bytes)
}

function encoded(message: Message): Uint8Array {
  const writer = new ByteWriter()
  encodeMessage(message, writer)
  return writer.takeBytes()
}
