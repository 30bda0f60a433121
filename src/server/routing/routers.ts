/** The two routers of a node: one for the control group's commands, one for keys. */

import type { ByteReader } from '../../base/byte-reader.ts'
import { CONTROL_GROUP, type GroupId, type ReplicaId } from '../../base/ids.ts'
import type { ClusterCommand, ClusterReply } from '../../cluster/cluster-machine.ts'
import type { Clock } from '../../env/clock.ts'
import type { Random } from '../../env/random.ts'
import type { KvCommand } from '../../kv/command.ts'
import { isError, type Reply } from '../../kv/reply.ts'
import type { Group } from '../../replica/group.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Respond, Transport } from '../../replica/transport/transport.ts'
import type { Machines } from '../machines.ts'
import { Forwarder } from './forwarder.ts'
import { GatewaySession } from './gateway-session.ts'
import { GroupRouter, type RouterOptions } from './group-router.ts'
import { ProposalSender } from './proposal-sender.ts'

/** A client waits this long for an answer; an election takes a fraction of a second. */
const OPERATION_TIMEOUT_MS = 10_000
/** A node that answers nothing for so long is asked no further. */
const ATTEMPT_TIMEOUT_MS = 1_000

export type RoutersOptions = {
  readonly world: { readonly clock: Clock; readonly random: Random }
  readonly transport: Transport
  readonly self: ReplicaId
  readonly incarnation: number
  readonly machines: Machines
  // oxlint-disable-next-line typescript/no-explicit-any -- a group's types follow from its number
  readonly localGroup: (group: GroupId) => Group<any, any> | null
  readonly members: () => readonly ReplicaId[]
  readonly logFailure: () => Error | null
}

export class Routers {
  readonly cluster: GroupRouter<ClusterCommand, ClusterReply>
  readonly keys: GroupRouter<KvCommand, Reply>
  readonly #clusterProposals: ProposalSender<ClusterCommand, ClusterReply>
  readonly #keysProposals: ProposalSender<KvCommand, Reply>

  constructor(options: RoutersOptions) {
    const { world, transport, self, incarnation, machines, localGroup, members, logFailure } = options
    const { clock, random } = world
    const session = new GatewaySession(clock, random)
    const common = {
      clock,
      random,
      transport,
      self,
      localGroup,
      candidates: () => members(),
      logFailure,
      operationTimeoutMs: OPERATION_TIMEOUT_MS,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
    }
    const ofCluster = {
      codec: machines.cluster,
      onHeard: (group: GroupId, term: number, leader: ReplicaId | null) =>
        this.cluster.hear(group, term, leader),
    }
    const ofKeys = {
      codec: machines.keys,
      onHeard: (group: GroupId, term: number, leader: ReplicaId | null) =>
        this.keys.hear(group, term, leader),
    }
    const clusterForwarder = new Forwarder({ clock, transport, localGroup, ...ofCluster })
    const keysForwarder = new Forwarder({ clock, transport, localGroup, ...ofKeys })
    const sending = { clock, transport, self, incarnation, localGroup, answerTimeoutMs: ATTEMPT_TIMEOUT_MS }
    this.#clusterProposals = new ProposalSender({ ...sending, ...ofCluster })
    this.#keysProposals = new ProposalSender({ ...sending, ...ofKeys })
    transport.handle(RequestKind.propose, (from, body: ByteReader, respond: Respond) => {
      if (body.peekVarint() === CONTROL_GROUP) this.#clusterProposals.serve(from, body, respond)
      else this.#keysProposals.serve(from, body, respond)
    })
    transport.handle(RequestKind.forward, (_from, body: ByteReader, respond: Respond) => {
      if (body.peekVarint() === CONTROL_GROUP) clusterForwarder.serve(body, respond)
      else keysForwarder.serve(body, respond)
    })
    // Control commands do no more when they are repeated: they need no mark.
    const idempotent: RouterOptions<ClusterCommand, ClusterReply> = {
      ...common,
      forwarder: clusterForwarder,
      proposals: this.#clusterProposals,
      tagForRetry: (command) => command,
      releaseTag: () => {},
    }
    this.cluster = new GroupRouter(idempotent)
    this.keys = new GroupRouter<KvCommand, Reply>({
      ...common,
      forwarder: keysForwarder,
      proposals: this.#keysProposals,
      tagForRetry: (command) => tag(session, command),
      releaseTag: (command, reply) => {
        if ('session' in command && command.session !== null) session.release(command.session)
        if (reply !== null && isSessionError(reply)) session.renew()
      },
    })
  }

  leaderChanged(group: GroupId): void {
    if (group === CONTROL_GROUP) this.cluster.leaderChanged(group)
    else this.keys.leaderChanged(group)
  }

  stop(): void {
    this.cluster.stop()
    this.keys.stop()
    this.#clusterProposals.stop()
    this.#keysProposals.stop()
  }
}

/** The group does not take this session's commands any more (kv/session.ts). */
function isSessionError(reply: Reply): boolean {
  return isError(reply) && reply.text.startsWith('SESSION')
}

function tag(session: GatewaySession, command: KvCommand): KvCommand | null {
  if (!('session' in command)) return command
  if (command.session !== null) return { ...command, session: session.refresh(command.session) }
  return session.hasRoom ? { ...command, session: session.open() } : null
}
