/** Everything a seed decides before the first event: cluster, limits, workload, faults. */
import { DEFAULT_GROUP_OPTIONS, type GroupOptions } from '../src/replica/group-options.ts'
import { CLOCK_SKEW_MS } from './cluster/sim-node.ts'
import { drawFaultPlan, type FaultPlan } from './faults/fault-plan.ts'
import type { SimRandom } from './random.ts'
import type { KeyWorkload } from './workloads/key-client.ts'

export type SeedPlan = {
  readonly nodes: number
  /** Machines that start only some time after the others. */
  readonly lateNodes: number
  readonly lateByMs: number
  readonly durationMs: number
  readonly workload: KeyWorkload
  readonly faults: FaultPlan
  readonly groupOptions: Partial<GroupOptions>
  readonly logSegmentBytes: number
  readonly diskLatencyMsMax: number
  readonly engineLatencyMsMax: number
}

const KIB = 1024

export function drawSeedPlan(random: SimRandom): SeedPlan {
  const nodes = random.pick([1, 3, 3, 3, 3, 3, 4, 5])
  const faults = drawFaultPlan(random.fork('faults'), nodes)
  const isSmall = random.chance(0.6)
  return {
    nodes,
    lateNodes: nodes > 1 && random.chance(0.3) ? random.between(1, nodes - 1) : 0,
    lateByMs: random.between(100, 5_000),
    durationMs: random.between(5_000, 20_000),
    workload: drawWorkload(random.fork('workload'), faults),
    faults,
    groupOptions: isSmall ? smallGroupOptions(random.fork('limits')) : {},
    logSegmentBytes: random.pick([16, 64, 256]) * KIB,
    diskLatencyMsMax: random.pick([0.2, 1, 5]),
    engineLatencyMsMax: random.pick([0.1, 1, 10]),
  }
}

function drawWorkload(random: SimRandom, faults: FaultPlan): KeyWorkload {
  const clients = random.between(2, 6)
  return {
    clients,
    keyGroups: random.between(1, 4),
    pauseMsMax: random.pick([10, 30, 100]) * clients,
    readShare: random.pick([0.2, 0.5, 0.8]),
    largeValueShare: random.chance(0.5) ? 0.05 : 0,
    largeValueBytes: random.pick([2, 20, 200]) * KIB,
    expiryShare: random.chance(0.5) ? 0.4 : 0,
    // Two machines may be off in opposite directions, and either may jump any number of times.
    expiryToleranceMs: faults.clockJumpMsMax > 0 ? Number.POSITIVE_INFINITY : 2 * CLOCK_SKEW_MS + 10,
    requestTimeoutMs: random.pick([300, 2_000, 12_000]),
  }
}

/** So small that snapshots, cuts of the log, flushes and fetches happen all the time. */
function smallGroupOptions(random: SimRandom): Partial<GroupOptions> {
  const flushBytes = random.pick([1, 16]) * KIB
  return {
    maxMessageBytes: random.pick([1, 64]) * KIB,
    maxInflightMessages: random.pick([1, 4, 256]),
    maxApplyBytes: random.pick([1, 64]) * KIB,
    proposer: {
      ...DEFAULT_GROUP_OPTIONS.proposer,
      entryCommandsMax: random.pick([1, 3, 4_096]),
      entryBytesMax: random.pick([1, 64]) * KIB,
    },
    store: {
      flushRecords: random.pick([1, 10, 200]),
      flushBytes,
      overlayBytesMax: flushBytes * random.pick([2, 8]),
      cacheBytes: random.pick([0, 4, 1_000]) * KIB,
    },
    logBytesMax: random.pick([1, 20, 500]) * KIB,
    logKeepBytes: random.pick([0, 1, 20]) * KIB,
    checkIntervalMs: random.pick([200, 2_000]),
  }
}
