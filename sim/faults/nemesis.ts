/**
 * Does harm to a simulated cluster according to a plan, and undoes all of it at the end.
 *
 * Each fault is done by its family (table `PERFORMERS`). Here is what they have in common: when they
 * strike, who restarts what died, and which failure of a process is a finding. A process may end only
 * for a reason that was given to it (`isExcused`, damage), and never because something that must hold
 * did not.
 */
import assert from 'node:assert/strict'
import { toStorageError } from '../../src/base/errors.ts'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import { PEER_PORT, type SimNode } from '../cluster/sim-node.ts'
import type { SimRandom } from '../world/random.ts'
import { eventTag } from '../world/scheduler.ts'
import { Atlas } from './atlas.ts'
import { CLOCK_FAULTS } from './clock-faults.ts'
import { DAMAGE_FAULTS, ruinMachine } from './damage-faults.ts'
import { DISK_FAULTS } from './disk-faults.ts'
import { drawKind, type FaultKind, type FaultPlan } from './fault-plan.ts'
import { freshFacts, type Harm, type MachineFacts, type Performers } from './harm.ts'
import { NETWORK_FAULTS } from './network-faults.ts'
import { PROCESS_FAULTS } from './process-faults.ts'
import { REPLICATION_FAULTS } from './replication-faults.ts'

const NEMESIS = eventTag('nemesis')
const WATCH_MS = 20
/** A stop that hangs that long on a machine whose disk is well is a finding (it may wait for others). */
const STOP_MS_MAX = 30_000
/** How often a majority is not made smaller although it could be. */
const CORE_ENOUGH_SHARE = 0.25
/** A service manager starts what refuses to start again and again, with pauses. */
const REFUSED_PAUSE_MS = 1_000
/** A request to join travels and waits no longer than that. */
const LATE_JOIN_MS = 20_000

/** An invariant, ours or the checker's, does not hold. */
const BROKEN = /(Assertion|Type|Range|Reference)Error/

const PERFORMERS: Performers = {
  ...PROCESS_FAULTS,
  ...DISK_FAULTS,
  ...NETWORK_FAULTS,
  ...REPLICATION_FAULTS,
  ...CLOCK_FAULTS,
  ...DAMAGE_FAULTS,
}

export type NemesisCounts = Partial<Record<FaultKind | 'restart' | 'rejoin', number>>

/** What a node is told whose place another data directory of the same name took, before and after it had joined. */
const DISPLACED = /does not belong|was replaced by another one/

export class Nemesis implements Harm {
  readonly cluster: SimCluster
  readonly plan: FaultPlan
  readonly random: SimRandom
  readonly atlas: Atlas
  readonly counts: NemesisCounts = {}
  readonly #facts = new Map<SimNode, MachineFacts>()
  #strikes = 0
  #isActive = false
  /** While only a majority is healed: these stay as they are. */
  #abandoned: ReadonlySet<SimNode> = new Set()
  #phase: 'harming' | 'partly healed' | 'healed' = 'harming'

  constructor(cluster: SimCluster, plan: FaultPlan, random: SimRandom) {
    this.cluster = cluster
    this.plan = plan
    this.random = random
    this.atlas = new Atlas(cluster)
    for (const node of cluster.nodes) this.#facts.set(node, freshFacts())
    this.#watch()
  }

  /** Strikes that did something. */
  get strikes(): number {
    return this.#strikes
  }

  get isHealing(): boolean {
    return this.#phase !== 'harming'
  }

  /** Healed, and nothing that was begun before is still going on. */
  get isOver(): boolean {
    const facts = [...this.#facts.values()]
    const isQuiet = facts.every((one) => one.stoppingSinceMs === null && one.restartAtMs === null)
    return this.#phase === 'healed' && isQuiet
  }

  begin(): void {
    this.#isActive = true
    this.#storm(this.#nowMs + this.random.next() * this.plan.stormMsMax)
  }

  allowDamage(): void {
    this.atlas.open()
  }

  /** Machines that can do without all others, as few as it takes or some more; null: it takes all. */
  chooseCore(): readonly SimNode[] | null {
    const { nodes } = this.cluster
    const core = new Set(nodes)
    if (!this.atlas.isEnough(core)) return null
    for (const node of this.random.shuffle([...nodes])) {
      core.delete(node)
      if (!this.atlas.isEnough(core)) core.add(node)
      else if (this.random.chance(CORE_ENOUGH_SHARE)) break
    }
    return core.size === nodes.length ? null : nodes.filter((node) => core.has(node))
  }

  /** A majority of all machines loses what it had, each in its way. */
  ruin(): void {
    const { nodes } = this.cluster
    this.atlas.declareUnrecoverable()
    const count = this.random.between(Math.floor(nodes.length / 2) + 1, nodes.length)
    for (const node of this.random.shuffle([...nodes]).slice(0, count)) ruinMachine(this, node)
  }

  /** Ends what is wrong with a majority that has all there is; all else stays as it is. */
  healOnly(core: readonly SimNode[]): void {
    const { network, nodes } = this.cluster
    this.#isActive = false
    this.#phase = 'partly healed'
    this.#abandoned = new Set(nodes.filter((node) => !core.includes(node)))
    const hosts = new Set(core.map((node) => node.host))
    network.healBetween((from, to) => isOf(hosts, nodes, from) && isOf(hosts, nodes, to))
    for (const node of core) this.#healMachine(node)
  }

  /** Ends everything that is wrong and starts every machine that is down. */
  heal(): void {
    this.#isActive = false
    this.#phase = 'healed'
    this.#abandoned = new Set()
    this.cluster.network.heal()
    for (const node of this.cluster.nodes) this.#healMachine(node)
  }

  // ---- What the families use

  factsOf(node: SimNode): MachineFacts {
    const facts = this.#facts.get(node)
    assert(facts !== undefined)
    return facts
  }

  after(delayMs: number, run: () => void): void {
    this.cluster.scheduler.after(delayMs, NEMESIS, run)
  }

  whileItLasts(forMs: number, undo: () => void): void {
    this.after(forMs, () => {
      if (!this.isHealing) undo()
    })
  }

  crash(node: SimNode, losesPower: boolean, downMs: number): void {
    this.#checkReplicas(node)
    const facts = this.factsOf(node)
    const notice = losesPower ? 'nothing' : this.random.pick(['close', 'reset'] as const)
    this.note(node, losesPower ? 'loses power' : 'dies', { downMs, notice })
    node.crash(notice, losesPower)
    const isDiskIll = facts.isExcused && !this.isHealing
    const { mayBeDisplacedUntilMs } = facts
    Object.assign(facts, freshFacts(), { mayBeDisplacedUntilMs, isExcused: isDiskIll })
    facts.restartAtMs = this.#nowMs + downMs
  }

  freeze(node: SimNode, forMs: number): void {
    const { clock } = node
    this.factsOf(node).isFrozen = true
    this.note(node, 'freezes')
    clock?.freeze()
    this.whileItLasts(forMs, () => {
      if (node.clock === clock && this.factsOf(node).isFrozen) this.#thaw(node)
    })
  }

  stop(node: SimNode): void {
    const facts = this.factsOf(node)
    const { running } = node
    assert(running !== null)
    facts.stoppingSinceMs = this.#nowMs
    this.note(node, 'is asked to stop')
    const isSame = (): boolean => node.running === running
    running.stop().then(
      () => {
        if (isSame()) this.crash(node, this.random.chance(0.3), this.downMs())
      },
      (error: unknown) => {
        if (!isSame()) return
        if (facts.isExcused || this.atlas.isDamaged(node)) this.crash(node, false, this.downMs())
        else {
          this.after(0, () => {
            throw new Error(`${node.host} did not stop well`, { cause: error })
          })
        }
      },
    )
  }

  rejoin(node: SimNode): void {
    this.#count('rejoin')
    this.note(node, 'loses its disk and joins again')
    const others = this.cluster.nodes.filter((other) => other !== node)
    node.wipe(others.map((other) => ({ host: other.host, port: PEER_PORT })))
    this.atlas.replaced(node)
    this.factsOf(node).mayBeDisplacedUntilMs = this.#nowMs + LATE_JOIN_MS
  }

  durationMs(): number {
    return this.random.next() * this.plan.durationMsMax
  }

  downMs(): number {
    return this.random.next() * this.plan.downMsMax
  }

  note(node: SimNode, what: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.cluster.log.logger(node.host).warning(`nemesis: ${what}`, fields)
  }

  // ---- When it strikes

  get #nowMs(): number {
    return this.cluster.scheduler.nowMs
  }

  /** Strikes until then, and then leaves the cluster alone for a while. */
  #storm(untilMs: number): void {
    this.after(this.random.next() * this.plan.pauseMsMax, () => {
      if (!this.#isActive) return
      const kind = drawKind(this.plan, this.random)
      if (kind !== null) this.#strike(kind)
      if (this.#nowMs < untilMs) this.#storm(untilMs)
      else {
        this.after(this.random.next() * this.plan.quietMsMax, () => {
          this.#storm(this.#nowMs + this.random.next() * this.plan.stormMsMax)
        })
      }
    })
  }

  #strike(kind: FaultKind): void {
    if (this.#strikes >= this.plan.strikesMax) return
    const perform = PERFORMERS[kind]
    assert(perform !== undefined, `nobody performs ${kind}`)
    if (!perform(this)) return
    this.#strikes += 1
    this.#count(kind)
  }

  #count(what: FaultKind | 'restart' | 'rejoin'): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  // ---- Who looks after the machines

  /** Looks after processes that ended or failed by themselves, and restarts the dead. */
  #watch(): void {
    this.atlas.observe()
    for (const node of this.cluster.nodes) {
      if (!this.#abandoned.has(node)) this.#lookAfter(node, this.factsOf(node))
    }
    this.after(WATCH_MS, () => this.#watch())
  }

  #lookAfter(node: SimNode, facts: MachineFacts): void {
    if (!node.isUp) {
      if (facts.restartAtMs !== null && facts.restartAtMs <= this.#nowMs) this.#restart(node, facts)
      return
    }
    this.#checkNothingLost(node)
    const { stoppingSinceMs } = facts
    const isStopDue = stoppingSinceMs !== null && this.#nowMs - stoppingSinceMs > STOP_MS_MAX
    if (isStopDue && !facts.isFrozen && !facts.isExcused) throw new Error(`${node.host} does not stop`)
    const failure = node.startFailure ?? node.failure
    if (failure === null || stoppingSinceMs !== null) return
    const isDisplaced = this.#nowMs < facts.mayBeDisplacedUntilMs && DISPLACED.test(String(failure))
    const isDamaged = this.atlas.isDamaged(node) || isDisplaced
    const isExcusable = facts.isExcused || isDamaged || isTransient(failure)
    if (!isExcusable || isBug(failure)) {
      throw new Error(`${node.host} gave up without a reason`, { cause: failure })
    }
    const { hint } = toStorageError(failure)
    assert(hint.length > 0, `${node.host} gives up and does not say what to do: ${String(failure)}`)
    this.cluster.log.logger(node.host).warning('nemesis: the process ended', { error: String(failure) })
    const mustRejoin = isDamaged && (node.startFailure !== null || isDisplaced) && !isTransient(failure)
    const isHopeless = this.atlas.isUnrecoverable && !isTransient(failure)
    this.crash(node, false, isHopeless ? REFUSED_PAUSE_MS : this.isHealing ? 0 : this.downMs())
    if (node.hasRottenEngines) this.#moveEnginesAway(node)
    else if (mustRejoin && !this.atlas.isUnrecoverable) this.rejoin(node)
  }

  /** Crashes, power losses and errors that the disk reports lose nothing that anybody counts on. */
  #checkNothingLost(node: SimNode): void {
    if (this.atlas.wasEverHurt(node)) return
    const repairing = node.replicas.find(({ raft }) => raft.isRepairing)
    if (repairing === undefined) return
    throw new Error(`${node.host} misses entries of group ${repairing.group}, and was never damaged`)
  }

  #restart(node: SimNode, facts: MachineFacts): void {
    facts.restartAtMs = null
    this.#count('restart')
    this.note(node, 'starts')
    node.start()
  }

  /** What the message of the refusal tells the operator to do. */
  #moveEnginesAway(node: SimNode): void {
    this.note(node, 'has its engines moved away')
    node.loseEngines()
  }

  /** A replica may stop for good because of its disk, never because something that must hold did not. */
  #checkReplicas(node: SimNode): void {
    for (const { gid, local } of node.running?.status().groups ?? []) {
      if (local !== null && BROKEN.test(local.reason ?? '')) {
        const { reason } = local
        // Whoever calls may be the process that dies.
        this.after(0, () => {
          throw new Error(`${node.host} group ${gid}: ${reason}`)
        })
      }
    }
  }

  #thaw(node: SimNode): void {
    this.factsOf(node).isFrozen = false
    this.note(node, 'thaws')
    node.clock?.thaw()
  }

  #healMachine(node: SimNode): void {
    const facts = this.factsOf(node)
    if (facts.isFrozen) this.#thaw(node)
    node.frames.setFaults(null)
    node.disk.setFaults(null)
    node.disk.setCapacity(Number.POSITIVE_INFINITY)
    node.disk.releaseStalls()
    node.engineDelayMsMax = 0
    // A replica whose engine failed stops for good: that is what it says.
    if (node.isUp && (node.hasEngineFault || (facts.isExcused && !isWell(node)))) this.crash(node, false, 0)
    if (node.isUp && node.hasRottenEngines) this.crash(node, false, 0)
    if (node.hasRottenEngines) this.#moveEnginesAway(node)
    if (!node.isUp) facts.restartAtMs = this.#nowMs
  }
}

function isWell(node: SimNode): boolean {
  if (node.startFailure !== null || node.failure !== null) return false
  const status = node.running?.status()
  return status === undefined || status.groups.every((group) => group.local?.healthy !== false)
}

/** A machine of the core, or one that is no machine of the cluster: a client. */
function isOf(core: ReadonlySet<string>, nodes: readonly SimNode[], host: string): boolean {
  return core.has(host) || nodes.every((node) => node.host !== host)
}

/** What nothing excuses. */
function isBug(failure: unknown): boolean {
  return failure instanceof Error && BROKEN.test(failure.name)
}

/** A start that only came too early: whoever started the process starts it again. */
function isTransient(failure: unknown): boolean {
  return /not founded yet|could not be founded|while it was starting|before it could join/.test(
    String(failure),
  )
}
