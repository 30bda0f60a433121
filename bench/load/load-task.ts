/** What a load process is told, and what it answers: plain data that crosses between processes. */
import type { Fence, LoadTest } from '../../src/cli/bench/resp-requests.ts'

export type LoadTask = {
  readonly protocol: 'redis' | 'etcd'
  readonly host: string
  readonly port: number
  /** A test by name, or the words of a command (Redis only). */
  readonly test: LoadTest | readonly string[]
  readonly clients: number
  readonly pipeline: number
  readonly valueBytes: number
  readonly keys: number
  readonly order: 'random' | 'inTurn'
  readonly extent: { readonly requests: number } | { readonly warmUpMs: number; readonly measureMs: number }
  readonly fence?: Fence
  /** The server's processes, whose processor time is read when counting begins and ends. */
  readonly pids: readonly number[]
}

export type LoadFigures = {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly cpuUsPerRequest: number
  readonly residentMib: number
  /** Part of one processor that the load itself used. */
  readonly ownLoad: number
  readonly errors: number
  readonly firstError: string | null
  readonly absent: number
}

export type LoadAnswer =
  | { readonly kind: 'done'; readonly figures: LoadFigures }
  | { readonly kind: 'failed'; readonly message: string }
