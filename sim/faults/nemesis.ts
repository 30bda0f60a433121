/**
 * Does harm to a simulated cluster according to a plan, and undoes all of it at the end.
 *
 * The atlas of damage, so that what is demanded of the store is what it promises: power may fail
 * everywhere at once, but what was synced may be lost on one machine of a run only (`#victim`), and
 * only once the cluster has all its voters.
 */
import assert from 'node:assert/strict'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import { PEER_PORT, type SimNode } from '../cluster/sim-node.ts'
import type { SimDiskCall, SimDiskFault } from '../disk.ts'
import type { SimRandom } from '../random.ts'
import { eventTag } from '../scheduler.ts'
import { damageLog } from './damage-log.ts'
import { drawKind, type FaultKind, type FaultPlan } from './fault-plan.ts'

const NEMESIS = eventTag('nemesis')
const WATCH_MS = 20
/** A start that hangs that long on a machine whose disk is well is a finding (it may wait for others). */
const STOP_MS_MAX = 30_000
/** A request to join travels and waits no longer than that. */
const LATE_JOIN_MS = 20_000

type Facts = {
  isFrozen: boolean
  /** A stop was asked for and has not ended. */
  stoppingSinceMs: number | null
  /** The present process may fail for a reason we gave it. */
  isExcused: boolean
  /** Even after a restart: only a wipe helps, if it refuses to start. */
  isDamaged: boolean
  /** A join that the wiped disk had asked for may be carried out until then, and displace the new one. */
  mayBeDisplacedUntilMs: number
  /** Its process is dead and comes back by itself at this time. */
  restartAtMs: number | null
}

export type NemesisCounts = Partial<Record<FaultKind | 'restart' | 'rejoin', number>>

export class Nemesis {
  readonly #cluster: SimCluster
  readonly #random: SimRandom
  readonly #plan: FaultPlan
  readonly #victim: SimNode | null
  readonly #facts = new Map<SimNode, Facts>()
  readonly counts: NemesisCounts = {}
  #isActive = false
  /** Damage that lasts may be done now. */
  #mayDamage = false
  /** What healing has to do with machines that refuse to start: wipe them. */
  #isHealing = false

  constructor(cluster: SimCluster, plan: FaultPlan, random: SimRandom) {
    this.#cluster = cluster
    this.#plan = plan
    this.#random = random
    this.#victim = cluster.nodes.length > 1 ? random.pick(cluster.nodes) : null
    for (const node of cluster.nodes) this.#facts.set(node, freshFacts())
    this.#watch()
  }

  get mayDamage(): boolean {
    return this.#mayDamage
  }

  /** Healed, and nothing that was begun before is still going on. */
  get isOver(): boolean {
    const facts = [...this.#facts.values()]
    return this.#isHealing && facts.every((one) => one.stoppingSinceMs === null && one.restartAtMs === null)
  }

  begin(): void {
    this.#isActive = true
    this.#scheduleNext()
  }

  allowDamage(): void {
    this.#mayDamage = true
  }

  /** Ends everything that is wrong and starts every machine that is down. */
  heal(): void {
    this.#isActive = false
    this.#isHealing = true
    this.#cluster.network.heal()
    for (const node of this.#cluster.nodes) {
      const facts = this.#of(node)
      if (facts.isFrozen) this.#thaw(node)
      node.disk.setFaults(null)
      node.disk.setCapacity(Number.POSITIVE_INFINITY)
      node.disk.releaseStalls()
      // A replica whose engine failed stops for good: that is what it says.
      if (node.isUp && (node.hasEngineFault || (facts.isExcused && !this.#isWell(node)))) {
        this.#crash(node, false, 0)
      }
      if (!node.isUp) facts.restartAtMs = this.#nowMs
    }
  }

  get #nowMs(): number {
    return this.#cluster.scheduler.nowMs
  }

  #of(node: SimNode): Facts {
    const facts = this.#facts.get(node)
    assert(facts !== undefined)
    return facts
  }

  #after(delayMs: number, run: () => void): void {
    this.#cluster.scheduler.after(delayMs, NEMESIS, run)
  }

  #scheduleNext(): void {
    this.#after(this.#random.next() * this.#plan.pauseMsMax, () => {
      if (!this.#isActive) return
      this.#strike(drawKind(this.#plan, this.#random))
      this.#scheduleNext()
    })
  }

  /** Looks after processes that ended or failed by themselves, and restarts the dead. */
  #watch(): void {
    for (const node of this.#cluster.nodes) this.#lookAfter(node, this.#of(node))
    this.#after(WATCH_MS, () => this.#watch())
  }

  #lookAfter(node: SimNode, facts: Facts): void {
    if (!node.isUp) {
      if (facts.restartAtMs !== null && facts.restartAtMs <= this.#nowMs) this.#restart(node, facts)
      return
    }
    const { stoppingSinceMs } = facts
    const isStopDue = stoppingSinceMs !== null && this.#nowMs - stoppingSinceMs > STOP_MS_MAX
    if (isStopDue && !facts.isFrozen && !facts.isExcused) throw new Error(`${node.host} does not stop`)
    const failure = node.startFailure ?? node.failure
    if (failure === null || stoppingSinceMs !== null) return
    const isDisplaced = this.#nowMs < facts.mayBeDisplacedUntilMs && /does not belong/.test(String(failure))
    if (isDisplaced) facts.isDamaged = true
    const isExcusable = facts.isExcused || facts.isDamaged || isTransient(failure)
    if (!isExcusable || isBug(failure)) {
      throw new Error(`${node.host} gave up without a reason`, { cause: failure })
    }
    this.#cluster.log.logger(node.host).warning('nemesis: the process ended', { error: String(failure) })
    const mustRejoin = facts.isDamaged && (node.startFailure !== null || isDisplaced) && !isTransient(failure)
    this.#crash(node, false, this.#isHealing ? 0 : this.#downMs())
    if (mustRejoin) this.#rejoin(node, facts)
  }

  #restart(node: SimNode, facts: Facts): void {
    facts.restartAtMs = null
    this.#count('restart')
    this.#note(node, 'starts')
    node.start()
  }

  #rejoin(node: SimNode, facts: Facts): void {
    this.#count('rejoin')
    this.#note(node, 'loses its disk and joins again')
    const others = this.#cluster.nodes.filter((other) => other !== node)
    node.wipe(others.map((other) => ({ host: other.host, port: PEER_PORT })))
    facts.isDamaged = false
    facts.mayBeDisplacedUntilMs = this.#nowMs + LATE_JOIN_MS
  }

  #crash(node: SimNode, losesPower: boolean, downMs: number): void {
    const facts = this.#of(node)
    const notice = losesPower ? 'nothing' : this.#random.pick(['close', 'reset'] as const)
    this.#note(node, losesPower ? 'loses power' : 'dies', { downMs, notice })
    node.crash(notice, losesPower)
    const isDiskIll = facts.isExcused && !this.#isHealing
    const { isDamaged, mayBeDisplacedUntilMs } = facts
    Object.assign(facts, freshFacts(), { isDamaged, mayBeDisplacedUntilMs, isExcused: isDiskIll })
    facts.restartAtMs = this.#nowMs + downMs
  }

  #strike(kind: FaultKind): void {
    if (this.#perform(kind)) this.#count(kind)
  }

  /** False when it was not possible. */
  #perform(kind: FaultKind): boolean {
    const { nodes } = this.#cluster
    const node = this.#random.pick(nodes)
    const facts = this.#of(node)
    switch (kind) {
      case 'kill':
        return node.isUp && this.#did(() => this.#crash(node, false, this.#downMs()))
      case 'powerLoss':
        return node.isUp && this.#did(() => this.#crash(node, true, this.#downMs()))
      case 'powerLossOfAll':
        return this.#did(() => {
          for (const each of nodes) if (each.isUp) this.#crash(each, true, this.#downMs())
        })
      case 'gracefulStop':
        return node.running !== null && facts.stoppingSinceMs === null && this.#did(() => this.#stop(node))
      case 'freeze':
        return node.isUp && !facts.isFrozen && this.#did(() => this.#freeze(node))
      case 'slowDisk':
      case 'stalledDisk':
      case 'diskError':
      case 'diskFull':
        return this.#did(() => this.#hurtDisk(node, kind))
      case 'engineError':
        if (node.running === null) return false
        facts.isExcused = true
        this.#note(node, 'engine fails')
        node.failEngine(this.#random.pick(['EIO', 'ENOSPC']))
        this.#after(this.#durationMs(), () => {
          const isDue = node.isUp && facts.isExcused && !facts.isFrozen && !this.#isHealing
          if (isDue) this.#crash(node, false, this.#downMs())
        })
        return true
      case 'clockJump':
        if (node.clock === null) return false
        node.clock.jump(this.#random.between(-this.#plan.clockJumpMsMax, this.#plan.clockJumpMsMax))
        return true
      case 'damageLog':
      case 'loseEngine':
      case 'wipe':
        return this.#hurtVictim(kind)
      default:
        return this.#hurtNetwork(kind)
    }
  }

  #did(run: () => void): boolean {
    run()
    return true
  }

  #stop(node: SimNode): void {
    const facts = this.#of(node)
    const { running } = node
    assert(running !== null)
    facts.stoppingSinceMs = this.#nowMs
    this.#note(node, 'is asked to stop')
    const isSame = (): boolean => node.running === running
    running.stop().then(
      () => {
        if (isSame()) this.#crash(node, this.#random.chance(0.3), this.#downMs())
      },
      (error: unknown) => {
        if (!isSame()) return
        if (!facts.isExcused) {
          this.#after(0, () => {
            throw new Error(`${node.host} did not stop well`, { cause: error })
          })
        } else this.#crash(node, false, this.#downMs())
      },
    )
  }

  #freeze(node: SimNode): void {
    const { clock } = node
    this.#of(node).isFrozen = true
    this.#note(node, 'freezes')
    clock?.freeze()
    this.#after(this.#durationMs(), () => {
      if (node.clock === clock && this.#of(node).isFrozen) this.#thaw(node)
    })
  }

  #thaw(node: SimNode): void {
    this.#of(node).isFrozen = false
    this.#note(node, 'thaws')
    node.clock?.thaw()
  }

  #hurtDisk(node: SimNode, kind: 'slowDisk' | 'stalledDisk' | 'diskError' | 'diskFull'): void {
    const facts = this.#of(node)
    const { disk } = node
    this.#note(node, kind)
    facts.isExcused ||= kind !== 'slowDisk'
    if (kind === 'diskFull') disk.setCapacity(diskUsed(node) + this.#random.below(64 * 1024))
    else disk.setFaults(this.#diskFaults(kind))
    this.#after(this.#durationMs(), () => {
      this.#note(node, 'disk is well again')
      disk.setFaults(null)
      disk.setCapacity(Number.POSITIVE_INFINITY)
      disk.releaseStalls()
    })
  }

  #diskFaults(kind: 'slowDisk' | 'stalledDisk' | 'diskError'): (call: SimDiskCall) => SimDiskFault | null {
    const random = this.#random.fork(`${kind}-${this.#nowMs}`)
    let errorsLeft = random.pick([1, 1, 3, 1_000])
    const slownessMs = random.pick([5, 50, 400])
    return (call) => {
      if (kind === 'slowDisk') return { kind: 'delay', delayMs: random.next() * slownessMs }
      const writes = call.operation === 'write' || call.operation === 'datasync'
      if (!writes) return null
      if (kind === 'stalledDisk') return { kind: 'stall' }
      if (errorsLeft === 0 || !random.chance(0.5)) return null
      errorsLeft -= 1
      return { kind: 'error', errno: random.pick(['EIO', 'ENOSPC']) }
    }
  }

  #hurtVictim(kind: 'damageLog' | 'loseEngine' | 'wipe'): boolean {
    const node = this.#victim
    if (node === null || !this.#mayDamage) return false
    if (node.isUp) this.#crash(node, this.#random.chance(0.5), this.#downMs())
    const facts = this.#of(node)
    if (kind === 'wipe') this.#rejoin(node, facts)
    else if (kind === 'loseEngine') {
      this.#note(node, 'loses its engines')
      node.loseEngines()
    } else {
      facts.isDamaged = true
      this.#note(node, 'has damage in its log', { damage: damageLog(node.disk, this.#random) })
    }
    return true
  }

  #hurtNetwork(kind: FaultKind): boolean {
    const { network, nodes } = this.#cluster
    const hosts = nodes.map((node) => node.host)
    if (hosts.length < 2) return false
    const shuffled = this.#random.shuffle([...hosts])
    const [one, other] = shuffled as [string, string]
    this.#cluster.log.logger('net').warning(`nemesis: ${kind}`, { hosts: shuffled })
    switch (kind) {
      case 'partition': {
        const size = this.#random.between(1, hosts.length - 1)
        return this.#block(cross(shuffled.slice(0, size), shuffled.slice(size)))
      }
      case 'isolateLeader': {
        const leader = nodes.find((node) => node.replicas.some(({ raft }) => raft.role === 'leader'))
        if (leader === undefined) return false
        const rest = hosts.filter((host) => host !== leader.host)
        return this.#block(cross([leader.host], rest))
      }
      case 'oneWayPartition':
        return this.#block([[one, other]])
      case 'reset':
        return this.#did(() => network.reset(one, other))
      case 'halfOpen':
        return this.#did(() => network.halfOpen(one, other))
      case 'slowLink':
        return this.#condition(one, other, { maxLatencyMs: this.#random.pick([10, 60, 300]) })
      case 'corruptLink':
        return this.#condition(one, other, { corruptProbability: this.#random.pick([0.001, 0.05]) })
      default:
        throw new Error(`${kind} is not a fault of the network`)
    }
  }

  #block(pairs: readonly (readonly [string, string])[]): boolean {
    const { network } = this.#cluster
    for (const [from, to] of pairs) network.block(from, to)
    this.#after(this.#durationMs(), () => {
      for (const [from, to] of pairs) network.unblock(from, to)
    })
    return true
  }

  #condition(
    one: string,
    other: string,
    conditions: Parameters<SimCluster['network']['setLink']>[2],
  ): boolean {
    const { network } = this.#cluster
    network.setLink(one, other, conditions)
    this.#after(this.#durationMs(), () =>
      network.setLink(one, other, { maxLatencyMs: 0.5, corruptProbability: 0 }),
    )
    return true
  }

  #isWell(node: SimNode): boolean {
    if (node.startFailure !== null || node.failure !== null) return false
    const status = node.running?.status()
    return status === undefined || status.groups.every((group) => group.local?.healthy !== false)
  }

  #durationMs(): number {
    return this.#random.next() * this.#plan.durationMsMax
  }

  #downMs(): number {
    return this.#random.next() * this.#plan.downMsMax
  }

  #count(what: FaultKind | 'restart' | 'rejoin'): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  #note(node: SimNode, what: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#cluster.log.logger(node.host).warning(`nemesis: ${what}`, fields)
  }
}

function freshFacts(): Facts {
  return {
    isFrozen: false,
    stoppingSinceMs: null,
    isExcused: false,
    isDamaged: false,
    mayBeDisplacedUntilMs: 0,
    restartAtMs: null,
  }
}

/** What nothing excuses: an invariant, ours or the checker's, does not hold. */
function isBug(failure: unknown): boolean {
  return failure instanceof Error && /^(Assertion|Type|Range|Reference)Error/.test(failure.name)
}

/** A start that only came too early: whoever started the process starts it again. */
function isTransient(failure: unknown): boolean {
  return /not founded yet|could not be founded|while it was starting|before it could join/.test(
    String(failure),
  )
}

function cross(left: readonly string[], right: readonly string[]): readonly (readonly [string, string])[] {
  return left.flatMap((one) => right.flatMap((other) => [[one, other] as const, [other, one] as const]))
}

function diskUsed(node: SimNode): number {
  return node.disk.paths().reduce((sum, path) => sum + node.disk.bytes(path).length, 0)
}
