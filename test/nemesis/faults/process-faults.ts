/** Processes that end, at once or in order, one or all, with or without their power; and that stand still. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SimRandom } from '../../../sim/world/random.ts'
import type { NemesisWorld } from '../nemesis-world.ts'
import type { NodeProcess } from '../node-process.ts'
import { type Fault, onOne, repeat } from './fault.ts'

type End = (world: NemesisWorld, node: NodeProcess, random: SimRandom) => Promise<void>

const kill: End = (world, node) => world.kill(node)
const cut: End = (world, node, random) => world.cut(node, random)
const terminate: End = (world, node) => world.terminate(node)

const LOOP_LIFE_MS_MIN = 30
const LOOP_LIFE_MS_MAX = 900
const FLICKER_MS_MIN = 30
const FLICKER_MS_MAX = 400

function endOne(name: string, end: End): Fault {
  return {
    name,
    family: 'process',
    needsInside: false,
    run: (world, random, durationMs) =>
      onOne(world, random, async (node) => {
        await end(world, node, random)
        await sleep(random.next() * durationMs)
        world.start(node)
      }),
  }
}

function endAll(name: string, end: End): Fault {
  return {
    name,
    family: 'process',
    needsInside: false,
    run: async (world, random, durationMs) => {
      const nodes = world.claimAll()
      await Promise.all(nodes.map((node) => end(world, node, random)))
      await sleep((random.next() * durationMs) / 4)
      for (const node of random.shuffle([...nodes])) {
        world.start(node)
        await sleep((random.next() * durationMs) / 8)
      }
      for (const node of nodes) world.release(node)
      return nodes.map((node) => node.id).join(' ')
    },
  }
}

/** It is ended while it starts, again and again. */
const restartLoop: Fault = {
  name: 'loop',
  family: 'process',
  needsInside: false,
  run: (world, random, durationMs) =>
    onOne(world, random, async (node) => {
      await world.kill(node)
      await repeat(durationMs, async () => {
        world.start(node)
        await sleep(random.between(LOOP_LIFE_MS_MIN, LOOP_LIFE_MS_MAX))
        if (node.isRunning) await (random.chance(0.5) ? kill : cut)(world, node, random)
      })
      world.start(node)
    }),
}

const stop: Fault = {
  name: 'stop',
  family: 'process',
  needsInside: false,
  run: (world, random, durationMs) =>
    onOne(world, random, async (node) => {
      node.signal('SIGSTOP')
      await sleep(durationMs)
      node.signal('SIGCONT')
    }),
}

/** Too short, often, for anybody to be sure. */
const flicker: Fault = {
  name: 'flicker',
  family: 'process',
  needsInside: false,
  run: (world, random, durationMs) =>
    onOne(world, random, (node) =>
      repeat(durationMs, async () => {
        node.signal('SIGSTOP')
        await sleep(random.between(FLICKER_MS_MIN, FLICKER_MS_MAX))
        node.signal('SIGCONT')
        await sleep(random.between(FLICKER_MS_MIN, FLICKER_MS_MAX))
      }),
    ),
}

export const PROCESS_FAULTS: readonly Fault[] = [
  endOne('kill', kill),
  endOne('cut', cut),
  endOne('term', terminate),
  endAll('kill-all', kill),
  endAll('cut-all', cut),
  restartLoop,
  stop,
  flicker,
]
