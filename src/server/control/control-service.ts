/**
 * A node's part in running the cluster: founds it or announces itself, lets others join, keeps
 * connections to all members, and, where it leads a group, that group's membership.
 */
import { type StorageError, storageError } from '../../base/errors.ts'
import { CONTROL_GROUP, type GroupId, type ReplicaId } from '../../base/ids.ts'
import type { Catalog } from '../../cluster/catalog.ts'
import type { ClusterCommand, ClusterReply, NodeFacts } from '../../cluster/cluster-machine.ts'
import { readJson, writeJson } from '../../cluster/cluster-machine.ts'
import type { Clock, Timer } from '../../env/clock.ts'
import type { Logger } from '../../env/logger.ts'
import type { Address } from '../../env/network.ts'
import type { Membership } from '../../raft/membership.ts'
import type { GroupHost } from '../../replica/group-host.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Respond, Transport } from '../../replica/transport/transport.ts'
import type { GroupRouter } from '../routing/group-router.ts'
import { CatalogWatcher } from './catalog-watcher.ts'
import { checkFacts } from './check-facts.ts'
import { keepMembership } from './membership-keeper.ts'

const KEEP_MS = 100
/** Rough size of a control command in the log. */
const COMMAND_BYTES = 512

export type ControlServiceOptions = {
  readonly clock: Clock
  readonly logger: Logger
  readonly transport: Transport
  readonly host: GroupHost
  readonly router: GroupRouter<ClusterCommand, ClusterReply>
  readonly self: ReplicaId
  /** This node, as it wants to be known. */
  readonly facts: NodeFacts
  /** The cluster does not know this node any more. */
  readonly onExpelled: (error: StorageError) => void
}

export class ControlService {
  readonly #options: ControlServiceOptions
  readonly #watcher: CatalogWatcher
  /** What members said of themselves when they connected: newer than the catalog, until they are in it. */
  readonly #heardAddresses = new Map<ReplicaId, Address>()
  /** What the log says before it is known to be committed: without it nobody could be asked for a vote. */
  #foreseen: Catalog | null = null
  /** What the transport's peers were made from last: nothing of it changes most of the time. */
  #connectedBy: readonly unknown[] = []
  /** The catalog that was seen last. */
  #before: Catalog | null = null
  #timer: Timer | null = null
  #isAnnounced = false
  #isAnnouncing = false
  #isStopped = false

  constructor(options: ControlServiceOptions) {
    this.#options = options
    this.#watcher = new CatalogWatcher(
      options.self,
      (catalog) => this.#onCatalog(catalog),
      (error) => options.logger.error('the catalog could not be read', { error: String(error) }),
    )
    options.transport.handle(RequestKind.join, (_from, body, respond) => {
      this.#serveJoin(checkFacts(readJson(body)), respond)
    })
  }

  get catalog(): Catalog | null {
    return this.#watcher.catalog
  }

  /**
   * Who may be asked, for all that this node knows. One that has no catalog yet, and is sent none because another
   * took its place, can still ask whoever connects to it.
   */
  get members(): readonly ReplicaId[] {
    const catalog = this.catalog ?? this.#foreseen
    return catalog === null ? [...this.#heardAddresses.keys()] : catalog.nodes.map((node) => node.replicaId)
  }

  start(seed: Catalog | null, foreseen: Catalog | null): void {
    this.#foreseen = foreseen
    if (seed !== null) this.#watcher.seed(seed)
    else this.#connectPeers()
    this.onApplied(CONTROL_GROUP)
    this.#schedule()
  }

  onApplied(group: GroupId): void {
    if (group !== CONTROL_GROUP) return
    const control = this.#options.host.groups.get(CONTROL_GROUP)
    if (control !== undefined) this.#watcher.refresh(control.store)
  }

  learnAddress(peer: ReplicaId, address: Address): void {
    const known = this.#heardAddresses.get(peer)
    if (known === undefined || !isSameAddress(known, address)) this.#heardAddresses.set(peer, address)
    // Also before the catalog is known: a node that was never filled learns it only by answering its leader.
    this.#connectPeers()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(KEEP_MS, () => {
      if (this.#isStopped) return
      this.#keep()
      this.#schedule()
    })
  }

  #keep(): void {
    const { catalog } = this
    this.#connectPeers()
    if (!this.#isAnnounced && !this.#isAnnouncing && this.members.length > 0) this.#announce()
    if (catalog === null) return
    for (const [id, group] of this.#options.host.groups) {
      if (group.health.kind === 'healthy' && keepMembership(group.raft, catalog, id)) group.schedule()
    }
  }

  /** At every start, also when nothing changed: it is how a node that was replaced meanwhile learns of it. */
  #announce(): void {
    const { self, facts, router, logger, onExpelled } = this.#options
    this.#isAnnouncing = true
    const command: ClusterCommand = { kind: 'announce', replicaId: self, node: facts }
    router.submit(
      { group: CONTROL_GROUP, isWrite: true, command, bytes: COMMAND_BYTES, lane: null },
      {
        reply: (reply) => {
          this.#isAnnouncing = false
          this.#isAnnounced = true
          if (reply.kind === 'refused') onExpelled(expulsion(reply.reason))
        },
        fail: (failure) => {
          this.#isAnnouncing = false
          logger.warning('this node could not announce its addresses yet', { failure: failure.kind })
        },
      },
    )
  }

  #serveJoin(node: NodeFacts, respond: Respond): void {
    this.#options.logger.info('a node asks to join', { nodeId: node.nodeId, address: node.peer })
    this.#options.router.submit(
      {
        group: CONTROL_GROUP,
        isWrite: true,
        command: { kind: 'join', node },
        bytes: COMMAND_BYTES,
        lane: null,
      },
      {
        // Not founded yet: worth asking again, unlike any other refusal.
        reply: (reply) =>
          respond(
            reply.kind === 'refused' && this.catalog === null ? null : (writer) => writeJson(writer, reply),
          ),
        fail: () => respond(null),
      },
    )
  }

  #onCatalog(catalog: Catalog): void {
    const before = this.#before?.nodes ?? []
    this.#before = catalog
    for (const { replicaId, peer } of catalog.nodes) {
      const known = before.find((node) => node.replicaId === replicaId)
      // A member announced itself anew: what it said when it connected is older.
      if (known !== undefined && !isSameAddress(known.peer, peer)) this.#heardAddresses.delete(replicaId)
    }
    const { self, onExpelled } = this.#options
    // An older catalog, read back at a start, may not know of this node yet.
    const hasJoined = catalog.nextReplicaId > self
    if (hasJoined && !catalog.nodes.some((node) => node.replicaId === self))
      onExpelled(expulsion(`replica ${self} does not belong to the cluster any more`))
    this.#connectPeers()
  }

  /**
   * To everybody in the catalog, and to whoever the groups here count as a member: after a start the
   * catalog may be an old one, and those it does not name yet are needed to get a newer one.
   */
  #connectPeers(): void {
    const { catalog } = this
    const by = [catalog, this.#foreseen, ...this.#heardAddresses.values(), ...this.#memberships()]
    if (by.length === this.#connectedBy.length && by.every((one, at) => one === this.#connectedBy[at])) return
    this.#connectedBy = by
    const peers = new Map<ReplicaId, Address>()
    const hints = [
      ...(this.#foreseen?.nodes ?? []).map(({ replicaId, peer }) => [replicaId, peer] as const),
      ...this.#heardAddresses,
    ]
    for (const [peer, address] of hints) {
      if (catalog === null || this.#isMember(peer)) peers.set(peer, address)
    }
    for (const { replicaId, peer } of catalog?.nodes ?? []) {
      peers.set(replicaId, this.#heardAddresses.get(replicaId) ?? peer)
    }
    peers.delete(this.#options.self)
    this.#options.transport.setPeers(peers)
  }

  /** Each an object of its own until it changes. */
  *#memberships(): Iterable<Membership> {
    for (const { raft } of this.#options.host.groups.values()) yield raft.membershipAt(raft.lastIndex)
  }

  #isMember(replica: ReplicaId): boolean {
    for (const { voters, votersOutgoing, learners } of this.#memberships()) {
      if (voters.includes(replica) || votersOutgoing.includes(replica) || learners.includes(replica))
        return true
    }
    return false
  }
}

function isSameAddress(left: Address, right: Address): boolean {
  return left.host === right.host && left.port === right.port
}

function expulsion(reason: string): StorageError {
  return storageError('joinRefused', {
    message: reason,
    hint: 'Its data directory is of no use any more. To bring the machine back, start the node with --join and an empty data directory: it comes back as a new replica.',
  })
}
