/**
 * Links between nodes that carry nothing, or something else than was sent. Clients reach every node,
 * but for `silent`.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SimRandom } from '../../../sim/world/random.ts'
import type { NemesisWorld } from '../nemesis-world.ts'
import type { LinkConditions, PacketNetwork } from '../network/packet-network.ts'
import { type Fault, repeat } from './fault.ts'

const CLIENTS = 0
const NOTHING: LinkConditions = { drop: 1 }
const FLAP_MS_MIN = 50
const FLAP_MS_MAX = 600
const RESET_PAUSE_MS_MAX = 300

type Conditions = (from: number, to: number) => LinkConditions | null

function networkFault(
  name: string,
  run: (
    world: NemesisWorld,
    network: PacketNetwork,
    random: SimRandom,
    durationMs: number,
  ) => Promise<string>,
): Fault {
  return {
    name,
    family: 'network',
    needsInside: true,
    run: async (world, random, durationMs) => {
      const { network } = world
      assert(network !== null)
      const whom = await run(world, network, random, durationMs)
      network.heal()
      return whom
    },
  }
}

function set(network: PacketNetwork, conditions: Conditions): void {
  for (const [from] of network.hosts.entries()) {
    for (const [to] of network.hosts.entries()) {
      const given = from === to ? null : conditions(from, to)
      if (given !== null) network.setLink(from, to, given)
    }
  }
}

/** Every link between nodes. */
function betweenNodes(conditions: LinkConditions): Conditions {
  return (from, to) => (from === CLIENTS || to === CLIENTS ? null : conditions)
}

async function somebody(world: NemesisWorld, random: SimRandom, isLeader: boolean): Promise<number> {
  return world.place(isLeader ? await world.cluster.leader() : random.pick(world.cluster.nodes))
}

/** One node, and which of its links with other nodes fail. */
function aroundOne(
  name: string,
  isLeader: boolean,
  fails: (isFromIt: boolean, hasClientEnd: boolean) => boolean,
): Fault {
  return networkFault(name, async (world, network, random, durationMs) => {
    const it = await somebody(world, random, isLeader)
    set(network, (from, to) => {
      if (from !== it && to !== it) return null
      return fails(from === it, from === CLIENTS || to === CLIENTS) ? NOTHING : null
    })
    await sleep(durationMs)
    return `n${it}`
  })
}

/** Two nodes that can't talk, and others that can with both. */
const bridge = networkFault('bridge', async (world, network, random, durationMs) => {
  const [left = 0, right = 0] = random.shuffle(world.cluster.nodes.map((node) => world.place(node)))
  set(network, (from, to) =>
    (from === left && to === right) || (from === right && to === left) ? NOTHING : null,
  )
  await sleep(durationMs)
  return `n${left}/n${right}`
})

/** Each hears the next only. */
const ring = networkFault('ring', async (world, network, _random, durationMs) => {
  const count = world.cluster.nodes.length
  set(network, (from, to) =>
    from === CLIENTS || to === CLIENTS || to === (from % count) + 1 ? null : NOTHING,
  )
  await sleep(durationMs)
  return 'all'
})

const flapping = networkFault('flapping', async (world, network, random, durationMs) => {
  const it = await somebody(world, random, random.chance(0.6))
  await repeat(durationMs, async () => {
    set(network, (from, to) =>
      (from === it || to === it) && from !== CLIENTS && to !== CLIENTS ? NOTHING : null,
    )
    await sleep(random.between(FLAP_MS_MIN, FLAP_MS_MAX))
    network.heal()
    await sleep(random.between(FLAP_MS_MIN, FLAP_MS_MAX))
  })
  return `n${it}`
})

function everywhere(name: string, draw: (random: SimRandom) => LinkConditions): Fault {
  return networkFault(name, async (_world, network, random, durationMs) => {
    const conditions = draw(random)
    set(network, betweenNodes(conditions))
    await sleep(durationMs)
    return JSON.stringify(conditions)
  })
}

const reset = networkFault('reset', async (world, network, random, durationMs) => {
  const places = [CLIENTS, ...world.cluster.nodes.map((node) => world.place(node))]
  let resets = 0
  await repeat(durationMs, async () => {
    const [from = 0, to = 0] = random.shuffle([...places])
    await network.reset(from, to)
    resets += 1
    await sleep(random.next() * RESET_PAUSE_MS_MAX)
  })
  return `${resets} pairs`
})

export const NETWORK_FAULTS: readonly Fault[] = [
  aroundOne('isolate-leader', true, (_isFromIt, hasClientEnd) => !hasClientEnd),
  aroundOne('partition', false, (_isFromIt, hasClientEnd) => !hasClientEnd),
  aroundOne('deaf-leader', true, (isFromIt, hasClientEnd) => !isFromIt && !hasClientEnd),
  aroundOne('mute-leader', true, (isFromIt, hasClientEnd) => isFromIt && !hasClientEnd),
  aroundOne('silent', true, () => true),
  bridge,
  ring,
  flapping,
  everywhere('slow', (random) => ({ delayMs: random.between(5, 60), jitterMs: random.between(0, 10) })),
  everywhere('lossy', (random) => ({ drop: random.between(1, 20) / 100 })),
  everywhere('jumbled', (random) => ({
    duplicate: random.between(1, 30) / 100,
    jitterMs: random.between(1, 25),
  })),
  reset,
]
