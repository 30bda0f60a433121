/**
 * Real processes, harmed in every way this machine allows, while clients use them; judged by the
 * checkers of the simulator.
 *
 *   node test/nemesis/nemesis.ts [--minutes 3] [--seed 1] [--nodes 3] [--faults kill,disk,...]
 *        [--together 0.3] [--no-sync] [--json] [--verbose]
 *
 * `--faults` takes names of faults and of families (process, network, disk); without it, all that are
 * possible here. Network faults and full disks need root (namespaces); everything needs Linux and gcc.
 *
 * Exit code 1 if any answer was wrong, anything acknowledged was lost or done twice, a node ended by
 * itself or did not come back. The evidence is then kept, and its place printed.
 */
import { existsSync, readdirSync, rmdirSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createSimRandom, type SimRandom } from '../../sim/world/random.ts'
import { numberOption } from '../../tools/number-option.ts'
import { compareStopped } from './compare-stopped.ts'
import { DISK_FAULTS } from './faults/disk-faults.ts'
import type { Fault } from './faults/fault.ts'
import { NETWORK_FAULTS } from './faults/network-faults.ts'
import { PROCESS_FAULTS } from './faults/process-faults.ts'
import { NemesisReport } from './nemesis-report.ts'
import { runRound } from './nemesis-round.ts'
import { createWorld, type NemesisWorld } from './nemesis-world.ts'
import { namespacesMissing, repeatInside } from './network/own-namespaces.ts'
import { PauseWatch } from './pause-watch.ts'
import { powerCutsMissing } from './power-cut/build-shim.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    faults: { type: 'string', default: '' },
    together: { type: 'string', default: '0.3' },
    'no-sync': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    /** Set when it runs in namespaces of its own. */
    inside: { type: 'boolean', default: false },
  },
})
const minutes = numberOption('--minutes', values.minutes)
const seed = numberOption('--seed', values.seed)
const nodes = numberOption('--nodes', values.nodes)
const together = numberOption('--together', values.together)

const ALL_FAULTS = [...PROCESS_FAULTS, ...NETWORK_FAULTS, ...DISK_FAULTS]
const HARM_MS_MIN = 300
const HARM_MS_MAX = 5_000

function chooseFaults(isInside: boolean): readonly Fault[] {
  const names = values.faults.split(',').filter((name) => name !== '')
  for (const name of names) {
    if (!ALL_FAULTS.some((fault) => fault.name === name || fault.family === name))
      throw new Error(
        `no fault or family ${name}; there are ${ALL_FAULTS.map((fault) => fault.name).join(', ')}`,
      )
  }
  const isAsked = ({ name, family }: Fault): boolean =>
    names.length === 0 || names.includes(name) || names.includes(family)
  return ALL_FAULTS.filter((fault) => isAsked(fault) && (isInside || !fault.needsInside))
}

/** Each once before any comes again, in another order each time; sometimes with one of another family. */
function* schedule(faults: readonly Fault[], random: SimRandom): Generator<readonly Fault[]> {
  for (;;) {
    for (const fault of random.shuffle([...faults])) {
      const others = faults.filter(({ family }) => family !== fault.family)
      const isAlone = others.length === 0 || !random.chance(together)
      yield isAlone ? [fault] : [fault, random.pick(others)]
    }
  }
}

async function harm(world: NemesisWorld, report: NemesisReport, faults: readonly Fault[]): Promise<void> {
  const random = createSimRandom(seed)
  const pauses = new PauseWatch(world.cluster.endpoints, seed)
  const endMs = performance.now() + minutes * 60_000
  report.memory(world.memory())
  let round = 0
  try {
    for (const chosen of schedule(faults, random.fork('schedule'))) {
      round += 1
      const ofRound = random.fork(`round-${round}`)
      const durationMs = ofRound.between(HARM_MS_MIN, HARM_MS_MAX)
      const result = await runRound(world, { round, faults: chosen, durationMs, random: ofRound, pauses })
      report.add(result)
      report.memory(world.memory())
      if (values.verbose) console.error(report.line(result))
      if (result.findings.length > 0) await report.keepEvidence(result, world)
      if (performance.now() > endMs) break
    }
  } finally {
    await pauses.stopClients()
  }
  report.numbered(pauses.acknowledged, pauses.unknown, await pauses.conclude())
}

/** An orderly stop of all, and a look at what they hold. */
async function conclude(world: NemesisWorld, report: NemesisReport): Promise<void> {
  await Promise.all(world.cluster.nodes.filter((node) => node.isRunning).map((node) => world.terminate(node)))
  report.finding(...world.findings)
  report.finding(...(await compareStopped(world.cluster.nodes)))
}

async function main(): Promise<number> {
  const missing = await powerCutsMissing()
  if (missing !== null) throw new Error(missing)
  const faults = chooseFaults(values.inside)
  if (faults.length === 0) throw new Error('none of these faults is possible here')
  const evidence = await mkdtemp(join(tmpdir(), 'holdfast-nemesis-evidence-'))
  process.once('exit', () => {
    // Of a run that was interrupted there is nothing to keep.
    if (existsSync(evidence) && readdirSync(evidence).length === 0) rmdirSync(evidence)
  })
  const report = new NemesisReport({ seed, faults, evidence })
  // A process of ours that still runs must not keep a run that failed from ending.
  const world = await createWorld({
    nodes,
    seed,
    isInside: values.inside,
    syncsNothing: values['no-sync'],
  }).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
  let isOver = false
  try {
    await harm(world, report, faults)
    await conclude(world, report)
    isOver = true
  } catch (error) {
    report.finding(...world.findings.splice(0), `the run could not go on: ${String(error)}`)
  } finally {
    if (!isOver || report.isBad) await writeFile(join(evidence, 'logs.txt'), world.cluster.logs())
    if (!isOver || report.isBad) await world.keepDirectories(evidence)
    report.finding(...(await world.destroy()).map((path) => `${path} is left behind`))
  }
  await report.finish()
  console.log(values.json ? report.json() : report.table())
  return report.isBad ? 1 : 0
}

if (import.meta.main) {
  const reason = values.inside ? null : await namespacesMissing()
  try {
    if (!values.inside && reason === null) {
      process.exitCode = await repeatInside(fileURLToPath(import.meta.url), [
        ...process.argv.slice(2),
        '--inside',
      ])
    } else {
      if (reason !== null) console.error(`without network faults and full disks: ${reason}`)
      process.exitCode = await main()
    }
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  }
}
