/** The group options that follow from a node's options. */

import { TICK_MS } from '../replica/group-host.ts'
import { DEFAULT_GROUP_OPTIONS, type GroupOptions } from '../replica/group-options.ts'
import type { NodeOptions } from './node-options.ts'

/** Shares of the memory limit: the cache of values, and writes on their way to the engine. */
const CACHE_SHARE = 0.4
const OVERLAY_SHARE = 0.1
const MIB = 1024 * 1024

export function groupOptionsOf(options: NodeOptions): GroupOptions {
  const { store } = DEFAULT_GROUP_OPTIONS
  return {
    ...DEFAULT_GROUP_OPTIONS,
    electionTicks: Math.max(2, Math.round(options.electionTimeoutMs / TICK_MS)),
    heartbeatTicks: Math.max(1, Math.round(options.heartbeatMs / TICK_MS)),
    store: {
      ...store,
      cacheBytes: Math.max(4 * MIB, Math.floor(options.maxMemoryBytes * CACHE_SHARE)),
      overlayBytesMax: Math.max(8 * MIB, Math.floor(options.maxMemoryBytes * OVERLAY_SHARE)),
    },
    ...options.groupOptions,
  }
}
