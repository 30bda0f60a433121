/**
 * The face of a node: what it is started with, and what whoever started it may do with it.
 *
 * The command (`cli`) builds these from flags, environment and file; the simulator builds them by
 * hand. Everything is already validated: a node asserts, it does not explain options. `startNode` of
 * `server/node.ts` resolves when the node serves, and rejects with a `StorageError` that says why it can not.
 */
import type { NodeId } from '../base/ids.ts'
import type { Clock } from '../env/clock.ts'
import type { Disk } from '../env/disk.ts'
import type { EngineStore } from '../env/engine.ts'
import type { Logger } from '../env/logger.ts'
import type { Address, Network } from '../env/network.ts'
import type { Random } from '../env/random.ts'
import type { MakeRaft } from '../replica/group-host.ts'
import type { GroupOptions } from '../replica/group-options.ts'
import type { NodeStatusSource } from './node-status.ts'

/** Everything a node needs of the world. Two nodes share nothing of it but the network. */
export type World = {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly network: Network
  readonly engines: EngineStore
  readonly logger: Logger
  /** For the simulator: see replica/group-host.ts. */
  readonly makeRaft?: MakeRaft
}

export const ROLES = ['control', 'data', 'gateway'] as const
export type Role = (typeof ROLES)[number]

export type NodeOptions = {
  /** null: the one in the data directory, or a new one at the first start. */
  readonly nodeId: NodeId | null
  /** Every listener binds here. */
  readonly host: string
  /** The host other nodes and clients are told to use; differs from `host` behind NAT or when that is 0.0.0.0. */
  readonly advertiseHost: string
  /** 0: any free port. */
  readonly redisPort: number
  readonly peerPort: number
  /** Where the caller already answers HTTP, so that peers can be told; null: nowhere. */
  readonly httpAddress: Address | null
  /** What INFO and CONFIG GET say of the machine; absent: nothing. */
  readonly operatingSystem?: string
  readonly dataDirectory?: string
  /** Shown in the status, so that an operator finds the process. */
  readonly processId: number
  /** Memory that the process occupies; absent: INFO does not tell. */
  readonly residentMemoryBytes?: () => number
  /** Peer addresses of the cluster to join at the first start; empty: create a cluster, or go on with the one on disk. */
  readonly join: readonly Address[]
  readonly roles: readonly Role[]
  /** What clients must say with AUTH; null: nothing. */
  readonly password: string | null
  readonly heartbeatMs: number
  /** A follower campaigns after this long, or up to twice as long, without its leader. */
  readonly electionTimeoutMs: number
  /** Largest value of a key, and largest argument of a command. */
  readonly maxValueBytes: number
  /** Ceiling of caches and of writes that are not yet in the engine. */
  readonly maxMemoryBytes: number
  /** Client connections beyond this are refused with an error. */
  readonly maxConnections: number
  /** Size of one file of the log; whole sectors of 512 bytes. Absent: the default of base/limits.ts. */
  readonly logSegmentBytes?: number
  /** Instead of what follows from the options above: small limits, to reach them often. */
  readonly groupOptions?: Partial<GroupOptions>
  /** How long `stop` hands over leadership and drains before it closes what is left. */
  readonly drainTimeoutMs: number
}

/** Where a running node listens: real ports, never 0. */
export type NodeEndpoints = {
  readonly redis: Address
  readonly peer: Address
}

export interface RunningNode extends NodeStatusSource {
  readonly nodeId: NodeId
  readonly endpoints: NodeEndpoints
  /**
   * Hands over leadership, answers what is in flight, flushes, closes. Never takes much longer
   * than `drainTimeoutMs`; a second call waits for the first.
   */
  stop(): Promise<void>
  /** Resolves with the reason if the node cannot go on; the caller then ends the process. Otherwise never settles. */
  readonly failed: Promise<Error>
}
