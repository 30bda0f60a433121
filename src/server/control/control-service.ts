/**
 * A node's part in running the cluster: founds it or announces itself, lets others join, keeps
 * connections to all members, and, where it leads a group, that group's membership.
 */
import { CONTROL_GROUP, type GroupId, type ReplicaId } from '../../base/ids.ts'
import type { Catalog } from '../../cluster/catalog.ts'
import type { ClusterCommand, ClusterReply, NodeFacts } from '../../cluster/cluster-machine.ts'
import { readJson, writeJson } from '../../cluster/cluster-machine.ts'
import type { Clock, Timer } from '../../env/clock.ts'
import type { Logger } from '../../env/logger.ts'
import type { Address } from '../../env/network.ts'
import type { GroupHost } from '../../replica/group-host.ts'
import { RequestKind } from '../../replica/request-kinds.ts'
import type { Respond, Transport } from '../../replica/transport/transport.ts'
import type { GroupRouter } from '../routing/group-router.ts'
import { CatalogWatcher } from './catalog-watcher.ts'
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
  readonly onCatalog: (catalog: Catalog) => void
  /** The cluster does not know this node any more. */
  readonly onExpelled: (reason: string) => void
}

export class ControlService {
  readonly #options: ControlServiceOptions
  readonly #watcher: CatalogWatcher
  /** What members said of themselves when they connected: newer than the catalog, until they are in it. */
  readonly #heardAddresses = new Map<ReplicaId, Address>()
  /** What the log says before it is known to be committed: without it nobody could be asked for a vote. */
  #foreseen: Catalog | null = null
  #timer: Timer | null = null
  #isAnnounced = false
  #isAnnouncing = false
  #isStopped = false

  constructor(options: ControlServiceOptions) {
    this.#options = options
    this.#watcher = new CatalogWatcher(
      (catalog) => this.#onCatalog(catalog),
      (error) => options.logger.error('the catalog could not be read', { error: String(error) }),
    )
    options.transport.handle(RequestKind.join, (_from, body, respond) => {
      this.#serveJoin(readJson(body) as NodeFacts, respond)
    })
  }

  get catalog(): Catalog | null {
    return this.#watcher.catalog
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
    this.#heardAddresses.set(peer, address)
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
    if (!this.#isAnnounced && !this.#isAnnouncing && catalog !== null) this.#announce(catalog)
    if (catalog === null) return
    for (const [id, group] of this.#options.host.groups) {
      if (group.health.kind === 'healthy' && keepMembership(group.raft, catalog, id)) group.schedule()
    }
  }

  #announce(catalog: Catalog): void {
    const { self, facts, router, logger, onExpelled } = this.#options
    const known = catalog.nodes.find((node) => node.replicaId === self)
    if (known !== undefined && isSameNode(known, facts)) {
      this.#isAnnounced = true
      return
    }
    this.#isAnnouncing = true
    const command: ClusterCommand = { kind: 'announce', replicaId: self, node: facts }
    router.submit(
      { group: CONTROL_GROUP, isWrite: true, command, bytes: COMMAND_BYTES },
      (reply) => {
        this.#isAnnouncing = false
        this.#isAnnounced = true
        if (reply.kind === 'refused') onExpelled(reply.reason)
      },
      (failure) => {
        this.#isAnnouncing = false
        logger.warning('this node could not announce its addresses yet', { failure: failure.kind })
      },
    )
  }

  #serveJoin(node: NodeFacts, respond: Respond): void {
    this.#options.logger.info('a node asks to join', { nodeId: node.nodeId, address: node.peer })
    this.#options.router.submit(
      { group: CONTROL_GROUP, isWrite: true, command: { kind: 'join', node }, bytes: COMMAND_BYTES },
      // Not founded yet: worth asking again, unlike any other refusal.
      (reply) =>
        respond(
          reply.kind === 'refused' && this.catalog === null ? null : (writer) => writeJson(writer, reply),
        ),
      () => respond(null),
    )
  }

  #onCatalog(catalog: Catalog): void {
    this.#connectPeers()
    this.#options.onCatalog(catalog)
  }

  #connectPeers(): void {
    const { catalog } = this
    const peers = new Map<ReplicaId, Address>(catalog === null ? this.#heardAddresses : [])
    for (const { replicaId, peer } of (catalog ?? this.#foreseen)?.nodes ?? []) {
      if (replicaId !== this.#options.self) peers.set(replicaId, this.#heardAddresses.get(replicaId) ?? peer)
    }
    this.#options.transport.setPeers(peers)
  }
}

function isSameNode(left: NodeFacts, right: NodeFacts): boolean {
  return (
    isSameAddress(left.peer, right.peer) &&
    isSameAddress(left.redis, right.redis) &&
    left.processId === right.processId &&
    (left.http === null ? right.http === null : right.http !== null && isSameAddress(left.http, right.http))
  )
}

function isSameAddress(left: Address, right: Address): boolean {
  return left.host === right.host && left.port === right.port
}
