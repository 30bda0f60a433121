/**
 * A long comparison with redis-server, by hand: random commands, transactions with conflicts,
 * scans and expiries, seed after seed, until so many calls were the same or one was not.
 *
 *   node test/differential/compare.ts --commands 500000 [--seed 1] [--nodes 0 | 1 | 3]
 *
 * 0 nodes: the key machine behind the protocol, without a log; otherwise real nodes, through the last of them.
 */
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { numberOption } from '../../tools/number-option.ts'
import { compareEndpoints } from './compare-endpoints.ts'
import { startMachineEndpoint } from './machine-endpoint.ts'
import { startNodes } from './node-endpoint.ts'
import { type Endpoint, ONE_DATABASE, redisServerMissing, startRedisServer } from './redis-server.ts'

const PIPELINES_PER_SEED = 2_000

type Ours = { readonly endpoint: Endpoint; stop(): Promise<void> }

async function start(nodes: number): Promise<Ours> {
  if (nodes === 0) return startMachineEndpoint()
  assert.ok(nodes === 1 || nodes === 3, 'nodes are 0, 1 or 3')
  const running = await startNodes(nodes)
  const endpoint = running.endpoints.at(-1)
  assert.ok(endpoint !== undefined)
  return { endpoint, stop: () => running.stop() }
}

const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '500000' },
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '0' },
  },
})
const firstSeed = numberOption('--seed', values.seed)
const commands = numberOption('--commands', values.commands)
const nodes = numberOption('--nodes', values.nodes)
const missing = redisServerMissing()
assert.equal(missing, undefined)
const reference = await startRedisServer(ONE_DATABASE)
const ours = await start(nodes)
const startedMs = performance.now()
let compared = 0
try {
  for (let seed = firstSeed; compared < commands; seed++) {
    const protocol = seed % 2 === 0 ? '2' : '3'
    const { calls, difference } = await compareEndpoints({
      left: reference.endpoint,
      right: ours.endpoint,
      seed,
      protocol,
      pipelines: PIPELINES_PER_SEED,
    })
    compared += calls
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    console.log(`seed ${seed}, RESP${protocol}: ${compared} calls compared in ${seconds} s`)
    if (difference === null) continue
    console.log(difference)
    process.exitCode = 1
    break
  }
} finally {
  await reference.stop()
  await ours.stop()
}
