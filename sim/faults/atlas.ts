/**
 * The atlas of damage: which machines have lost something that was durable, so that what is done to
 * a cluster stays within what the store promises.
 *
 * The promise: what was acknowledged is kept as long as a majority of the voters of each group has a
 * good copy. So, of three voters, one machine at a time may lose what it had synced, whatever way
 * (rot, lost files, a wiped disk, silent errors); another one only after the first has everything
 * again. With fewer than three voters nothing may be lost at all. Crashes, power losses and every
 * fault that a disk reports need no permission: they lose nothing that was synced.
 *
 * A run may also be declared unrecoverable: then damage hits more machines than that, and what is
 * expected is not service but honesty, see run-seed.ts.
 */
import type { Membership } from '../../src/raft/membership.ts'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'

/** Fewer, and the loss of one is the loss of the majority. */
const VOTERS_FOR_DAMAGE = 3
type Voters = {
  readonly commit: number
  readonly membership: Membership
  readonly sets: readonly (readonly number[])[]
}

/** Not before this is a damaged machine looked at again: its log must have been read first. */
const RECOVERY_MS_MIN = 3_000

export class Atlas {
  readonly #cluster: SimCluster
  #victim: SimNode | null = null
  /** When the last damage was done, or will be. */
  #hurtUntilMs = 0
  #isOpen = false
  #isUnrecoverable = false
  /** Machines whose damage no restart heals: only a wipe helps, if they refuse to start. */
  readonly #damaged = new Set<SimNode>()
  /** Machines that ever lost something durable. */
  readonly #hurt = new Set<SimNode>()
  /** Of each replica that ever ran. */
  readonly #hosts = new Map<number, string>()
  /** By group: the sets of voters of which each needs a majority, as the most advanced replica knows them. */
  readonly #newest = new Map<number, Voters>()

  constructor(cluster: SimCluster) {
    this.#cluster = cluster
  }

  /** From now on damage is allowed: the cluster has all its voters. */
  open(): void {
    this.#isOpen = true
  }

  get isUnrecoverable(): boolean {
    return this.#isUnrecoverable
  }

  declareUnrecoverable(): void {
    this.#isUnrecoverable = true
  }

  isDamaged(node: SimNode): boolean {
    return this.#damaged.has(node)
  }

  wasEverHurt(node: SimNode): boolean {
    return this.#hurt.has(node)
  }

  /** True: it may lose what was durable, and counts as a bad copy until it was seen to be whole. */
  permits(node: SimNode): boolean {
    // A ruined cluster is left as it is: who replaces disks then may found another cluster.
    if (this.#isUnrecoverable) return false
    if (!this.#isOpen || this.#cluster.nodes.length < VOTERS_FOR_DAMAGE) return false
    const victim = this.#victim
    if (victim === null || victim === node) return true
    if (!this.#isWholeAgain(victim)) return false
    // From here on it is held to what it has.
    this.#damaged.delete(victim)
    this.#victim = null
    return true
  }

  /** What was durable on it is lost, within `forMs` from now. `isLasting`: a restart may find it. */
  hurt(node: SimNode, isLasting: boolean, forMs = 0): void {
    // What hurts it now does not end what still goes on.
    const beforeMs = this.#victim === node ? this.#hurtUntilMs : 0
    this.#victim = node
    this.#hurt.add(node)
    this.#hurtUntilMs = Math.max(beforeMs, this.#cluster.scheduler.nowMs + forMs)
    if (isLasting) this.#damaged.add(node)
  }

  /** Its disk was replaced: what is missing is missing openly. */
  replaced(node: SimNode): void {
    this.#damaged.delete(node)
    if (!this.#isUnrecoverable) this.hurt(node, false)
  }

  /**
   * Machines without which every group keeps a majority of whole voters: nobody that is missing in
   * `core` is needed.
   */
  isEnough(core: ReadonlySet<SimNode>): boolean {
    this.observe()
    const hosts = new Set([...core].filter((node) => !this.#isSuspect(node)).map((node) => node.host))
    const isMajority = (ids: readonly number[]): boolean =>
      ids.filter((id) => hosts.has(this.#hosts.get(id) ?? '')).length > ids.length / 2
    return this.#newest.size > 0 && [...this.#newest.values()].every(({ sets }) => sets.every(isMajority))
  }

  #isSuspect(node: SimNode): boolean {
    return this.#victim === node && !this.#isWholeAgain(node)
  }

  /**
   * Up, nothing to repair, and all that is committed is on its disk; or nobody asks it to have anything.
   * It has been started since: only a start reads the whole log, so before that it does not know.
   */
  #isWholeAgain(node: SimNode): boolean {
    const { checkers, scheduler } = this.#cluster
    if (node.startedMs < this.#hurtUntilMs || node.running === null || node.hasRottenEngines) return false
    if (scheduler.nowMs - this.#hurtUntilMs < RECOVERY_MS_MIN) return false
    if (node.failure !== null || node.startFailure !== null) return false
    this.observe()
    for (const [group, checker] of checkers) {
      const voterSets = this.#newest.get(group)?.sets ?? []
      if (voterSets.length !== 1) return false
      const replica = node.replicas.find((one) => one.group === group)
      const ids = voterSets[0] as readonly number[]
      // A voter that it was before its disk was replaced, and that it no longer knows of.
      const hasGhost = ids.some(
        (id) => id !== replica?.id && (this.#hosts.get(id) ?? node.host) === node.host,
      )
      if (hasGhost || replica?.raft.isRepairing === true) return false
      if (replica !== undefined && replica.raft.status().persistedIndex < checker.commit) return false
    }
    return true
  }

  /** Learns who votes where; to be called now and then, since a dead process tells nothing. */
  observe(): void {
    for (const node of this.#cluster.nodes) {
      for (const { group, id, raft } of node.replicas) {
        this.#hosts.set(id, node.host)
        const { commit } = raft
        const newest = this.#newest.get(group)
        if (newest !== undefined && commit < newest.commit) continue
        const membership = raft.membershipAt(raft.lastIndex)
        if (newest?.commit === commit && newest.membership === membership) continue
        const sets = [membership.voters, membership.votersOutgoing].filter((voters) => voters.length > 0)
        this.#newest.set(group, { commit, membership, sets })
      }
    }
  }
}
