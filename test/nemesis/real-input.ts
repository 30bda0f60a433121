/**
 * A real data set through real clients, before and after a kill: `examples/load-words.ts` against one
 * node and against three, and Redis' own tools against one node and each node of a cluster.
 *
 *   node test/nemesis/real-input.ts [--requests 20000]
 *
 * Exit code 1 at the first difference. Takes about a minute.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { loadWords, verifyWords, wordCount } from '../../examples/load-words.ts'
import type { NodeProcess } from './node-process.ts'
import { type RealCluster, startCluster } from './real-cluster.ts'

const BENCHMARK_TESTS = ['SET', 'GET', 'INCR', 'MSET', 'HSET'] as const
const TOOL_MS_MAX = 120_000

const run = promisify(execFile)
const { values } = parseArgs({ options: { requests: { type: 'string', default: '20000' } } })

async function survivesKill(cluster: RealCluster): Promise<void> {
  const count = cluster.nodes.length
  const leader = await cluster.leader()
  await loadWords(leader.redis, (line) => console.log(`${count} node(s): ${line}`))
  await leader.kill()
  console.log(`${count} node(s): ${leader.id} was killed with SIGKILL`)
  if (count === 1) await leader.start()
  const heir = await cluster.leader()
  await verifyWords(heir.redis, (line) => console.log(`${count} node(s): ${line}`))
  if (count === 1) return
  await leader.start()
  await cluster.untilSettled()
  await verifyWords(leader.redis, (line) =>
    console.log(`${count} node(s), read through the one that was killed: ${line}`),
  )
}

async function servesTools(node: NodeProcess, requests: string): Promise<void> {
  const port = String(node.redis.port)
  const cli = async (...words: readonly string[]): Promise<string> => {
    const { stdout } = await run('redis-cli', ['-p', port, ...words], { timeout: TOOL_MS_MAX })
    return stdout.trim()
  }
  assert.equal(await cli('SET', 'greeting', 'hello'), 'OK')
  assert.equal(await cli('GET', 'greeting'), 'hello')
  assert.equal(await cli('PING'), 'PONG')
  const words = ['-p', port, '-t', BENCHMARK_TESTS.join(',').toLowerCase(), '-n', requests, '-P', '16', '-q']
  const { stdout, stderr } = await run('redis-benchmark', words, { timeout: TOOL_MS_MAX })
  for (const name of BENCHMARK_TESTS) {
    const found = new RegExp(`^ ?${name}[^\\r\\n]*: ([\\d.]+) requests per second`, 'm').exec(
      stdout.replaceAll('\r', '\n'),
    )
    assert(found !== null, `redis-benchmark says nothing about ${name}:\n${stdout}\n${stderr}`)
    console.log(`${node.id}: redis-benchmark ${name} ${found[1]} requests per second`)
  }
}

console.log(`${wordCount} words`)
assert(wordCount >= 100_000)
for (const nodes of [1, 3]) {
  const cluster = await startCluster({ nodes })
  try {
    await survivesKill(cluster)
    for (const node of cluster.nodes) await servesTools(node, values.requests)
  } finally {
    await cluster.destroy()
  }
}
console.log('all good')
