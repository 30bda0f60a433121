/**
 * The proofs of life, after the faults, each within a bounded time: a majority goes on alone; once all
 * is healed all reach one state; a leader that does well is left alone; leadership is handed over to
 * whom it is offered, also under load; a leader that hears nobody is replaced.
 */
import assert from 'node:assert/strict'
import type { ReplicaId } from '../../src/base/ids.ts'
import { makeReplicaId } from '../../src/base/ids.ts'
import { makeLogIndex, makeTerm } from '../../src/base/log-entry.ts'
import { allMembers, isJoint } from '../../src/raft/membership.ts'
import type { RaftWorld } from './raft-world.ts'

/** Was removed long ago, does not know it, and knows nothing of pre-votes. */
const STRANGER = makeReplicaId(99)
/** Far more than a hand-over takes: two messages and an election. */
const ROUNDS_PER_TICK = 40

/** Who is down comes back, everybody is heard by everybody: in the end all have the same state. */
export function proveHealing(world: RaftWorld): void {
  for (const host of world.hosts) if (!host.isRunning) host.start()
  const before = world.checker.commit
  world.runUntil('everything healed', () => isConverged(world, before))
}

/** A majority with whole logs needs nobody else, whichever it is. */
export function proveMajority(world: RaftWorld, voters: readonly ReplicaId[]): void {
  const damaged = world.hosts.filter((host) => host.isDamaged)
  const others = world.random.shuffle(world.hosts.filter((host) => !host.isDamaged))
  const minority = Math.floor((voters.length - 1) / 2)
  if (damaged.length > minority) return
  const down = [...damaged, ...others].slice(0, minority)
  for (const host of world.hosts) {
    const isDown = down.includes(host)
    if (isDown && host.isRunning) host.crash(host.pendingWrites, 0)
    if (!isDown && !host.isRunning) host.start()
  }
  const before = world.checker.commit
  world.runUntil('a majority was left alone', () => world.checker.commit > before)
}

/** Neither who comes back from being cut off nor a stranger with a high term disturbs a leader. */
export function proveStability(world: RaftWorld, electionTicks: number): void {
  const { leader, hosts } = world
  const { term } = leader.raft
  const { voters } = leader.raft.status().membership
  const alone = world.random.pick(hosts.filter((host) => host !== leader || hosts.length === 1))
  if (voters.length >= 3 && alone !== leader) {
    world.isolate(alone)
    world.runFor(3 * electionTicks)
    world.setSides(null)
  }
  world.runFor(electionTicks)
  for (const to of voters) {
    const host = hosts.find((each) => each.id === to)
    const lastLog = { term: makeTerm(term + 4), index: makeLogIndex(10_000) }
    const message = { from: STRANGER, to, term: makeTerm(term + 5), lastLog }
    host?.call((raft) => raft.step({ kind: 'vote', ...message, isTransfer: false }))
    host?.call((raft) => raft.step({ kind: 'preVote', ...message }))
  }
  world.runFor(electionTicks)
  const isUndisturbed = leader.raft.role === 'leader' && leader.raft.term === term
  assert(isUndisturbed, `leader ${leader.id} of term ${term} was deposed without need`)
}

/**
 * Clients go on writing as fast as packets travel; the one that is to lead may have missed the latest.
 * It leads in the next term: nobody else was elected, and nothing was tried twice.
 */
export function proveTransfer(world: RaftWorld, electionTicks: number): void {
  const { leader } = world
  const { term } = leader.raft
  const { voters } = leader.raft.status().membership
  const to = world.random.pick(voters)
  const target = world.hosts.find((host) => host.id === to)
  assert(target !== undefined)
  if (target === leader) return
  for (let writes = world.random.below(4); writes > 0; writes--) {
    world.propose(leader)
    leader.takeAllReadys()
  }
  assert(
    leader.call((raft) => raft.transferLeadership(to)),
    `leader ${leader.id} can't hand over to ${to}`,
  )
  for (let ticks = 0; ticks < electionTicks; ticks++) {
    for (let rounds = 0; rounds < ROUNDS_PER_TICK; rounds++) {
      if (leader.raft.role === 'leader') world.propose(leader)
      if (!world.runRound()) break
    }
    for (const host of world.awake) host.call((raft) => raft.tick())
  }
  const { role } = target.raft
  assert(
    role === 'leader' && target.raft.term === term + 1,
    `leader ${leader.id} of term ${term} handed over to ${to}, which is ${role} in term ${target.raft.term}`,
  )
}

/** A leader whose followers hear it, but that does not hear them, must give way. */
export function proveDeafLeader(world: RaftWorld): void {
  const { leader } = world
  const { voters } = leader.raft.status().membership
  if (voters.length < 3) return
  world.deaf = leader.id
  const before = world.checker.commit
  world.runUntil('the leader went deaf', () => world.checker.commit > before && world.leader !== leader)
  world.deaf = null
}

function isConverged(world: RaftWorld, commitBefore: number): boolean {
  const leaders = world.hosts.filter((host) => host.raft.role === 'leader')
  // A leader that was cut off may not have noticed yet: the latest term counts.
  const leader = leaders.sort((left, right) => right.raft.term - left.raft.term)[0]
  if (leader === undefined || leader.raft.commit <= commitBefore) return false
  const { membership } = leader.raft.status()
  if (isJoint(membership)) return false
  const members = allMembers(membership)
  return world.hosts
    .filter((host) => members.includes(host.id))
    .every((host) => {
      const { applied } = host.raft.status()
      return applied === leader.raft.commit && host.state.digest === leader.state.digest && !host.isDamaged
    })
}
