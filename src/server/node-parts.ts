/**
 * The parts of one node and how they are wired: transport, groups, routers, control, Redis port.
 * `node.ts` decides in which order they come to life.
 */
import assert from 'node:assert/strict'
import { storageError } from '../base/errors.ts'
import type { GroupId, NodeId, ReplicaId } from '../base/ids.ts'
import { CONTROL_GROUP } from '../base/ids.ts'
import { HOLDFAST_VERSION } from '../base/version.ts'
import { type Catalog, groupOfSlot, soleGroup } from '../cluster/catalog.ts'
import type { ClusterCommand, NodeFacts } from '../cluster/cluster-machine.ts'
import { sleep, type Timer } from '../env/clock.ts'
import type { FreeSpace } from '../env/disk.ts'
import type { Address } from '../env/network.ts'
import type { KvCommand } from '../kv/command.ts'
import { KEY_COUNT_KEY, readU64 } from '../kv/record-keys.ts'
import type { Reply } from '../kv/reply.ts'
import type { Membership } from '../raft/membership.ts'
import { REDIS_COMMANDS } from '../redis/redis-commands.ts'
import { createRedisConfiguration } from '../redis/redis-configuration.ts'
import type { ServerFacts } from '../redis/server-facts.ts'
import type { Group } from '../replica/group.ts'
import { GroupHost } from '../replica/group-host.ts'
import { Transport } from '../replica/transport/transport.ts'
import type { Identity } from '../storage/identity.ts'
import type { RecoveredGroup, SharedLog } from '../storage/log/shared-log.ts'
import { buildStatus } from './build-status.ts'
import { ControlService } from './control/control-service.ts'
import { foreseeCatalog } from './control/foresee-catalog.ts'
import { lostLog } from './lost-log.ts'
import { type Machines, makeMachines } from './machines.ts'
import { Maintenance } from './maintenance.ts'
import { groupOptionsOf } from './node-groups.ts'
import type { NodeEndpoints, NodeOptions, RunningNode, World } from './node-options.ts'
import type { NodeState, NodeStatus } from './node-status.ts'
import { makeRedisFacts } from './redis/redis-facts.ts'
import { RedisService } from './redis/redis-service.ts'
import { Routers } from './routing/routers.ts'

const SPACE_POLL_MS = 5_000
const HANDOVER_POLL_MS = 2
/** Leadership is handed over within this, or lost to an election. */
const HANDOVER_MS = 1_000
/** Rough size of the first command in the log. */
const BOOTSTRAP_BYTES = 512
/** Where the log fails, each attempt fails at once. */
const BOOTSTRAP_PAUSE_MS = 100

export type Founding = { readonly groups: readonly GroupId[]; readonly founding: Membership }

export class NodeParts implements RunningNode {
  readonly nodeId: NodeId
  readonly transport: Transport
  readonly failed: Promise<Error>
  readonly #world: World
  readonly #options: NodeOptions
  readonly #log: SharedLog
  readonly #machines: Machines
  readonly #identity: Identity
  readonly #startedMs: number
  readonly #redisFacts: ServerFacts
  readonly #redis: RedisService
  #resolveFailed: (error: Error) => void = () => {}
  #failure: Error | null = null
  #peerAddress: Address | null = null
  #clusterId: string | null
  #self: ReplicaId | null = null
  #host: GroupHost | null = null
  #routers: Routers | null = null
  #control: ControlService | null = null
  /** Peers connect as soon as the port is open, which is long before there is a control service. */
  readonly #earlyAddresses = new Map<ReplicaId, Address>()
  #maintenance: Maintenance | null = null
  #logFailure: Error | null = null
  #space: FreeSpace | null = null
  #spaceTimer: Timer | null = null
  #state: NodeState = 'starting'
  #stopping: Promise<void> | null = null

  constructor(world: World, options: NodeOptions, identity: Identity, log: SharedLog) {
    this.#world = world
    this.#options = options
    this.#identity = identity
    this.#log = log
    this.nodeId = identity.nodeId
    this.#clusterId = identity.clusterId
    this.#startedMs = world.clock.monotonicMs()
    this.#machines = makeMachines(options.maxValueBytes)
    this.failed = new Promise((resolve) => {
      this.#resolveFailed = resolve
    })
    this.transport = new Transport(world, this.#transportIdentity({ host: options.advertiseHost, port: 0 }), {
      onRaftMessages: (group, from, messages) => this.#host?.onRaftMessages(group, from, messages),
      onNotice: (kind, from, body) => this.#host?.onNotice(kind, from, body),
      onPeerClosed: (peer) => this.#host?.onPeerClosed(peer),
      onPeerRestarted: (peer) => this.#host?.onPeerRestarted(peer),
      onUnreachable: (peer) => this.#host?.onUnreachable(peer),
      onPeerAddress: (peer, _nodeId, address) => this.#learnAddress(peer, address),
    })
    this.#redisFacts = this.#makeRedisFacts()
    this.#redis = new RedisService({
      clock: world.clock,
      network: world.network,
      table: REDIS_COMMANDS,
      facts: this.#redisFacts,
      router: () => this.#routers?.keys ?? null,
      soleGroup: () => (this.#control?.catalog ? soleGroup(this.#control.catalog) : null),
      groupOfSlot: (slot) => (this.#control?.catalog ? groupOfSlot(this.#control.catalog, slot) : null),
    })
  }

  get isStopping(): boolean {
    return this.#stopping !== null
  }

  /** Why this node can not go on; null: it can. */
  get failure(): Error | null {
    return this.#failure
  }

  get isServing(): boolean {
    return (this.#control?.catalog ?? null) !== null
  }

  get endpoints(): NodeEndpoints {
    assert(this.#peerAddress !== null)
    return { redis: this.#advertised(this.#redis.address), peer: this.#advertised(this.#peerAddress) }
  }

  /** How this node wants to be known in the catalog. */
  get facts(): NodeFacts {
    const { redis, peer } = this.endpoints
    const { httpAddress, processId } = this.#options
    const { nodeId, directoryId } = this.#identity
    return { nodeId, joinToken: directoryId, peer, redis, http: httpAddress, processId }
  }

  async openPorts(): Promise<void> {
    const { host, peerPort, redisPort } = this.#options
    this.#peerAddress = await this.transport.listen({ host, port: peerPort })
    await this.#redis.listen({ host, port: redisPort })
    this.transport.identify(this.#transportIdentity(this.#advertised(this.#peerAddress)))
  }

  /** From here on this node is replica `self` of the cluster. */
  async begin(
    clusterId: string,
    self: ReplicaId,
    founding: Founding | null,
    seed: Catalog | null = null,
  ): Promise<void> {
    this.#clusterId = clusterId
    this.#self = self
    this.transport.identify(this.#transportIdentity(this.endpoints.peer))
    const host = this.#makeHost(self)
    this.#host = host
    const recovered = await host.recover()
    if (founding === null && !host.groups.has(CONTROL_GROUP)) throw lostLog(this.#identity)
    for (const group of founding?.groups ?? []) {
      if (!host.groups.has(group)) await host.found(group, (founding as Founding).founding)
    }
    this.#routers = this.#makeRouters(self)
    this.#control = this.#makeControl(host, this.#routers, self)
    for (const [peer, address] of this.#earlyAddresses) this.#control.learnAddress(peer, address)
    const foreseen = await this.#foreseen(host, recovered)
    this.#control.start(seed, foreseen)
    host.start()
    // Also after a crash between founding the groups and the first entry.
    if (this.#identity.origin === 'created' && foreseen === null) {
      this.#bootstrap(clusterId, founding !== null)
    }
  }

  serve(): void {
    this.#state = 'serving'
    this.#maintenance = new Maintenance(this.#world.clock, () => this.#dataGroups())
    this.#maintenance.start()
    this.#pollSpace()
  }

  waitingFor(): Readonly<Record<string, unknown>> {
    const control = this.#host?.groups.get(CONTROL_GROUP)?.raft.status()
    return {
      replica: this.#self,
      voters: control?.membership.voters,
      leader: control?.leader,
      term: control?.term,
    }
  }

  status(): NodeStatus {
    return buildStatus({
      version: HOLDFAST_VERSION,
      clusterId: this.#clusterId,
      nodeId: this.nodeId,
      self: this.#self ?? (0 as ReplicaId),
      roles: this.#options.roles,
      uptimeMs: this.#world.clock.monotonicMs() - this.#startedMs,
      state: this.#state,
      catalog: this.#control?.catalog ?? null,
      groups: this.#host?.groups ?? new Map(),
      transport: this.transport,
      log: this.#log.metrics(),
      logFailure: this.#logFailure,
      space: this.#space,
      clients: this.#clientStatus(),
    })
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** After a start that failed: whatever was opened is closed. */
  async close(): Promise<void> {
    this.#stopping ??= Promise.resolve()
    this.#spaceTimer?.cancel()
    this.#maintenance?.stop()
    this.#control?.stop()
    this.#routers?.stop()
    await this.#redis.close()
    await this.#host?.stop()
    await this.transport.stop()
    await this.#log.close()
  }

  async #stop(): Promise<void> {
    this.#state = 'draining'
    const endMs = this.#world.clock.monotonicMs() + this.#options.drainTimeoutMs
    await this.#handOver()
    await this.#redis.drain(Math.max(0, endMs - this.#world.clock.monotonicMs()))
    await this.close()
  }

  async #handOver(): Promise<void> {
    const host = this.#host
    if (host === null) return
    const endMs = this.#world.clock.monotonicMs() + Math.min(HANDOVER_MS, this.#options.drainTimeoutMs)
    // Offered again until somebody has taken it: a transfer may fail, and the best successor may change.
    while ([...host.groups.values()].some((group) => group.handOver())) {
      if (this.#world.clock.monotonicMs() >= endMs) break
      await sleep(this.#world.clock, HANDOVER_POLL_MS)
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#resolveFailed(this.#failure)
  }

  async #foreseen(host: GroupHost, recovered: readonly RecoveredGroup[]): Promise<Catalog | null> {
    const control = host.groups.get(CONTROL_GROUP)
    const entries = recovered.find((found) => found.group === CONTROL_GROUP)?.entries ?? []
    return control === undefined
      ? null
      : foreseeCatalog(this.#machines.cluster.machine, control.store, entries)
  }

  #bootstrap(clusterId: string, isFirst: boolean): void {
    const command: ClusterCommand = { kind: 'bootstrap', clusterId, node: this.facts }
    const routers = this.#routers as Routers
    if (this.isStopping) return
    routers.cluster.submit(
      { group: CONTROL_GROUP, isWrite: true, command, bytes: BOOTSTRAP_BYTES, lane: null },
      {
        // Refused: it was founded before the crash after all.
        reply: () => {},
        fail: (failure) => {
          if (this.isStopping) return
          if (!isFirst)
            this.#world.clock.setTimer(BOOTSTRAP_PAUSE_MS, () => this.#bootstrap(clusterId, false))
          else {
            const message = `the cluster could not be founded: its first entry was not committed (${failure.kind})`
            this.#fail(
              failure.kind === 'storage' ? failure.error : storageError('groupUnavailable', { message }),
            )
          }
        },
      },
    )
  }

  #makeHost(self: ReplicaId): GroupHost {
    return new GroupHost(
      self,
      {
        ...this.#world,
        log: this.#log,
        transport: this.transport,
        incarnation: this.#identity.incarnation,
      },
      groupOptionsOf(this.#options),
      {
        machineOf: (group) => this.#machines.of(group),
        onChange: (group) => this.#routers?.leaderChanged(group),
        onApplied: (group) => this.#control?.onApplied(group),
        onHealth: () => {},
        onLogHealth: (error) => {
          this.#logFailure = error
        },
      },
    )
  }

  #makeRouters(self: ReplicaId): Routers {
    return new Routers({
      world: this.#world,
      transport: this.transport,
      self,
      incarnation: this.#identity.incarnation,
      machines: this.#machines,
      localGroup: (group) => this.#host?.groups.get(group) ?? null,
      members: () => this.#control?.members ?? [],
      logFailure: () => this.#logFailure,
    })
  }

  #makeControl(host: GroupHost, routers: Routers, self: ReplicaId): ControlService {
    return new ControlService({
      clock: this.#world.clock,
      logger: this.#world.logger,
      transport: this.transport,
      host,
      router: routers.cluster,
      self,
      facts: this.facts,
      onExpelled: (error) => this.#fail(error),
    })
  }

  #makeRedisFacts(): ServerFacts {
    const { host, password, maxConnections, processId, dataDirectory, operatingSystem } = this.#options
    const port = (): number => this.#redis.address.port
    let runId = ''
    while (runId.length < 40) runId += this.#world.random.u32().toString(16).padStart(8, '0')
    return makeRedisFacts({
      clock: this.#world.clock,
      table: REDIS_COMMANDS,
      configuration: createRedisConfiguration({
        host,
        port,
        dataDirectory: dataDirectory ?? '',
        password: password ?? '',
        maxClients: maxConnections,
      }),
      identity: {
        holdfastVersion: HOLDFAST_VERSION,
        nodeId: this.nodeId,
        runId: runId.slice(0, 40),
        processId,
        get redisPort() {
          return port()
        },
        operatingSystem: operatingSystem ?? '',
        startedAtMonotonicMs: this.#startedMs,
      },
      service: () => this.#redis,
      status: () => this.status(),
      isLoading: () => !this.isServing,
      leadsData: () => [...this.#dataGroups()].some((group) => group.isLeader),
      keyCount: () => this.#keyCount(),
      residentMemoryBytes: () => this.#options.residentMemoryBytes?.() ?? null,
      memoryBytes: () =>
        [...(this.#host?.groups.values() ?? [])].reduce((sum, group) => sum + group.store.memoryBytes, 0),
    })
  }

  *#dataGroups(): Iterable<Group<KvCommand, Reply>> {
    for (const [id, group] of this.#host?.groups ?? []) if (id !== CONTROL_GROUP) yield group
  }

  /** Of the data groups of this node; null when one of them has to ask its engine first. */
  #keyCount(): number | null {
    let sum = 0
    for (const { store } of this.#dataGroups()) {
      const count = store.get(KEY_COUNT_KEY)
      if (count === undefined) return null
      sum += count === null ? 0 : readU64(count, 0)
    }
    return sum
  }

  #clientStatus(): NodeStatus['clients'] {
    const { counters } = this.#redisFacts
    return {
      connections: this.#redis.connections,
      commands: counters.commandsProcessed,
      errors: counters.errorReplies,
      refusedConnections: counters.connectionsRejected,
    }
  }

  #pollSpace(): void {
    if (this.isStopping) return
    this.#world.disk.freeSpace().then(
      (space) => {
        this.#space = space
      },
      (error: unknown) =>
        this.#world.logger.warning('free space could not be read', { error: String(error) }),
    )
    this.#spaceTimer = this.#world.clock.setTimer(SPACE_POLL_MS, () => this.#pollSpace())
  }

  #learnAddress(peer: ReplicaId, address: Address): void {
    if (this.#control === null) this.#earlyAddresses.set(peer, address)
    else this.#control.learnAddress(peer, address)
  }

  #advertised(address: Address): Address {
    return { host: this.#options.advertiseHost, port: address.port }
  }

  #transportIdentity(address: Address) {
    const { incarnation } = this.#identity
    return {
      clusterId: this.#clusterId ?? '',
      replicaId: this.#self,
      nodeId: this.nodeId,
      incarnation,
      address,
    }
  }
}
