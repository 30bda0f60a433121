/** Brings the requests of a snapshot's sender to the receiver of the group they name. */
import type { ByteReader } from '../../base/byte-reader.ts'
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { GroupHealth } from '../group-contract.ts'
import { RequestKind } from '../request-kinds.ts'
import type { Respond, Transport } from '../transport/transport.ts'
import type { SnapshotReceiver } from './snapshot-receiver.ts'

type ReceivingGroup = { readonly health: GroupHealth; readonly receiver: SnapshotReceiver }

/** `groupOf`: null when this node has no such replica, or is stopping; the sender then hears "not here". */
export function routeSnapshots(
  transport: Pick<Transport, 'handle'>,
  groupOf: (id: GroupId) => ReceivingGroup | null,
): void {
  const route = (
    kind: number,
    take: (receiver: SnapshotReceiver, from: ReplicaId, body: ByteReader, respond: Respond) => void,
  ): void =>
    transport.handle(kind, (from, body, respond) => {
      // The group is the first field of all three; the receiver reads the whole body again.
      const group = groupOf(body.peekVarint() as GroupId)
      if (from === null || group?.health.kind !== 'healthy') respond(null)
      else take(group.receiver, from, body, respond)
    })
  route(RequestKind.snapshotBegin, (receiver, from, body, respond) => receiver.begin(from, body, respond))
  route(RequestKind.snapshotChunk, (receiver, from, body, respond) => receiver.chunk(from, body, respond))
  route(RequestKind.snapshotEnd, (receiver, from, body, respond) => receiver.end(from, body, respond))
}
