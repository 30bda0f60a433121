/** What every replica of a node shares: limits and timings of its groups. */
import type { ProposerLimits } from './proposer.ts'
import type { StateStoreLimits } from './state/state-store.ts'

export type GroupOptions = {
  /** One tick of every group: the unit of heartbeats and election timeouts. */
  readonly tickMs: number
  readonly electionTicks: number
  readonly heartbeatTicks: number
  readonly maxMessageBytes: number
  readonly maxInflightMessages: number
  readonly maxInflightBytes: number
  readonly maxUncommittedBytes: number
  readonly maxApplyBytes: number
  readonly maxCampaignLagBytes: number
  /** Committed and not applied entries with which a replica still tells its gateway what became of its writes. */
  readonly maxFollowLagEntries: number
  readonly proposer: ProposerLimits
  readonly store: StateStoreLimits
  /** Reads waiting or running at once; more are refused. */
  readonly readsMax: number
  /** The log is cut when it holds more than this in memory, down to `logKeepBytes`. */
  readonly logBytesMax: number
  /** Kept for followers that are a little behind, so that they need no snapshot. */
  readonly logKeepBytes: number
  /** Between two comparisons of the replicas' state, if anything was applied in between. */
  readonly checkIntervalMs: number
}

const MIB = 1024 * 1024

export const DEFAULT_GROUP_OPTIONS: GroupOptions = {
  tickMs: 10,
  electionTicks: 15,
  heartbeatTicks: 3,
  maxMessageBytes: 1 * MIB,
  maxInflightMessages: 256,
  maxInflightBytes: 32 * MIB,
  maxUncommittedBytes: 256 * MIB,
  maxApplyBytes: 8 * MIB,
  maxCampaignLagBytes: 1 * MIB,
  maxFollowLagEntries: 256,
  proposer: {
    entryCommandsMax: 4_096,
    entryBytesMax: 1 * MIB,
    pendingCommandsMax: 200_000,
    pendingBytesMax: 256 * MIB,
  },
  // Of the records of a batch up to 257 are the state hash: the longer the batch, the smaller their share.
  store: { flushRecords: 2_000, flushBytes: 4 * MIB, overlayBytesMax: 64 * MIB, cacheBytes: 64 * MIB },
  readsMax: 200_000,
  logBytesMax: 16 * MIB,
  logKeepBytes: 4 * MIB,
  checkIntervalMs: 2_000,
}
