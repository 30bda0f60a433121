/**
 * The network of the simulated world: machines by name, TCP between them, and everything that goes
 * wrong with it. Deterministic: latency, cuts and faults come from `random`, order from the scheduler.
 *
 * What TCP promises holds here too: the bytes of a living connection arrive in order, once, unless a
 * link is told to corrupt them. What it does not promise fails: connections are refused, reset, stall,
 * hang half-open, and a dead machine says nothing at all.
 */
import assert from 'node:assert/strict'
import {
  type Address,
  type Connection,
  type ConnectOptions,
  type Listener,
  type Network,
  NetworkFault,
} from '../../src/env/network.ts'
import type { Random } from '../../src/env/random.ts'
import type { Gate } from '../world/clock.ts'
import { eventTag, type Scheduler } from '../world/scheduler.ts'
import { SimConnection } from './network-connection.ts'
import { DEFAULT_CONDITIONS, Link, type LinkConditions } from './network-link.ts'

const SYN = eventTag('network.syn')
const SYN_ANSWER = eventTag('network.synAnswer')
const CONNECT_TIMEOUT = eventTag('network.connectTimeout')

/** An unanswered connection request is sent again after this, then after twice as long, and so on. */
const SYN_RETRY_MS = 1_000
const FIRST_EPHEMERAL_PORT = 32_768
const LAST_PORT = 65_535
const OWN_NAMES: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost'])
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** What peers see of a process that was killed. A kernel closes its sockets; a dead machine says nothing. */
export type DeathNotice = 'close' | 'reset' | 'nothing'

export interface SimNetwork {
  /** The network as the process behind `gate` on the machine `host` sees it. Brings the machine up. */
  attach(host: string, gate: Gate): Network
  /**
   * Ends every socket of the machine's process. With 'nothing' the machine itself is gone until the
   * next `attach`: connections hang, new ones time out. Kill the process's clock first.
   */
  kill(host: string, notice: DeathNotice): void
  /** For the link from one machine to the other, this direction only. */
  setLink(from: string, to: string, conditions: Partial<LinkConditions>): void
  /** Nothing arrives from `from` at `to` until `unblock`: living connections stall, new ones time out. */
  block(from: string, to: string): void
  unblock(from: string, to: string): void
  /** Blocks both directions between machines of different groups; machines named in none stay connected. */
  partition(groups: readonly (readonly string[])[]): void
  /** Gives the link its first conditions. */
  restoreLink(from: string, to: string): void
  /** Unblocks every link and gives each its first conditions. */
  heal(): void
  /** The same for the links for which this is true. */
  healBetween(isHealed: (from: string, to: string) => boolean): void
  /** Both ends of every connection between the two see a reset. */
  reset(left: string, right: string): void
  /** The ends on `forgetful` are reset; the ends on `other` learn nothing until they send. */
  halfOpen(forgetful: string, other: string): void
  /** Living connections that have an end on this machine. */
  connectionCount(host: string): number
}

export type SimNetworkOptions = {
  readonly scheduler: Scheduler
  readonly random: Random
  /** Of every link that `setLink` does not change. */
  readonly conditions?: Partial<LinkConditions>
}

export function createSimNetwork(options: SimNetworkOptions): SimNetwork {
  return new Fabric(options)
}

type Machine = {
  readonly host: string
  /** Null while the machine is down or its process is dead. */
  process: { readonly gate: Gate; readonly listeners: Map<number, SimListener> } | null
  isUp: boolean
  readonly connections: Map<SimConnection, { readonly peerHost: string }>
  nextPort: number
}

type SimListener = {
  readonly address: Address
  readonly onConnection: (connection: Connection) => void
}

class Fabric implements SimNetwork {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #conditions: LinkConditions
  readonly #machines = new Map<string, Machine>()
  readonly #links = new Map<string, Link>()

  constructor(options: SimNetworkOptions) {
    this.#scheduler = options.scheduler
    this.#random = options.random
    this.#conditions = { ...DEFAULT_CONDITIONS, ...options.conditions }
  }

  attach(host: string, gate: Gate): Network {
    assert(!OWN_NAMES.has(host) && !WILDCARDS.has(host), `${host} is no name for a simulated machine`)
    const machine = this.#machine(host)
    assert(machine.process === null, `${host} has a living process: kill it first`)
    const process = { gate, listeners: new Map<number, SimListener>() }
    machine.process = process
    machine.isUp = true
    const isAlive = (): boolean => machine.process === process && gate.state !== 'killed'
    return {
      listen: (address, onConnection) => this.#listen(machine, address, onConnection, isAlive),
      connect: (address, options) => this.#connect(machine, gate, address, options, isAlive),
    }
  }

  kill(host: string, notice: DeathNotice): void {
    const machine = this.#machine(host)
    machine.process = null
    machine.isUp = notice !== 'nothing'
    const lastWord = notice === 'close' ? 'fin' : notice === 'reset' ? 'reset' : null
    for (const connection of [...machine.connections.keys()]) connection.vanish(lastWord)
    machine.connections.clear()
  }

  setLink(from: string, to: string, conditions: Partial<LinkConditions>): void {
    const link = this.#link(from, to)
    link.conditions = { ...link.conditions, ...conditions }
  }

  block(from: string, to: string): void {
    this.#link(from, to).block()
  }

  unblock(from: string, to: string): void {
    this.#link(from, to).unblock()
  }

  partition(groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (group === other) continue
        for (const from of group) for (const to of other) this.block(from, to)
      }
    }
  }

  restoreLink(from: string, to: string): void {
    this.#link(from, to).conditions = this.#conditions
  }

  heal(): void {
    this.healBetween(() => true)
  }

  healBetween(isHealed: (from: string, to: string) => boolean): void {
    for (const link of this.#links.values()) {
      if (!isHealed(link.from, link.to)) continue
      link.conditions = this.#conditions
      if (link.isBlocked) link.unblock()
    }
  }

  reset(left: string, right: string): void {
    for (const connection of this.#connectionsBetween(left, right)) connection.fail('ECONNRESET')
    for (const connection of this.#connectionsBetween(right, left)) connection.fail('ECONNRESET')
  }

  halfOpen(forgetful: string, other: string): void {
    for (const connection of this.#connectionsBetween(forgetful, other)) connection.fail('ECONNRESET')
  }

  connectionCount(host: string): number {
    return this.#machine(host).connections.size
  }

  #machine(host: string): Machine {
    let machine = this.#machines.get(host)
    if (machine === undefined) {
      machine = { host, process: null, isUp: false, connections: new Map(), nextPort: FIRST_EPHEMERAL_PORT }
      this.#machines.set(host, machine)
    }
    return machine
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`
    let link = this.#links.get(name)
    if (link === undefined) {
      link = new Link(from, to, this.#conditions)
      this.#links.set(name, link)
    }
    return link
  }

  #connectionsBetween(host: string, peerHost: string): SimConnection[] {
    const found: SimConnection[] = []
    for (const [connection, about] of this.#machine(host).connections) {
      if (about.peerHost === peerHost) found.push(connection)
    }
    return found
  }

  async #listen(
    machine: Machine,
    address: Address,
    onConnection: (connection: Connection) => void,
    isAlive: () => boolean,
  ): Promise<Listener> {
    if (!isAlive()) return new Promise(() => undefined)
    const { process } = machine
    assert(process !== null)
    const { listeners } = process
    const isOwn = address.host === machine.host || OWN_NAMES.has(address.host) || WILDCARDS.has(address.host)
    const what = `listen on ${address.host}:${address.port}`
    if (!isOwn) throw new NetworkFault(what, 'EADDRNOTAVAIL')
    if (listeners.has(address.port)) throw new NetworkFault(what, 'EADDRINUSE')
    const port = address.port === 0 ? this.#freePort(machine, listeners) : address.port
    const listener = { address: { host: address.host, port }, onConnection }
    listeners.set(port, listener)
    return {
      address: listener.address,
      close: async () => {
        if (listeners.get(port) === listener) listeners.delete(port)
      },
    }
  }

  #freePort(machine: Machine, listeners: ReadonlyMap<number, SimListener>): number {
    for (let tries = FIRST_EPHEMERAL_PORT; tries <= LAST_PORT; tries++) {
      const port = this.#takePort(machine)
      if (!listeners.has(port)) return port
    }
    throw new NetworkFault('listen on any port', 'EADDRINUSE')
  }

  #takePort(machine: Machine): number {
    const port = machine.nextPort
    machine.nextPort = port === LAST_PORT ? FIRST_EPHEMERAL_PORT : port + 1
    return port
  }

  #connect(
    machine: Machine,
    gate: Gate,
    address: Address,
    options: ConnectOptions,
    isAlive: () => boolean,
  ): Connection {
    assert(options.timeoutMs > 0)
    const peerHost = OWN_NAMES.has(address.host) ? machine.host : address.host
    const localPort = this.#takePort(machine)
    const connection = this.#open(machine, gate, peerHost, address, (client) =>
      this.#accept(client, machine, peerHost, address.port, localPort),
    )
    if (!isAlive()) {
      machine.connections.delete(connection)
      return connection
    }
    connection.expectHandler()
    this.#scheduler.after(options.timeoutMs, CONNECT_TIMEOUT, () => {
      if (connection.isConnecting) gate.deliver(() => connection.isConnecting && connection.fail('ETIMEDOUT'))
    })
    this.#sendSyn(connection, gate, machine.host, peerHost, address.port, SYN_RETRY_MS)
    return connection
  }

  #open(
    machine: Machine,
    gate: Gate,
    peerHost: string,
    remote: Address,
    onOpenArrived: (connection: SimConnection) => boolean,
  ): SimConnection {
    const connection = new SimConnection(remote, {
      scheduler: this.#scheduler,
      random: this.#random,
      gate,
      out: this.#link(machine.host, peerHost),
      back: this.#link(peerHost, machine.host),
      isPeerMachineUp: () => this.#machine(peerHost).isUp,
      onOpenArrived,
      onGone: (gone) => machine.connections.delete(gone),
    })
    machine.connections.set(connection, { peerHost })
    return connection
  }

  #sendSyn(
    connection: SimConnection,
    gate: Gate,
    from: string,
    to: string,
    port: number,
    retryMs: number,
  ): void {
    const out = this.#link(from, to)
    const back = this.#link(to, from)
    let isAnswered = false
    const answer = (act: () => void): void => {
      this.#scheduler.after(back.latencyMs(this.#random, 0), SYN_ANSWER, () => {
        if (back.isBlocked || !connection.isConnecting) return
        isAnswered = true
        act()
      })
    }
    this.#scheduler.after(out.latencyMs(this.#random, 0), SYN, () => {
      if (out.isBlocked || !connection.isConnecting) return
      const machine = this.#machines.get(to)
      if (machine === undefined) return answer(() => gate.deliver(() => connection.fail('ENOTFOUND')))
      if (!machine.isUp) return
      const isRefused = out.conditions.refusesConnections || machine.process?.listeners.has(port) !== true
      if (isRefused) answer(() => gate.deliver(() => connection.fail('ECONNREFUSED')))
      else answer(() => connection.open())
    })
    this.#scheduler.after(retryMs, SYN, () => {
      if (isAnswered || !connection.isConnecting) return
      this.#sendSyn(connection, gate, from, to, port, retryMs * 2)
    })
  }

  /** The first packet of `client` arrived; false when nobody listens any more. */
  #accept(client: SimConnection, from: Machine, host: string, port: number, clientPort: number): boolean {
    const machine = this.#machine(host)
    const { process } = machine
    const listener = process?.listeners.get(port)
    if (process === null || listener === undefined || process.gate.state === 'killed') return false
    const remote = { host: from.host, port: clientPort }
    const connection = this.#open(machine, process.gate, from.host, remote, () =>
      assert.fail('only clients open'),
    )
    connection.accept(client)
    process.gate.deliver(() => {
      connection.expectHandler()
      listener.onConnection(connection)
    })
    return true
  }
}
