/**
 * The Redis port: one protocol machine per client connection, its data commands routed to the
 * group that owns their slot.
 */
import type { ByteString } from '../../base/bytes.ts'
import { redisErrorLine } from '../../base/error-edges.ts'
import { storageError } from '../../base/errors.ts'
import type { GroupId } from '../../base/ids.ts'
import { type Clock, sleep, type Timer } from '../../env/clock.ts'
import type { Address, Connection, Listener, Network } from '../../env/network.ts'
import type { KvCommand } from '../../kv/command.ts'
import type { CommandInfo } from '../../kv/command-info.ts'
import { commandKeys } from '../../kv/command-keys.ts'
import { error, type Reply } from '../../kv/reply.ts'
import { slotOf } from '../../kv/slot.ts'
import type { CommandTable } from '../../redis/command-table.ts'
import type { DataRequest } from '../../redis/data-request.ts'
import { createRedisConnection, type RedisConnection } from '../../redis/redis-connection.ts'
import { createRedisSession, type RedisSession } from '../../redis/redis-session.ts'
import type { ServerFacts } from '../../redis/server-facts.ts'
import type { GroupRouter } from '../routing/group-router.ts'
import type { OperationRequest } from '../routing/operation.ts'
import { WriteLane } from '../routing/write-lane.ts'
import { CommandOrder, type OrderedCommand } from './command-order.ts'

export type RedisServiceOptions = {
  readonly clock: Clock
  readonly network: Network
  readonly table: CommandTable
  readonly facts: ServerFacts
  /** null: the node does not belong to a cluster yet. */
  readonly router: () => GroupRouter<KvCommand, Reply> | null
  /** Owns all slots; null: several own some. No slot need be computed then, and one request may name many keys. */
  readonly soleGroup: () => GroupId | null
  /** null: nobody owns the slot. */
  readonly groupOfSlot: (slot: number) => GroupId | null
}

type Client = {
  readonly session: RedisSession
  readonly connection: Connection
  readonly protocol: RedisConnection
}

type Parked = {
  readonly command: OrderedCommand
  readonly lane: WriteLane
  readonly untilMs: number
}

const TOO_MANY_CLIENTS = '-ERR max number of clients reached\r\n'
/** What a command takes in the log beside its arguments. */
const COMMAND_OVERHEAD_BYTES = 16
const WATCH_OVERHEAD_BYTES = 10

export class RedisService {
  readonly #options: RedisServiceOptions
  readonly #clients = new Map<number, Client>()
  #listener: Listener | null = null
  #lastId = 0
  #isDraining = false
  #idleTimer: Timer | null = null
  #parked: Parked[] = []

  constructor(options: RedisServiceOptions) {
    this.#options = options
  }

  get connections(): number {
    return this.#clients.size
  }

  get address(): Address {
    return (this.#listener as Listener).address
  }

  async listen(address: Address): Promise<Address> {
    this.#listener = await this.#options.network.listen(address, (connection) => this.#accept(connection))
    this.#watchIdle()
    return this.#listener.address
  }

  sessions(): Iterable<RedisSession> {
    return [...this.#clients.values()].map((client) => client.session)
  }

  closeSession(id: number): void {
    this.#clients.get(id)?.connection.destroy()
  }

  /**
   * No new connections and no new requests; each client is closed when all it asked is answered.
   * Resolves when the last one is gone or the time is up.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true
    this.#idleTimer?.cancel()
    await this.#listener?.close()
    for (const { connection } of this.#clients.values()) connection.pause()
    const { clock } = this.#options
    const endMs = clock.monotonicMs() + timeoutMs
    while (this.#clients.size > 0 && clock.monotonicMs() < endMs) {
      for (const { connection, protocol } of this.#clients.values()) {
        if (protocol.isAtRest) connection.end()
      }
      await sleep(clock, DRAIN_POLL_MS)
    }
  }

  /** Closes at once, whatever is owed. */
  async close(): Promise<void> {
    this.#isDraining = true
    this.#idleTimer?.cancel()
    await this.#listener?.close()
    for (const { connection } of this.#clients.values()) connection.destroy()
  }

  /** `CONFIG SET timeout`: whoever asked nothing for so long, and is owed nothing, is disconnected. */
  #watchIdle(): void {
    const { clock, facts } = this.#options
    this.#idleTimer = clock.setTimer(IDLE_POLL_MS, () => {
      const limitMs = facts.configuration.idleTimeoutSeconds * 1_000
      const sinceMs = clock.monotonicMs() - limitMs
      for (const { session, connection, protocol } of limitMs === 0 ? [] : this.#clients.values()) {
        if (session.lastActiveAtMs < sinceMs && protocol.isAtRest) connection.destroy()
      }
      this.#watchIdle()
    })
  }

  #accept(connection: Connection): void {
    const { facts, clock } = this.#options
    if (this.#isDraining) {
      connection.handle({ onData: () => {}, onClose: () => {} })
      connection.destroy()
      return
    }
    if (this.#clients.size >= facts.configuration.maxClients) {
      facts.counters.connectionsRejected += 1
      connection.handle({ onData: () => {}, onClose: () => {} })
      connection.write(TOO_MANY_CLIENTS)
      connection.end()
      return
    }
    facts.counters.connectionsReceived += 1
    this.#lastId += 1
    const session = createRedisSession({
      id: this.#lastId,
      remoteAddress: `${connection.remote.host}:${connection.remote.port}`,
      localAddress: `${this.address.host}:${this.address.port}`,
      nowMs: clock.monotonicMs(),
      isAuthenticated: facts.configuration.password === '',
    })
    const protocol = this.#makeProtocol(connection, session)
    this.#clients.set(session.id, { session, connection, protocol })
    let patience: Timer | null = null
    connection.handle({
      onData: (chunk) => protocol.receive(chunk),
      onDrain: () => protocol.drained(),
      onEnd: () => {
        patience = clock.setTimer(LAST_REPLIES_MS_MAX, () => connection.destroy())
        protocol.inputEnded()
      },
      onClose: () => {
        patience?.cancel()
        this.#clients.delete(session.id)
        protocol.closed()
      },
    })
  }

  #makeProtocol(connection: Connection, session: RedisSession): RedisConnection {
    const { facts, table, clock } = this.#options
    const lane = new WriteLane()
    const order = new CommandOrder((command) => this.#submit(command, lane))
    return createRedisConnection({
      session,
      server: facts,
      table,
      execute: (command, respond) => order.add(command, isWriteRequest(command), respond),
      write: (bytes: ByteString) => connection.write(bytes),
      bufferedBytes: () => connection.bufferedBytes,
      endOfTurn: (run) => clock.endOfTurn(run),
      laterTurn: (run) => clock.setTimer(0, run),
      pauseChanged: (isPaused) => (isPaused || this.#isDraining ? connection.pause() : connection.resume()),
      end: () => connection.end(),
      destroy: () => connection.destroy(),
    })
  }

  /** `lane`: of this connection's writes. */
  #submit(command: OrderedCommand, lane: WriteLane): void {
    const router = this.#options.router()
    // Behind those that wait, too: nothing may overtake.
    if (router === null || this.#options.facts.isLoading() || this.#parked.length > 0) {
      this.#park({ command, lane, untilMs: this.#options.clock.monotonicMs() + LOADING_PATIENCE_MS })
      return
    }
    const group = this.#groupOf(command.request)
    if (group === null) command.reply(error(redisErrorLine(storageError('slotNotServed', {}))))
    else if (group === 'crossSlot') command.reply(CROSS_SLOT)
    else router.submit(operationOf(command, group, lane), command)
  }

  /** Until the node serves, commands wait: a client that reconnects to a node that just started sees a pause. */
  #park(parked: Parked): void {
    if (this.#parked.length >= PARKED_MAX) {
      parked.command.reply(LOADING)
      return
    }
    this.#parked.push(parked)
    if (this.#parked.length === 1) this.#watchParked()
  }

  #watchParked(): void {
    const { clock, facts, router } = this.#options
    clock.setTimer(PARKED_POLL_MS, () => {
      const isServing = router() !== null && !facts.isLoading()
      const nowMs = clock.monotonicMs()
      const parked = this.#parked
      this.#parked = []
      for (const entry of parked) {
        if (isServing) this.#submit(entry.command, entry.lane)
        else if (this.#isDraining || entry.untilMs <= nowMs) entry.command.reply(LOADING)
        else this.#parked.push(entry)
      }
      if (this.#parked.length > 0) this.#watchParked()
    })
  }

  /** One group for all keys of a request; commands without keys go to the first. */
  #groupOf(request: DataRequest): GroupId | null | 'crossSlot' {
    const { groupOfSlot, soleGroup } = this.#options
    const sole = soleGroup()
    if (sole !== null) return sole
    if (request.kind === 'command') {
      const { info, args } = request
      if (info.keys === null) return groupOfSlot(0)
      if (info.keys.first === info.keys.last) return groupOfSlot(slotOf(args[info.keys.first] as ByteString))
    }
    let owner: GroupId | null = null
    for (const slot of slotsOf(request)) {
      const group = groupOfSlot(slot)
      if (group === null) return null
      if (owner !== null && owner !== group) return 'crossSlot'
      owner = group
    }
    return owner ?? groupOfSlot(0)
  }
}

function* slotsOf(request: DataRequest): Iterable<number> {
  if (request.kind === 'transaction') {
    for (const { key } of request.watches) yield slotOf(key)
    for (const command of request.commands) {
      if (command.info.keys === null) yield 0
      yield* slotsOf(command)
    }
    return
  }
  for (const key of commandKeys(request.info, request.args)) yield slotOf(key)
}

function operationOf(
  { request, isWrite }: OrderedCommand,
  group: GroupId,
  writes: WriteLane,
): OperationRequest<KvCommand> {
  const lane = isWrite ? writes : null
  if (request.kind === 'command') {
    const command: KvCommand = { kind: 'client', args: request.args, session: null }
    return { group, isWrite, command, bytes: bytesOf(request.args), lane }
  }
  const { watches } = request
  const commands = request.commands.map(({ args }) => args)
  let bytes = bytesOf(watches.map(({ key }) => key)) + watches.length * WATCH_OVERHEAD_BYTES
  for (const args of commands) bytes += bytesOf(args)
  return { group, isWrite, command: { kind: 'transaction', watches, commands, session: null }, bytes, lane }
}

function bytesOf(args: readonly ByteString[]): number {
  let bytes = COMMAND_OVERHEAD_BYTES
  for (const argument of args) bytes += argument.length
  return bytes
}

const DRAIN_POLL_MS = 2
const IDLE_POLL_MS = 1_000
/** How long a client that sends nothing more is kept for the replies it is owed. */
const LAST_REPLIES_MS_MAX = 30_000
/** Commands that wait until the node serves, and for how long. */
const PARKED_MAX = 10_000
const PARKED_POLL_MS = 5
const LOADING_PATIENCE_MS = 10_000
const LOADING = error('LOADING Holdfast is waiting for its cluster')
const CROSS_SLOT = error("CROSSSLOT Keys in request don't hash to the same slot")

const writeCommands = new WeakMap<CommandInfo, boolean>()

function isWriteRequest(request: DataRequest): boolean {
  // Also when it only reads: its commands see one moment of the log.
  if (request.kind === 'transaction') return true
  const { info } = request
  const known = writeCommands.get(info)
  if (known !== undefined) return known
  const isWrite = info.flags.includes('write')
  writeCommands.set(info, isWrite)
  return isWrite
}
