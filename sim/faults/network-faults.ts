/** Links between machines that are cut, flap, crawl, change bytes, or forget their connections. */

import { PEER_PORT, type SimNode } from '../cluster/sim-node.ts'
import type { Recording } from '../network/network-frames.ts'
import type { LinkConditions } from '../network/network-link.ts'
import { createSimClock } from '../world/clock.ts'
import { sendForeigner } from './foreign-peer.ts'
import type { Harm, Performer, Performers } from './harm.ts'

type Pair = readonly [from: string, to: string]

const FLAPS_PER_SECOND = [2, 10, 50] as const

export const NETWORK_FAULTS: Performers = {
  /** Two sides, of any size. */
  partition: cut((hosts, harm) => {
    const size = harm.random.between(1, hosts.length - 1)
    return cross(hosts.slice(0, size), hosts.slice(size))
  }),
  oneWayPartition: cut(([one, other]) => [[one as string, other as string]]),
  /** Two machines no longer reach each other; everybody else reaches both. */
  partialPartition: cut(([one, other]) => cross([one as string], [other as string])),
  /** Each machine reaches its two neighbours only. */
  ringPartition: cut((hosts) =>
    hosts.length < 4 ? [] : hosts.flatMap((host, at) => strangersOf(hosts, host, at)),
  ),
  /** Two sides, and one machine that reaches both. */
  bridgePartition: cut((hosts) => {
    const half = Math.ceil((hosts.length - 1) / 2)
    return hosts.length < 3 ? [] : cross(hosts.slice(1, 1 + half), hosts.slice(1 + half))
  }),
  isolateLeader: cut((hosts, harm) => {
    const leader = leaderOf(harm)
    return leader === undefined
      ? []
      : cross(
          [leader.host],
          hosts.filter((host) => host !== leader.host),
        )
  }),
  /** Everybody hears the leader, and the leader hears nobody; or the other way round. */
  halfDeafLeader: cut((hosts, harm) => {
    const leader = leaderOf(harm)
    if (leader === undefined) return []
    const others = hosts.filter((host) => host !== leader.host)
    const isDeaf = harm.random.chance(0.5)
    return others.map((other): Pair => (isDeaf ? [other, leader.host] : [leader.host, other]))
  }),
  flapping: (harm) => {
    const [one, other] = twoHosts(harm)
    if (one === undefined || other === undefined) return false
    note(harm, 'flapping', [one, other])
    const everyMs = 1_000 / harm.random.pick(FLAPS_PER_SECOND)
    flap(harm, cross([one], [other]), everyMs, harm.cluster.scheduler.nowMs + harm.durationMs(), true)
    return true
  },
  /** Some machines stop being heard one after the other, and are heard again in another order. */
  clog: (harm) => {
    const { nodes, network } = harm.cluster
    if (nodes.length < 2) return false
    const hosts = nodes.map((node) => node.host)
    const clogged = harm.random.shuffle([...hosts]).slice(0, harm.random.between(1, hosts.length))
    note(harm, 'clog', clogged)
    for (const host of clogged) {
      const pairs = hosts.filter((other) => other !== host).map((other): Pair => [host, other])
      harm.whileItLasts(harm.durationMs() / 2, () => {
        for (const [from, to] of pairs) network.block(from, to)
        unblockLater(harm, pairs)
      })
    }
    return true
  },
  /** Frames are lost, doubled, overtaken, repeated, of one node or of all. */
  looseFrames: (harm) => {
    const { random } = harm
    const { nodes } = harm.cluster
    const hit = random.chance(0.5) ? nodes : [random.pick(nodes)]
    const share = (): number => (random.chance(0.5) ? random.pick([0.02, 0.2]) : 0)
    const faults = { drop: share(), duplicate: share(), overtake: share(), replay: share() }
    note(
      harm,
      `looseFrames ${JSON.stringify(faults)}`,
      hit.map((node) => node.host),
    )
    for (const node of hit) node.frames.setFaults(faults)
    harm.whileItLasts(harm.durationMs(), () => {
      for (const node of hit) node.frames.setFaults(null)
    })
    return true
  },
  /** Everything that a node once said to another comes again, over a connection of its own. */
  replayConnection: (harm) => {
    const { random, cluster } = harm
    const node = random.pick(cluster.nodes)
    const { recordings } = node.frames
    if (recordings.length === 0) return false
    const recording = random.pick(recordings)
    note(harm, `replayConnection of ${recording.frames.length} frames`, [node.host, recording.host])
    repeatConnection(harm, recording)
    return true
  },
  foreignPeer: sendForeigner,
  reset: onPair('reset', (harm, one, other) => harm.cluster.network.reset(one, other)),
  halfOpen: onPair('halfOpen', (harm, one, other) => harm.cluster.network.halfOpen(one, other)),
  refuseConnections: onPair('refuseConnections', (harm, one, other) => {
    harm.cluster.network.reset(one, other)
    condition(harm, one, other, { refusesConnections: true })
  }),
  slowLink: onPair('slowLink', (harm, one, other) =>
    condition(harm, one, other, { maxLatencyMs: harm.random.pick([10, 60, 300]) }),
  ),
  thinLink: onPair('thinLink', (harm, one, other) =>
    condition(harm, one, other, { bytesPerMs: harm.random.pick([1, 10, 100]) }),
  ),
  corruptLink: onPair('corruptLink', (harm, one, other) =>
    condition(harm, one, other, { corruptProbability: harm.random.pick([0.001, 0.05]) }),
  ),
}

function repeatConnection(harm: Harm, { host, frames }: Recording): void {
  const { network, scheduler } = harm.cluster
  const clock = createSimClock(scheduler)
  const echo = network.attach(`echo-${scheduler.eventCount}`, clock)
  const connection = echo.connect({ host, port: PEER_PORT }, { timeoutMs: 1_000 })
  connection.handle({
    onOpen: () => {
      for (const frame of frames) connection.write(frame)
    },
    onData: () => undefined,
    onClose: () => undefined,
  })
  harm.after(harm.durationMs(), () => connection.destroy())
}

function cut(choose: (shuffled: readonly string[], harm: Harm) => readonly Pair[]): Performer {
  return (harm) => {
    const { network, nodes } = harm.cluster
    if (nodes.length < 2) return false
    const pairs = choose(harm.random.shuffle(nodes.map((node) => node.host)), harm)
    if (pairs.length === 0) return false
    note(
      harm,
      'cut',
      pairs.map(([from, to]) => `${from}>${to}`),
    )
    for (const [from, to] of pairs) network.block(from, to)
    unblockLater(harm, pairs)
    return true
  }
}

function onPair(kind: string, hurt: (harm: Harm, one: string, other: string) => void): Performer {
  return (harm) => {
    const [one, other] = twoHosts(harm)
    if (one === undefined || other === undefined) return false
    note(harm, kind, [one, other])
    hurt(harm, one, other)
    return true
  }
}

function unblockLater(harm: Harm, pairs: readonly Pair[]): void {
  harm.whileItLasts(harm.durationMs(), () => {
    for (const [from, to] of pairs) harm.cluster.network.unblock(from, to)
  })
}

function flap(harm: Harm, pairs: readonly Pair[], everyMs: number, endMs: number, isCut: boolean): void {
  const { network, scheduler } = harm.cluster
  for (const [from, to] of pairs) {
    if (isCut) network.block(from, to)
    else network.unblock(from, to)
  }
  if (scheduler.nowMs > endMs && !isCut) return
  harm.whileItLasts(everyMs * (0.5 + harm.random.next()), () => flap(harm, pairs, everyMs, endMs, !isCut))
}

function condition(harm: Harm, one: string, other: string, conditions: Partial<LinkConditions>): void {
  harm.cluster.network.setLink(one, other, conditions)
  harm.whileItLasts(harm.durationMs(), () => harm.cluster.network.restoreLink(one, other))
}

function twoHosts(harm: Harm): readonly (string | undefined)[] {
  return harm.random.shuffle(harm.cluster.nodes.map((node) => node.host)).slice(0, 2)
}

function leaderOf(harm: Harm): SimNode | undefined {
  return harm.cluster.nodes.find((node) => node.replicas.some(({ raft }) => raft.role === 'leader'))
}

function strangersOf(hosts: readonly string[], host: string, at: number): readonly Pair[] {
  const neighbours = [hosts[(at + 1) % hosts.length], hosts[(at + hosts.length - 1) % hosts.length], host]
  return hosts.filter((other) => !neighbours.includes(other)).map((other): Pair => [host, other])
}

function cross(left: readonly string[], right: readonly string[]): readonly Pair[] {
  return left.flatMap((one) =>
    right.flatMap((other): Pair[] => [
      [one, other],
      [other, one],
    ]),
  )
}

function note(harm: Harm, what: string, hosts: readonly string[]): void {
  harm.cluster.log.logger('net').warning(`nemesis: ${what}`, { hosts })
}
