/**
 * Faults that aim at what the replicas of one group are to each other, and last until the others have gone
 * on: leaders that follow each other before any has spread what it was told, and replicas that come back
 * when the logs of the others begin behind their own.
 */
import type { GroupId } from '../../src/base/ids.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import type { Harm, Performers } from './harm.ts'

const NODES_MIN = 3
const DATA_SHARE = 0.8
const LEGS_MAX = 3
/** How long an election may take until the relay is given up. */
const LEG_MS_MAX = 4_000
const POLL_MS = 2
/** Between a candidate's request and its first words as a leader there is less than a millisecond. */
const CLOSE_POLL_MS = 0.2
/** How long a replica waits for the others to cut their logs. */
const BEHIND_MS_MAX = 5_000
const BEHIND_POLL_MS = 20
/** How often the sender of the snapshot that follows is cut off, and when at the latest. */
const DEPOSED_SHARE = 0.5
const TRANSFER_MS_MAX = 300
/** How long an engine crawls before its machine is cut off. */
const CRAWL_MS_MAX = 1_500

type Scene = { readonly harm: Harm; readonly group: GroupId }

type Silenced = {
  readonly node: SimNode
  /** In which it led, or was about to. */
  readonly term: number
}

/** One scene at a time: two would lift each other's cuts. */
const busy = new WeakSet<Harm>()

export const REPLICATION_FAULTS: Performers = {
  /**
   * The leader is silenced, its successor is silenced in the moment of its election, and who was silent
   * before is heard again and may lead again. So several logs end in different entries of different terms,
   * their clients all wait, and nobody has died.
   */
  leaderRelay: (harm) => {
    const scene = sceneOf(harm)
    const leader = scene === null ? undefined : harm.cluster.nodes.find((node) => isLeader(scene, node))
    if (scene === null || leader === undefined) return false
    busy.add(harm)
    harm.note(leader, 'is silenced, and so will be its successor')
    block(scene, leader, harm.random.chance(0.3) ? 'both' : 'out')
    passOn(
      scene,
      silenced(scene, leader),
      harm.random.between(1, LEGS_MAX),
      harm.cluster.scheduler.nowMs + LEG_MS_MAX,
    )
    return true
  },
  /**
   * A leader that is heard and hears nobody any more, or a follower whose engine crawls: cut off until the
   * others' logs no longer reach back to where it is.
   */
  leftBehind: (harm) => {
    const scene = sceneOf(harm)
    if (scene === null) return false
    const node = harm.random.pick(harm.cluster.nodes)
    const raft = raftOf(scene, node)
    if (raft === undefined) return false
    busy.add(harm)
    const untilMs = harm.cluster.scheduler.nowMs + BEHIND_MS_MAX
    if (raft.role === 'leader') {
      harm.note(node, 'hears nobody until it is left behind')
      block(scene, node, 'in')
      waitBehind(scene, node, untilMs)
      return true
    }
    harm.note(node, 'crawls and is left behind')
    node.engineDelayMsMax = harm.random.pick([100, 2_000])
    harm.whileItLasts(harm.random.next() * CRAWL_MS_MAX, () => {
      block(scene, node, 'both')
      waitBehind(scene, node, untilMs)
    })
    return true
  },
}

function sceneOf(harm: Harm): Scene | null {
  const { nodes, checkers } = harm.cluster
  if (nodes.length < NODES_MIN || busy.has(harm)) return null
  const groups = [...checkers.keys()]
  // The one that has the data has the most to lose.
  const group = harm.random.chance(DATA_SHARE) ? groups.at(-1) : groups[0]
  return group === undefined ? null : { harm, group }
}

/** Until nobody who leads has in its log what this one would need next. */
function waitBehind(scene: Scene, node: SimNode, untilMs: number): void {
  const { harm } = scene
  const last = raftOf(scene, node)?.lastIndex ?? Number.POSITIVE_INFINITY
  const leaders = harm.cluster.nodes.filter((other) => other !== node && isLeader(scene, other))
  const isBehind = leaders.some((leader) => (raftOf(scene, leader)?.status().firstIndex ?? 0) > last + 1)
  if (!isBehind && node.isUp && harm.cluster.scheduler.nowMs < untilMs) {
    harm.whileItLasts(BEHIND_POLL_MS, () => waitBehind(scene, node, untilMs))
    return
  }
  end(scene, node)
  // What the engine was asked for before still takes its time.
  node.engineDelayMsMax = 0
  if (isBehind && harm.random.chance(DEPOSED_SHARE)) deposeAmidTransfer(scene)
}

/** Whoever is sending the snapshot is cut off, and another begins with one of his own. */
function deposeAmidTransfer(scene: Scene): void {
  const { harm } = scene
  const electionMs = harm.cluster.nodes[0]?.electionTimeoutMs ?? 0
  busy.add(harm)
  harm.whileItLasts(harm.random.next() * TRANSFER_MS_MAX, () => {
    const leader = harm.cluster.nodes.find((node) => isLeader(scene, node))
    if (leader === undefined) {
      busy.delete(harm)
      return
    }
    harm.note(leader, 'is cut off amid the sending of a snapshot')
    block(scene, leader, 'both')
    harm.whileItLasts(4 * electionMs, () => end(scene, leader))
  })
}

/** Until somebody is about to lead in the place of `alone`; after the last leg, until somebody does. */
function passOn(scene: Scene, alone: Silenced, legsLeft: number, deadlineMs: number): void {
  const { harm } = scene
  const { scheduler } = harm.cluster
  const others = harm.cluster.nodes.filter((node) => node !== alone.node)
  const hasNext = legsLeft === 0 && others.some((node) => hasCommitted(scene, node, alone.term))
  const successor = legsLeft === 0 ? undefined : others.find((node) => isAboutToLead(scene, node, alone.term))
  if (hasNext || (successor === undefined && scheduler.nowMs >= deadlineMs)) {
    end(scene, alone.node)
    return
  }
  if (successor === undefined) {
    const isClose = legsLeft > 0 && others.some((node) => isCampaigning(scene, node))
    const pauseMs = isClose ? CLOSE_POLL_MS : POLL_MS
    harm.whileItLasts(pauseMs, () => passOn(scene, alone, legsLeft, deadlineMs))
    return
  }
  harm.note(successor, 'is silenced as it begins to lead')
  unblock(scene, alone.node)
  block(scene, successor, 'out')
  passOn(scene, silenced(scene, successor), legsLeft - 1, scheduler.nowMs + LEG_MS_MAX)
}

function silenced(scene: Scene, node: SimNode): Silenced {
  return { node, term: termOf(scene, node) }
}

function hasCommitted(scene: Scene, node: SimNode, termBefore: number): boolean {
  const raft = raftOf(scene, node)
  if (raft?.role !== 'leader' || raft.term <= termBefore) return false
  return raft.termAt(raft.commit) === raft.term
}

/** A vote for it may be on its way: from here on it needs to send nothing more. */
function isAboutToLead(scene: Scene, node: SimNode, termBefore: number): boolean {
  const role = raftOf(scene, node)?.role
  const term = termOf(scene, node)
  if (role === 'leader') return term > termBefore
  const { nodes } = scene.harm.cluster
  return role === 'candidate' && nodes.some((other) => other !== node && termOf(scene, other) === term)
}

function isCampaigning(scene: Scene, node: SimNode): boolean {
  const role = raftOf(scene, node)?.role
  return role === 'preCandidate' || role === 'candidate'
}

function raftOf({ group }: Scene, node: SimNode): Raft | undefined {
  return node.replicas.find((replica) => replica.group === group)?.raft
}

function isLeader(scene: Scene, node: SimNode): boolean {
  return raftOf(scene, node)?.role === 'leader'
}

function termOf(scene: Scene, node: SimNode): number {
  return raftOf(scene, node)?.term ?? 0
}

function block({ harm }: Scene, { host }: SimNode, directions: 'both' | 'out' | 'in'): void {
  for (const other of othersOf(harm, host)) {
    if (directions !== 'in') harm.cluster.network.block(host, other)
    if (directions !== 'out') harm.cluster.network.block(other, host)
  }
}

function unblock({ harm }: Scene, { host }: SimNode): void {
  for (const other of othersOf(harm, host)) {
    harm.cluster.network.unblock(host, other)
    harm.cluster.network.unblock(other, host)
  }
}

function end(scene: Scene, node: SimNode): void {
  unblock(scene, node)
  busy.delete(scene.harm)
}

function othersOf(harm: Harm, host: string): readonly string[] {
  return harm.cluster.nodes.map((node) => node.host).filter((other) => other !== host)
}
