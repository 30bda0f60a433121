/**
 * How much faster than real time the simulator runs a cluster of three nodes under load and faults, on
 * one core: `npm run bench:sim`.
 *
 * Always the same seeds: the first ones whose plan has three nodes, clients and faults as they draw
 * them. What counts is processor time of the whole process, with what the collector and the compiler
 * take on other threads, so that a busy machine changes little. Some seeds run before the measurement:
 * thousands of seeds run in one process, and the first few pay for compiling.
 */
import { createSimRandom } from '../sim/random.ts'
import { runSeed } from '../sim/run-seed.ts'
import { drawSeedPlan } from '../sim/seed-plan.ts'

const NODES = 3
const WARM_SEEDS = 5
const MEASURED_SEEDS = 15

type Figure = {
  readonly seed: number
  readonly virtualMs: number
  readonly cpuMs: number
  readonly events: number
  readonly answered: number
}

async function main(): Promise<void> {
  const seeds = seedsWithThreeNodes(WARM_SEEDS + MEASURED_SEEDS)
  for (const seed of seeds.slice(0, WARM_SEEDS)) await runSeed(seed)
  const figures: Figure[] = []
  for (const seed of seeds.slice(WARM_SEEDS)) figures.push(await measure(seed))
  process.stdout.write(table(figures))
}

function seedsWithThreeNodes(count: number): readonly number[] {
  const seeds: number[] = []
  for (let seed = 1; seeds.length < count; seed++) {
    if (drawSeedPlan(createSimRandom(seed).fork('plan')).nodes === NODES) seeds.push(seed)
  }
  return seeds
}

async function measure(seed: number): Promise<Figure> {
  const before = process.cpuUsage()
  const { virtualMs, events, answered } = await runSeed(seed)
  const { user, system } = process.cpuUsage(before)
  return { seed, virtualMs, cpuMs: (user + system) / 1000, events, answered }
}

function table(figures: readonly Figure[]): string {
  const rows = figures.map(
    ({ seed, virtualMs, cpuMs, events, answered }) =>
      `${String(seed).padStart(6)}${(virtualMs / 1000).toFixed(1).padStart(12)}${(events / (virtualMs / 1000)).toFixed(0).padStart(10)}` +
      `${String(answered).padStart(10)}${((cpuMs * 1000) / events).toFixed(1).padStart(10)}${(virtualMs / cpuMs).toFixed(0).padStart(8)}×`,
  )
  const sum = (of: (figure: Figure) => number): number =>
    figures.reduce((total, figure) => total + of(figure), 0)
  const ratios = figures.map(({ virtualMs, cpuMs }) => virtualMs / cpuMs).sort((a, b) => a - b)
  const at = (share: number): string => (ratios[Math.floor((ratios.length - 1) * share)] as number).toFixed(0)
  const all = sum(({ virtualMs }) => virtualMs) / sum(({ cpuMs }) => cpuMs)
  return `${[
    `  seed   virtual s  events/s  answered  µs/event   ratio`,
    ...rows,
    '',
    `virtual time / processor time of ${figures.length} seeds with ${NODES} nodes: ${all.toFixed(0)}× in all;`,
    `median ${at(0.5)}×, slowest ${at(0)}×, a tenth below ${at(0.1)}×, a tenth above ${at(0.9)}×, fastest ${at(1)}×`,
  ].join('\n')}\n`
}

await main()
