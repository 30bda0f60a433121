/**
 * Leaders that follow each other before any of them has spread what it was told: the leader of a group is
 * cut off, its successor is silenced in the moment of its election, and who was cut off before is back
 * and leads again. So several logs end in different entries of different terms, their clients all wait,
 * and nobody has died.
 */
import type { GroupId } from '../../src/base/ids.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import type { Harm, Performer } from './harm.ts'

const NODES_MIN = 3
const LEGS_MAX = 3
/** How long an election may take until the relay is given up. */
const LEG_MS_MAX = 4_000
const POLL_MS = 2
/** Between a candidate's request and its first words as a leader there is less than a millisecond. */
const CLOSE_POLL_MS = 0.2

type Relay = { readonly harm: Harm; readonly group: GroupId }

export const leaderRelay: Performer = (harm) => {
  const { nodes, checkers } = harm.cluster
  if (nodes.length < NODES_MIN || checkers.size === 0) return false
  const relay = { harm, group: harm.random.pick([...checkers.keys()]) }
  const leader = nodes.find((node) => roleOf(relay, node) === 'leader')
  if (leader === undefined) return false
  harm.note(leader, 'is cut off, and so will be its successor')
  block(relay, leader, 'both')
  passOn(relay, leader, harm.random.between(1, LEGS_MAX), harm.cluster.scheduler.nowMs + LEG_MS_MAX)
  return true
}

/** Until somebody is about to lead in the place of `alone`. */
function passOn(relay: Relay, alone: SimNode, legsLeft: number, deadlineMs: number): void {
  const { harm } = relay
  const { scheduler } = harm.cluster
  if (harm.isHealing) return
  const others = harm.cluster.nodes.filter((node) => node !== alone)
  const successor = others.find((node) => isAboutToLead(relay, node, alone))
  if (successor === undefined) {
    const isClose = others.some((node) => isCampaigning(relay, node))
    if (scheduler.nowMs >= deadlineMs) unblock(relay, alone)
    else {
      const pauseMs = isClose ? CLOSE_POLL_MS : POLL_MS
      harm.after(pauseMs, () => passOn(relay, alone, legsLeft, deadlineMs))
    }
    return
  }
  harm.note(successor, 'is silenced as it begins to lead')
  block(relay, successor, 'out')
  unblock(relay, alone)
  if (legsLeft > 1) passOn(relay, successor, legsLeft - 1, scheduler.nowMs + LEG_MS_MAX)
  else harm.whileItLasts(harm.durationMs(), () => unblock(relay, successor))
}

/** A vote for it may be on its way: from here on it needs to send nothing more. */
function isAboutToLead(relay: Relay, node: SimNode, before: SimNode): boolean {
  const role = roleOf(relay, node)
  const term = termOf(relay, node)
  if (role === 'leader') return term > termOf(relay, before)
  const { nodes } = relay.harm.cluster
  return role === 'candidate' && nodes.some((other) => other !== node && termOf(relay, other) === term)
}

function isCampaigning(relay: Relay, node: SimNode): boolean {
  const role = roleOf(relay, node)
  return role === 'preCandidate' || role === 'candidate'
}

function roleOf({ group }: Relay, node: SimNode): string | undefined {
  return node.replicas.find((replica) => replica.group === group)?.raft.role
}

function termOf({ group }: Relay, node: SimNode): number {
  return node.replicas.find((replica) => replica.group === group)?.raft.term ?? 0
}

function block({ harm }: Relay, { host }: SimNode, directions: 'both' | 'out'): void {
  for (const other of othersOf(harm, host)) {
    harm.cluster.network.block(host, other)
    if (directions === 'both') harm.cluster.network.block(other, host)
  }
}

function unblock({ harm }: Relay, { host }: SimNode): void {
  for (const other of othersOf(harm, host)) {
    harm.cluster.network.unblock(host, other)
    harm.cluster.network.unblock(other, host)
  }
}

function othersOf(harm: Harm, host: string): readonly string[] {
  return harm.cluster.nodes.map((node) => node.host).filter((other) => other !== host)
}
