/** The same random calls to a real redis-server and to real nodes: alone, and through a follower of a cluster. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { compareEndpoints } from './compare-endpoints.ts'
import { type RunningNodes, startNodes } from './node-endpoint.ts'
import { ONE_DATABASE, type RunningServer, redisServerMissing, startRedisServer } from './redis-server.ts'

/** More of them: COMPARE_PIPELINES=5000 node --test test/differential/node-commands.test.ts */
const PIPELINES = Number(process.env['COMPARE_PIPELINES'] ?? 60)

for (const { nodes, through, seed } of [
  { nodes: 1, through: 0, seed: 101 },
  { nodes: 3, through: 2, seed: 103 },
] as const) {
  describe(`${nodes} node(s), through number ${through + 1}`, { skip: redisServerMissing() ?? false }, () => {
    let reference: RunningServer
    let ours: RunningNodes
    before(async () => {
      reference = await startRedisServer(ONE_DATABASE)
      ours = await startNodes(nodes)
    })
    after(async () => {
      await reference?.stop()
      await ours?.stop()
    })

    for (const protocol of ['2', '3'] as const) {
      test(`RESP${protocol}`, async () => {
        const right = ours.endpoints[through]
        assert.ok(right !== undefined)
        const { difference } = await compareEndpoints({
          left: reference.endpoint,
          right,
          seed: seed + Number(protocol),
          protocol,
          pipelines: PIPELINES,
        })
        assert.equal(difference, null)
      })
    }
  })
}
