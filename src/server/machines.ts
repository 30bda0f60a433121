/** The machine of each group: group 0 runs the cluster, all others hold keys. */

import { CONTROL_GROUP, type GroupId } from '../base/ids.ts'
import type { ClusterCommand, ClusterReply } from '../cluster/cluster-machine.ts'
import { createClusterMachine, readJson, writeJson } from '../cluster/cluster-machine.ts'
import type { KvCommand } from '../kv/command.ts'
import { createKvMachine } from '../kv/machine.ts'
import type { Reply } from '../kv/reply.ts'
import { decodeReply, encodeReply } from '../kv/reply-codec.ts'
import type { GroupMachine } from '../replica/group-machine.ts'
import type { MachineCodec } from './routing/machine-codec.ts'

export type Machines = {
  readonly of: (group: GroupId) => GroupMachine
  readonly cluster: MachineCodec<ClusterCommand, ClusterReply>
  readonly keys: MachineCodec<KvCommand, Reply>
}

export function makeMachines(maxValueBytes: number): Machines {
  const cluster = createClusterMachine()
  const keys = createKvMachine({ maxValueBytes })
  return {
    of: (group) =>
      group === CONTROL_GROUP
        ? { machine: cluster, advanceTime: null }
        : { machine: keys, advanceTime: { kind: 'advanceTime' } satisfies KvCommand },
    cluster: {
      machine: cluster,
      encodeReply: (reply, writer) => writeJson(writer, reply),
      decodeReply: (reader) => readJson(reader) as ClusterReply,
    },
    keys: {
      machine: keys,
      encodeReply: (reply, writer) => encodeReply(reply, writer),
      decodeReply: (reader) => decodeReply(reader),
    },
  }
}
