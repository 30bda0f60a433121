/**
 * Three nodes under a load of small reads and writes, and beside it, in turn: KEYS over all keys, a hundred
 * thousand keys that expire at one instant, a follower that lost its data and gets a snapshot, FLUSHALL.
 * Prints the longest stretch of any node's main loop in each of these phases.
 *
 *   node bench/mixed.ts [--minutes 10] [--keys 1000000] [--expiring 100000]
 *
 * A stretch is processor time of the main thread between two turns of a timer (loop-probe.ts). The phases
 * go on in rounds until the time is over; the round that is under way then is finished.
 */
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { KEY_DIGITS } from '../src/cli/bench/requests.ts'
import type { NodeProcess } from '../test/nemesis/node-process.ts'
import { type RealCluster, startCluster } from '../test/nemesis/real-cluster.ts'
import { numberOption } from '../tools/number-option.ts'
import type { LoadClient } from './load/load-client.ts'
import { send } from './long-work.ts'
import type { LoopReading } from './loop-probe.ts'
import { describeReading, probeEnvironment, readProbe, resetProbe } from './loop-reading.ts'
import { expireAtOnce } from './mass-expiry.ts'
import { fill, printRows, type Row, taskFor, withLoads } from './own-node.ts'

const TARGET = '≤ 20 ms CPU'
const PHASE_MS = 10_000
const LEAD_MS = 1_000
const POLL_MS = 10
const MS_PER_MINUTE = 60_000
/** Of the load; the other keys are only there to be walked over, expired and cleared. */
const LOAD = { keys: 10_000, clients: 10, pipeline: 4 } as const
const READ = ['EXISTS', `bench:key:${KEY_DIGITS}`]

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    keys: { type: 'string', default: '1000000' },
    expiring: { type: 'string', default: '100000' },
  },
})
const keys = numberOption('--keys', values.keys)
const expiring = numberOption('--expiring', values.expiring)
const minutes = numberOption('--minutes', values.minutes)

type Loads = { readonly writes: LoadClient; readonly counts: LoadClient; readonly reads: LoadClient }
type Phase = { readonly name: string; readonly run: () => Promise<string> }
type Worst = { reading: LoopReading; rounds: number; slowestMs: number; readonly outcomes: string[] }

/** Beside the data: that directory may be lost. */
function probeFile(directory: string): string {
  return `${directory}-loop`
}

/** What the probes of all nodes see while the load goes on and the phase runs. */
async function during(
  cluster: RealCluster,
  loads: Loads,
  phase: Phase,
): Promise<{ readonly reading: LoopReading; readonly slowestMs: number; readonly outcome: string }> {
  const files = cluster.nodes.map(({ directory }) => probeFile(directory))
  await Promise.all(files.map(resetProbe))
  const extent = { warmUpMs: 0, measureMs: PHASE_MS }
  const [first, second] = cluster.nodes as readonly [NodeProcess, NodeProcess]
  const others = Promise.all([
    loads.writes.run(taskFor(first, { ...LOAD, test: 'set', extent })),
    loads.counts.run(taskFor(second, { ...LOAD, test: 'incr', extent })),
    // The third may be the one that loses its data.
    loads.reads.run(taskFor(first, { ...LOAD, test: READ, extent })),
  ])
  await sleep(LEAD_MS)
  const outcome = await phase.run()
  const slowestMs = await others.then(
    (figures) => Math.max(...figures.map(({ maxMs }) => maxMs)),
    (error: unknown) => {
      console.error(`${phase.name}: ${String(error)}`)
      return Number.NaN
    },
  )
  await cluster.untilSettled()
  const readings = await Promise.all(files.map(readProbe))
  const longest = readings.reduce((one, other) => (other.cpuMsMax > one.cpuMsMax ? other : one))
  const sum = (of: (reading: LoopReading) => number): number =>
    readings.reduce((total, reading) => total + of(reading), 0)
  const reading = {
    ...longest,
    wallMsMax: Math.max(...readings.map(({ wallMsMax }) => wallMsMax)),
    cpuOver20Ms: sum(({ cpuOver20Ms }) => cpuOver20Ms),
    stretches: sum(({ stretches }) => stretches),
  }
  return { reading, slowestMs, outcome }
}

function phasesOf(cluster: RealCluster, client: LoadClient, writesPerSecond: number): readonly Phase[] {
  const [first] = cluster.nodes as readonly [NodeProcess]
  const answered = async (...words: string[]): Promise<string> => {
    const { milliseconds, bytes, error } = await send(first.redis, [words])
    return `${error ?? `${bytes} bytes`} after ${milliseconds.toFixed(0)} ms`
  }
  return [
    { name: 'the load alone', run: () => sleep(PHASE_MS - LEAD_MS * 2, 'for comparison') },
    { name: `KEYS * over ${keys} keys`, run: () => answered('KEYS', '*') },
    { name: 'a follower gets a snapshot', run: () => reseed(cluster) },
    {
      name: `${expiring} keys expire at one instant`,
      run: async () => (await expireAtOnce(client, first, expiring, writesPerSecond)).countLeft(),
    },
    { name: `FLUSHALL of ${keys} keys`, run: () => answered('FLUSHALL') },
  ]
}

/** One that does not lead loses its data directory and joins again. */
async function reseed(cluster: RealCluster): Promise<string> {
  const leader = await cluster.leader()
  const [first] = cluster.nodes as readonly [NodeProcess]
  const lost = cluster.nodes.find((node) => node !== leader && node !== first && node !== cluster.nodes[1])
  if (lost === undefined) return 'none was lost: the third node leads'
  await lost.kill()
  await rm(lost.directory, { recursive: true, force: true })
  const beginMs = performance.now()
  const isUp = lost.start([`--join=${first.peer.host}:${first.peer.port}`])
  // Loading the program is one long stretch, and no work that anybody waits for.
  while ((await cluster.status(lost)) === null) await sleep(POLL_MS)
  await resetProbe(probeFile(lost.directory))
  await isUp
  await cluster.untilSettled()
  return `whole again after ${(performance.now() - beginMs).toFixed(0)} ms`
}

async function run(cluster: RealCluster, loads: Loads, client: LoadClient): Promise<readonly Row[]> {
  const endMs = performance.now() + minutes * MS_PER_MINUTE
  const worst = new Map<string, Worst>()
  do {
    const { requestsPerSecond } = await fill(client, cluster.nodes[0] as NodeProcess, keys)
    for (const phase of phasesOf(cluster, client, requestsPerSecond)) {
      const { reading, slowestMs, outcome } = await during(cluster, loads, phase)
      console.error(`${phase.name}: ${describeReading(reading)}; ${outcome}`)
      const known = worst.get(phase.name) ?? { reading, rounds: 0, slowestMs: 0, outcomes: [] }
      known.rounds += 1
      known.slowestMs = Math.max(known.slowestMs, slowestMs)
      known.outcomes.push(outcome)
      if (reading.cpuMsMax > known.reading.cpuMsMax) known.reading = reading
      worst.set(phase.name, known)
    }
  } while (performance.now() < endMs)
  return [...worst].map(([name, { reading, rounds, slowestMs, outcomes }]) => [
    name,
    TARGET,
    `${describeReading(reading)}; ${rounds} rounds; others waited ${slowestMs.toFixed(0)} ms at most; ${outcomes.at(-1)}`,
  ])
}

const cluster = await startCluster({
  nodes: 3,
  environment: (_id, directory) => probeEnvironment(probeFile(directory)),
})
try {
  const rows = await withLoads(4, ([client, writes, counts, reads]) =>
    run(cluster, { writes, counts, reads } as Loads, client as LoadClient),
  )
  printRows(rows)
} finally {
  await cluster.destroy()
}
