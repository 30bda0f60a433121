/** Everything a seed decides before the first event: cluster, limits, timeouts, workload, faults. */
import { DEFAULT_GROUP_OPTIONS, type GroupOptions } from '../../src/replica/group-options.ts'
import type { MachineClock } from '../cluster/sim-node.ts'
import { drawFaultPlan, type FaultPlan } from '../faults/fault-plan.ts'
import type { KeyWorkload } from '../workloads/key-client.ts'
import type { SerialWorkload } from '../workloads/serial-client.ts'
import type { SimRandom } from '../world/random.ts'

export type SeedPlan = {
  readonly nodes: number
  /** Machines that start only some time after the others. */
  readonly lateNodes: number
  readonly lateByMs: number
  readonly durationMs: number
  readonly heartbeatMs: number
  readonly electionTimeoutMs: number
  readonly clock: MachineClock
  readonly workload: KeyWorkload
  /** Clients that append serial numbers: workloads/serial-client.ts. */
  readonly serialClients: number
  readonly serials: SerialWorkload
  readonly faults: FaultPlan
  readonly groupOptions: Partial<GroupOptions>
  readonly logSegmentBytes: number
  readonly diskLatencyMsMax: number
  /** What a sync takes beside that, by node; 0 for those that are not named. */
  readonly syncLatencyMs: readonly number[]
  readonly engineLatencyMsMax: number
}

/** A smaller run of the same seed: what is left happens as it did. */
export type PlanLimits = {
  readonly strikes?: number
  readonly clients?: number
  readonly durationMs?: number
}

const KIB = 1024
/** With more of them to one group of keys the search for an explanation takes minutes. */
const UNKNOWN_WRITES_MAX = 40
/** A start syncs some thirty times, and is waited for. */
const SLOW_SYNC_MS_MAX = 200
/** A seed with its healing takes no longer: what clocks drift apart by until then. */
const RUN_SECONDS_MAX = 150

export function drawSeedPlan(random: SimRandom, limits: PlanLimits = {}): SeedPlan {
  const nodes = random.pick([1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 6, 7])
  const faults = drawFaultPlan(random.fork('faults'))
  const isSmall = random.chance(0.6)
  // Nobody is left behind by a log that is never cut, and seldom by two snapshots where syncs are quick.
  const mustCut = faults.weights.has('leftBehind')
  const clock = drawClock(random.fork('clock'))
  const workload = drawWorkload(random.fork('workload'), faults, clock)
  const timeouts = drawTimeouts(random.fork('timeouts'))
  const plan = {
    nodes,
    lateNodes: nodes > 1 && random.chance(0.3) ? random.between(1, nodes - 1) : 0,
    lateByMs: random.between(100, 20_000),
    durationMs: random.between(60_000, 90_000),
    ...timeouts,
    clock,
    workload,
    serialClients: random.between(1, 2),
    serials: drawSerials(random.fork('serials'), workload, faults),
    faults,
    groupOptions: isSmall || mustCut ? smallGroupOptions(random.fork('limits'), mustCut) : {},
    logSegmentBytes: random.pick([16, 64, 256]) * KIB,
    diskLatencyMsMax: random.pick([0.2, 1, 5]),
    syncLatencyMs: random.chance(mustCut ? 0.5 : 0.15)
      ? drawSyncLatencies(random.fork('syncs'), nodes, timeouts.electionTimeoutMs)
      : [],
    engineLatencyMsMax: random.pick([0.1, 1, 10]),
  }
  return {
    ...plan,
    durationMs: Math.min(plan.durationMs, limits.durationMs ?? plan.durationMs),
    workload: {
      ...plan.workload,
      clients: Math.min(plan.workload.clients, limits.clients ?? plan.workload.clients),
    },
    faults: { ...faults, strikesMax: limits.strikes ?? faults.strikesMax },
  }
}

function drawTimeouts(random: SimRandom): Pick<SeedPlan, 'heartbeatMs' | 'electionTimeoutMs'> {
  // The default of 30 most often, and the extremes that an operator may choose.
  const heartbeatMs = random.pick([10, 30, 30, 30, 30, 100, 100, 100])
  return { heartbeatMs, electionTimeoutMs: heartbeatMs * random.pick([3, 5, 10]) }
}

/** All through the run: elections must be won also where a vote takes longer to write than they may take. */
function drawSyncLatencies(random: SimRandom, nodes: number, electionTimeoutMs: number): readonly number[] {
  const slowestMs = Math.min(random.pick([1, 2, 4]) * electionTimeoutMs, SLOW_SYNC_MS_MAX)
  const areAlike = random.chance(0.5)
  return Array.from({ length: nodes }, () =>
    areAlike ? slowestMs : random.pick([0, slowestMs / 2, slowestMs]),
  )
}

function drawClock(random: SimRandom): MachineClock {
  return { skewMsMax: random.pick([0, 100, 400]), driftPerMillionMax: random.pick([0, 50, 1_000]) }
}

function drawWorkload(random: SimRandom, faults: FaultPlan, clock: MachineClock): KeyWorkload {
  const clients = random.between(2, 6)
  const apartMs = 2 * (clock.skewMsMax + (clock.driftPerMillionMax * RUN_SECONDS_MAX) / 1_000)
  return {
    clients,
    keyGroups: random.between(1, 4),
    pauseMsMax: random.pick([80, 200, 500]) * clients,
    readShare: random.pick([0.2, 0.5, 0.8]),
    largeValueShare: random.chance(0.5) ? 0.05 : 0,
    largeValueBytes: random.pick([2, 20, 200]) * KIB,
    expiryShare: random.chance(0.5) ? 0.4 : 0,
    // Two machines may be off in opposite directions, and either may jump any number of times.
    expiryToleranceMs: faults.clockJumpMsMax > 0 ? Number.POSITIVE_INFINITY : apartMs + 10,
    requestTimeoutMs: random.pick([300, 2_000, 12_000]),
    unknownWritesMax: UNKNOWN_WRITES_MAX,
  }
}

function drawSerials(
  random: SimRandom,
  { pauseMsMax, requestTimeoutMs }: KeyWorkload,
  faults: FaultPlan,
): SerialWorkload {
  return {
    pauseMsMax,
    requestTimeoutMs,
    values: random.pick([1, 1, 2, 4]),
    burstMax: random.pick([1, 3, 10]),
    keepsOrder: !faults.weights.has('looseFrames'),
  }
}

/** So small that snapshots, cuts of the log, flushes and fetches happen all the time. */
function smallGroupOptions(random: SimRandom, mustCut: boolean): Partial<GroupOptions> {
  const flushBytes = random.pick([1, 16]) * KIB
  return {
    maxMessageBytes: random.pick([1, 64]) * KIB,
    maxInflightMessages: random.pick([1, 4, 256]),
    maxApplyBytes: random.pick([1, 64]) * KIB,
    maxCampaignLagBytes: 4 * KIB,
    // -1: writes through followers always need sessions.
    maxFollowLagEntries: random.pick([-1, 4, 256]),
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
    logBytesMax: random.pick(mustCut ? [0.25, 1] : [1, 20, 500]) * KIB,
    logKeepBytes: random.pick(mustCut ? [0, 1] : [0, 1, 20]) * KIB,
    checkIntervalMs: random.pick([200, 2_000]),
  }
}
