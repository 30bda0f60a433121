/**
 * What the connection-level commands may know about the server around them, and the few things
 * they may ask of it. `server` implements it; tests fake it. All calls are synchronous and cheap.
 */
import type { ClientPause, PauseMode } from './client-pause.ts'
import type { CommandCatalog } from './command-catalog.ts'
import type { CommandStatistics } from './command-statistics.ts'
import type { RedisConfiguration } from './redis-configuration.ts'
import type { RedisSession } from './redis-session.ts'

/**
 * The Redis release whose replies and errors ours are compared with. Clients and frameworks
 * decide by it what they may send.
 */
export const REDIS_VERSION = '7.0.15'

export interface ServerFacts {
  readonly commands: CommandCatalog
  readonly configuration: RedisConfiguration
  readonly identity: ServerIdentity
  /** Counted by the connections themselves. */
  readonly counters: RedisCounters
  readonly statistics: CommandStatistics
  readonly clientPause: ClientPause
  wallMs(): number
  monotonicMs(): number
  role(): 'master' | 'replica'
  /** True until the node has recovered its state; clients wait for INFO's `loading:0`. */
  isLoading(): boolean
  /** Null when it isn't known at once; `expires`, the keys that have an expiry, is left out where nobody counts them. */
  keyspace(): { readonly keys: number; readonly expires?: number } | null
  usedMemoryBytes(): number
  /** Of the whole process, as the operating system counts it; null where nobody knows. */
  residentMemoryBytes(): number | null
  /** The most it was whenever somebody asked. */
  peakMemoryBytes(): number
  connectedReplicas(): number
  /** Besides one: those that have every write that was answered, whatever happens. */
  certainReplicas(): number
  /** Commands of all connections wait for so long. */
  pauseClients(durationMs: number, mode: PauseMode): void
  unpauseClients(): void
  /** Every open connection, in order of id. */
  sessions(): Iterable<RedisSession>
  /** Closes that connection without waiting for its replies. It may be the caller's own. */
  closeSession(id: number): void
  /** The lines of INFO's `# Holdfast` section: groups, leaders, storage health, in this order. */
  holdfastFacts(): readonly (readonly [name: string, value: string | number])[]
}

export type ServerIdentity = {
  readonly holdfastVersion: string
  readonly nodeId: string
  /** 40 hexadecimal digits, new at every start. */
  readonly runId: string
  readonly processId: number
  readonly redisPort: number
  readonly operatingSystem: string
  readonly startedAtMonotonicMs: number
}

export type RedisCounters = {
  connectionsReceived: number
  connectionsRejected: number
  commandsProcessed: number
  errorReplies: number
  inputBytes: number
  outputBytes: number
}

export function createRedisCounters(): RedisCounters {
  return {
    connectionsReceived: 0,
    connectionsRejected: 0,
    commandsProcessed: 0,
    errorReplies: 0,
    inputBytes: 0,
    outputBytes: 0,
  }
}
