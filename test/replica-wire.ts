/** Transports on the simulated network, for tests of what travels between nodes. */

import { createSimNetwork, type SimNetwork } from '../sim/network/network.ts'
import { createSimClock } from '../sim/world/clock.ts'
import { driveUntilSettled } from '../sim/world/drive.ts'
import { createSimRandom } from '../sim/world/random.ts'
import { createScheduler, type Scheduler } from '../sim/world/scheduler.ts'
import { makeNodeId, makeReplicaId, type ReplicaId } from '../src/base/ids.ts'
import { sleep } from '../src/env/clock.ts'
import type { Address, Network } from '../src/env/network.ts'
import { Transport } from '../src/replica/transport/transport.ts'
import { recordingLogger } from './replica-parts.ts'

export const PORT = 7400

export type WireNode = {
  readonly host: string
  readonly id: ReplicaId
  readonly transport: Transport
  readonly network: Network
  readonly events: string[]
  readonly lines: string[]
}

export type Wire = {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly clock: ReturnType<typeof createSimClock>
  /** A listening transport that knows nobody yet. */
  add(id: number, clusterId?: string, isMember?: boolean): Promise<WireNode>
  /** Each keeps a connection to all the others. */
  connect(nodes: readonly WireNode[]): void
  wait(ms: number): Promise<void>
  run<Result>(body: () => Promise<Result>): Promise<Result>
}

export function createWire(seed: number): Wire {
  const scheduler = createScheduler()
  const random = createSimRandom(seed)
  const network = createSimNetwork({ scheduler, random: random.fork('network') })
  const clock = createSimClock(scheduler)
  return {
    scheduler,
    network,
    clock,
    async add(id, clusterId = 'cluster', isMember = true, incarnation = 1) {
      const host = `n${id}`
      const processClock = createSimClock(scheduler)
      const events: string[] = []
      const lines: string[] = []
      const attached = network.attach(host, processClock)
      const replicaId = isMember ? makeReplicaId(id) : null
      const world = {
        network: attached,
        clock: processClock,
        random: random.fork(host),
        logger: recordingLogger(lines),
      }
      const address = { host, port: PORT }
      const identity = { clusterId, replicaId, nodeId: makeNodeId(host), incarnation, address }
      const transport = new Transport(world, identity, {
        onRaftMessages: (group, from, messages) =>
          events.push(
            `raft ${group} from ${from}: ${messages.map((message) => Buffer.from(message).toString()).join(',')}`,
          ),
        onNotice: (kind, from, body) => events.push(`notice ${kind} from ${from}: ${body.byteString()}`),
        onPeerClosed: (peer) => events.push(`closed ${peer}`),
        onPeerRestarted: (peer) => events.push(`restarted ${peer}`),
        onUnreachable: (peer) => events.push(`unreachable ${peer}`),
        onPeerAddress: (peer, nodeId) => events.push(`heard of ${peer} ${nodeId}`),
      })
      await transport.listen(address)
      return { host, id: makeReplicaId(id), transport, network: attached, events, lines }
    },
    connect(nodes) {
      const peers = new Map<ReplicaId, Address>(nodes.map(({ id, host }) => [id, { host, port: PORT }]))
      for (const { transport } of nodes) transport.setPeers(peers)
    },
    wait: (ms) => sleep(clock, ms),
    run: (body) => driveUntilSettled(scheduler, body),
  }
}
