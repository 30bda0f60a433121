/**
 * The checker that judges the histories of real clusters can fail: a history recorded from three real
 * processes, through a kill of the leader, has an explanation; the same with one answer altered has
 * none.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { KEYS_PER_GROUP } from '../../sim/workloads/key-client.ts'
import { checkKeyCalls, type KeyCall, KeyHistory } from '../../sim/workloads/key-history.ts'
import { createSimRandom } from '../../sim/world/random.ts'
import { startClients } from '../nemesis/nemesis-round.ts'
import { startCluster } from '../nemesis/real-cluster.ts'

const SEED = 20_261_121
const PART_MS = 700
const GROUPS = 4

/** The same calls, one of which was answered something else. */
function alter(calls: readonly KeyCall[], at: number, output: string): readonly KeyCall[] {
  return calls.map((call, index) =>
    index === at && call.answer !== null ? { ...call, answer: { ...call.answer, output } } : call,
  )
}

test('a recorded history is explained, and is not with one answer altered', async () => {
  const cluster = await startCluster({ nodes: 3 })
  try {
    const histories = Array.from(
      { length: GROUPS },
      () => new KeyHistory(KEYS_PER_GROUP, () => performance.now()),
    )
    const findings: string[] = []
    const clients = startClients({ cluster }, histories, 0, createSimRandom(SEED), findings)
    await sleep(PART_MS)
    const leader = await cluster.leader()
    await leader.kill()
    await sleep(PART_MS)
    for (const client of clients) client.stop()
    await Promise.all(clients.map((client) => client.done))
    assert.deepEqual(findings, [])
    for (const { calls } of histories) {
      assert.equal(checkKeyCalls(calls, KEYS_PER_GROUP), 'linearizable')
      const counted = calls.findLastIndex(
        ({ input, answer }) => input.kind === 'increment' && answer !== null,
      )
      const read = calls.findLastIndex(
        ({ input, answer }) => input.kind === 'get' && answer?.output.startsWith('"c') === true,
      )
      assert.ok(counted >= 0 && read >= 0, `${calls.length} calls are too few`)
      const number = Number(calls[counted]?.answer?.output)
      for (const altered of [
        alter(calls, counted, String(number + 50_000)),
        alter(calls, read, '"never written"'),
      ])
        assert.equal(checkKeyCalls(altered, KEYS_PER_GROUP), 'violated')
    }
  } finally {
    await cluster.destroy()
  }
})
