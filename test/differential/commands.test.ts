/**
 * Random calls of all key commands, the same on a real redis-server and on ours: every reply must
 * say the same. And the harness itself: two real servers agree, and a planted difference is found.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { kvCommands } from '../../src/kv/command-table.ts'
import { compareEndpoints } from './compare-endpoints.ts'
import { startMachineEndpoint } from './machine-endpoint.ts'
import { GENERATORS } from './random-commands.ts'
import { ONE_DATABASE, type RunningServer, redisServerMissing, startRedisServer } from './redis-server.ts'
import { connectRespClient } from './resp-client.ts'

const SEEDS = [1, 2, 3, 4, 5, 6]
const PIPELINES = 300
/** Of all seeds; a longer run: `node test/differential/compare.ts --commands 500000`. */
const CALLS_MIN = 20_000
/** Compared in another way, or only between our own nodes. */
const WITHOUT_GENERATOR = new Set(['dbsize', 'scan', 'holdfast.revisions', 'holdfast.scan', 'holdfast.watch'])

test('every key command is among the random calls', () => {
  const missing = [...kvCommands.keys()].filter(
    (name) => !(name in GENERATORS) && !WITHOUT_GENERATOR.has(name),
  )
  assert.deepEqual(missing, [])
})

describe('the same replies as redis-server', { skip: redisServerMissing() ?? false }, () => {
  let reference: RunningServer
  let ours: RunningServer
  before(async () => {
    reference = await startRedisServer(ONE_DATABASE)
    ours = await startMachineEndpoint()
  })
  after(async () => {
    await reference?.stop()
    await ours?.stop()
  })

  let compared = 0
  for (const seed of SEEDS) {
    const protocol = seed % 2 === 0 ? '2' : '3'
    test(`seed ${seed}, RESP${protocol}`, async () => {
      const comparison = {
        left: reference.endpoint,
        right: ours.endpoint,
        seed,
        protocol,
        pipelines: PIPELINES,
      } as const
      const { calls, difference } = await compareEndpoints(comparison)
      assert.equal(difference, null)
      compared += calls
    })
  }

  test(`${CALLS_MIN} calls were compared`, () => {
    assert.ok(compared >= CALLS_MIN, `only ${compared}`)
  })
})

describe('the comparison itself', { skip: redisServerMissing() ?? false }, () => {
  let left: RunningServer
  let right: RunningServer
  before(async () => {
    left = await startRedisServer(ONE_DATABASE)
    right = await startRedisServer(ONE_DATABASE)
  })
  after(async () => {
    await left?.stop()
    await right?.stop()
  })

  test('two real servers agree', async () => {
    for (const protocol of ['2', '3'] as const) {
      const comparison = { left: left.endpoint, right: right.endpoint, seed: 77, protocol, pipelines: 60 }
      assert.deepEqual((await compareEndpoints(comparison)).difference, null)
    }
  })

  test('a server that behaves differently is found out', async () => {
    const client = await connectRespClient(right.endpoint)
    const planted: readonly (readonly string[])[] = [
      ['acl', 'setuser', 'default', '-strlen'],
      ['acl', 'setuser', 'default', '+strlen', '-persist'],
    ]
    for (const difference of planted) {
      await client.call(...difference)
      const comparison = {
        left: left.endpoint,
        right: right.endpoint,
        seed: 78,
        protocol: '2',
        pipelines: 60,
      } as const
      assert.match((await compareEndpoints(comparison)).difference ?? '', /NOPERM/)
    }
    client.close()
  })
})
