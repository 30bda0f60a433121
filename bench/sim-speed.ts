/**
 * How much faster than real time the simulator runs a cluster of three nodes under load and faults, on
 * one core: `npm run bench:sim`.
 *
 * Always the same seeds: the first ones whose plan has three nodes, clients and faults as they draw
 * them. What counts is processor time of the whole process, with what the collector and the compiler
 * take on other threads. Each seed runs several times, round by round, and its quickest run counts: a
 * machine with other work makes processor time longer, never shorter, and thousands of seeds run in
 * one process, of which only the first few pay for compiling. How much slower its slowest run was says
 * how busy the machine is.
 */

import { runSeed } from '../sim/seeds/run-seed.ts'
import { drawSeedPlan } from '../sim/seeds/seed-plan.ts'
import { createSimRandom } from '../sim/world/random.ts'

const NODES = 3
const SEEDS = 15
const ROUNDS = 4

type Figure = {
  readonly seed: number
  readonly virtualMs: number
  readonly events: number
  readonly answered: number
  /** Of the quickest run and of the slowest. */
  cpuMs: number
  slowestMs: number
}

async function main(): Promise<void> {
  const seeds = seedsWithThreeNodes(SEEDS)
  const figures = new Map<number, Figure>()
  for (let round = 1; round <= ROUNDS; round++) {
    process.stderr.write(`round ${round} of ${ROUNDS}\n`)
    for (const seed of seeds) await measure(seed, figures)
  }
  process.stdout.write(table([...figures.values()]))
}

function seedsWithThreeNodes(count: number): readonly number[] {
  const seeds: number[] = []
  for (let seed = 1; seeds.length < count; seed++) {
    if (drawSeedPlan(createSimRandom(seed).fork('plan')).nodes === NODES) seeds.push(seed)
  }
  return seeds
}

async function measure(seed: number, figures: Map<number, Figure>): Promise<void> {
  const before = process.cpuUsage()
  const { virtualMs, events, answered } = await runSeed(seed)
  const { user, system } = process.cpuUsage(before)
  const cpuMs = (user + system) / 1000
  const known = figures.get(seed)
  if (known === undefined) {
    figures.set(seed, { seed, virtualMs, events, answered, cpuMs, slowestMs: cpuMs })
    return
  }
  known.cpuMs = Math.min(known.cpuMs, cpuMs)
  known.slowestMs = Math.max(known.slowestMs, cpuMs)
}

function table(figures: readonly Figure[]): string {
  const rows = figures.map(
    ({ seed, virtualMs, cpuMs, slowestMs, events, answered }) =>
      `${String(seed).padStart(6)}${(virtualMs / 1000).toFixed(1).padStart(12)}${(events / (virtualMs / 1000)).toFixed(0).padStart(10)}` +
      `${String(answered).padStart(10)}${((cpuMs * 1000) / events).toFixed(1).padStart(10)}${(virtualMs / cpuMs).toFixed(0).padStart(8)}×${(slowestMs / cpuMs).toFixed(1).padStart(13)}`,
  )
  const sum = (of: (figure: Figure) => number): number =>
    figures.reduce((total, figure) => total + of(figure), 0)
  const ratios = figures.map(({ virtualMs, cpuMs }) => virtualMs / cpuMs).sort((a, b) => a - b)
  const at = (share: number): string => (ratios[Math.floor((ratios.length - 1) * share)] as number).toFixed(0)
  const all = sum(({ virtualMs }) => virtualMs) / sum(({ cpuMs }) => cpuMs)
  return `${[
    `  seed   virtual s  events/s  answered  µs/event    ratio  slowest run`,
    ...rows,
    '',
    `virtual time / processor time of ${figures.length} seeds with ${NODES} nodes: ${all.toFixed(0)}× in all;`,
    `median ${at(0.5)}×, slowest ${at(0)}×, a tenth below ${at(0.1)}×, a tenth above ${at(0.9)}×, fastest ${at(1)}×`,
  ].join('\n')}\n`
}

await main()
