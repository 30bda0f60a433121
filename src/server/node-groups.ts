/** The group options that follow from a node's options. */
import { DEFAULT_GROUP_OPTIONS, type GroupOptions } from '../replica/group-options.ts'
import type { NodeOptions } from './node-options.ts'

/** Shares of the memory limit: the cache of values, and writes on their way to the engine. */
const CACHE_SHARE = 0.4
const OVERLAY_SHARE = 0.1
/** The log's end, which is in memory until it is cut; three times as much while the engine is slow to persist. */
const LOG_SHARE = 0.03
const LOG_BYTES_MIN = 8 * 1024 * 1024
const MIB = 1024 * 1024
/**
 * A heartbeat comes with every second tick. Election timeouts are drawn in ticks: of twice as long ones too few
 * would be left to choose from, and shorter ones cost an idle node processor time for nothing.
 */
const TICKS_PER_HEARTBEAT = 2
const TICK_MS_MIN = 10

export function groupOptionsOf(options: NodeOptions): GroupOptions {
  const { store, logBytesMax } = DEFAULT_GROUP_OPTIONS
  const logBytes = Math.min(
    logBytesMax,
    Math.max(LOG_BYTES_MIN, Math.floor(options.maxMemoryBytes * LOG_SHARE)),
  )
  const { heartbeatMs, electionTimeoutMs } = options
  const tickMs = Math.max(TICK_MS_MIN, Math.round(heartbeatMs / TICKS_PER_HEARTBEAT))
  return {
    ...DEFAULT_GROUP_OPTIONS,
    tickMs,
    electionTicks: Math.max(2, Math.round(electionTimeoutMs / tickMs)),
    heartbeatTicks: Math.max(1, Math.round(heartbeatMs / tickMs)),
    logBytesMax: logBytes,
    logKeepBytes: Math.floor(logBytes / 4),
    store: {
      ...store,
      cacheBytes: Math.max(4 * MIB, Math.floor(options.maxMemoryBytes * CACHE_SHARE)),
      overlayBytesMax: Math.max(8 * MIB, Math.floor(options.maxMemoryBytes * OVERLAY_SHARE)),
    },
    ...options.groupOptions,
  }
}
