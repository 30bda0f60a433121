/**
 * The kill test as a command.
 *
 *   node test/nemesis/kill-test.ts [--kills 50] [--signal KILL|TERM|STOP] [--clients 8] [--nodes 3]
 *        [--client plain|ioredis] [--seed N] [--power-cut [--no-sync] | --sync-delay MS] [--json] [--verbose]
 *
 * Exit code 1 if anything acknowledged was lost or anything happened twice.
 */
import { parseArgs } from 'node:util'
import { numberOption } from '../../tools/number-option.ts'
import { startSlowCluster } from './disk/slow-cluster.ts'
import type { Distribution } from './gap-watch.ts'
import { connectIoredis } from './ioredis-connection.ts'
import { type KillResult, runKills } from './kill-run.ts'
import { startCutCluster } from './power-cut/cut-cluster.ts'
import { startCluster } from './real-cluster.ts'
import { connectResp } from './resp-connection.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    signal: { type: 'string', default: 'KILL' },
    client: { type: 'string', default: 'plain' },
    clients: { type: 'string', default: '8' },
    nodes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    'power-cut': { type: 'boolean', default: false },
    'no-sync': { type: 'boolean', default: false },
    'sync-delay': { type: 'string', default: '0' },
  },
})

const kills = numberOption('--kills', values.kills)
const clients = numberOption('--clients', values.clients)
const nodes = numberOption('--nodes', values.nodes)
const seed = numberOption('--seed', values.seed)
const syncDelayMs = numberOption('--sync-delay', values['sync-delay'])

/** The first ones tell the story. */
const FINDINGS_SHOWN = 20

function signalOf(name: string): 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' {
  const signal = `SIG${name}`
  if (signal === 'SIGKILL' || signal === 'SIGTERM' || signal === 'SIGSTOP') return signal
  throw new Error(`--signal is KILL, TERM or STOP, not ${name}`)
}

function connectionOf(client: string): typeof connectResp {
  if (client === 'plain') return connectResp
  if (client === 'ioredis') return connectIoredis
  throw new Error(`--client is plain or ioredis, not ${client}`)
}

function row(name: string, { count, p50, p90, p99, max }: Distribution): string {
  const cell = (value: number): string => String(value).padStart(9)
  return `${name.padEnd(44)}${cell(count)}${cell(p50)}${cell(p90)}${cell(p99)}${cell(max)}\n`
}

function summarize(result: KillResult): string {
  const { gapMs } = result
  const findings = [...result.lost, ...result.doubled, ...result.stale]
  return (
    `${result.kills} times ${result.signal}, seed ${result.seed}\n` +
    `acknowledged writes ${result.acknowledged}, unknown ${result.unknown}, keys read back ${result.keysRead}\n` +
    `lost ${result.lost.length}, doubled ${result.doubled.length}, stale reads ${result.stale.length}, ` +
    `errors for clients of other nodes ${result.survivorErrors}\n` +
    `errors ${JSON.stringify(result.errors)}, exits ${JSON.stringify(result.exits)}\n` +
    `${'ms'.padEnd(44)}${['count', 'p50', 'p90', 'p99', 'max'].map((name) => name.padStart(9)).join('')}\n` +
    row('no write acknowledged to anybody', gapMs.cluster) +
    row('no write acknowledged: clients of others', gapMs.survivors) +
    row('no write acknowledged: clients of the ended', gapMs.attached) +
    row('no write acknowledged while it came back', gapMs.rejoin) +
    row('from start to serving', result.startMs) +
    row('from the signal to the end', result.stopMs) +
    findings
      .slice(0, FINDINGS_SHOWN)
      .map((line) => `  ${line}\n`)
      .join('')
  )
}

if (values['power-cut'] && syncDelayMs > 0) throw new Error('--power-cut and --sync-delay do not go together')
const cuts = values['power-cut']
  ? await startCutCluster({
      nodes,
      seed,
      syncsNothing: values['no-sync'],
    })
  : null
const cluster =
  cuts?.cluster ??
  (await (syncDelayMs > 0 ? startSlowCluster({ nodes, syncDelayMs }) : startCluster({ nodes })))
try {
  const result = await runKills(cluster, {
    kills,
    signal: signalOf(values.signal),
    clients,
    seed,
    connect: connectionOf(values.client),
    ...(cuts === null ? {} : { afterKill: cuts.cut }),
    onKill: (line) => {
      if (values.verbose) console.error(line, cuts?.reports.at(-1) ?? '')
    },
  })
  console.log(values.json ? JSON.stringify(result, null, 2) : summarize(result))
  if (result.acknowledged === 0) throw new Error('nothing was acknowledged: the run shows nothing')
  process.exitCode = result.lost.length + result.doubled.length + result.stale.length > 0 ? 1 : 0
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await cluster.destroy()
}
