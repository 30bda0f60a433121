/**
 * Freezes a leader for a while and looks at what it says when it wakes up.
 *
 * It wakes up believing that it leads, with requests waiting in its sockets that arrived while it was
 * away: whatever it answers to those must not be older than what was acknowledged before they
 * were sent.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeProcess } from './node-process.ts'
import type { RealCluster } from './real-cluster.ts'
import { connectResp, type ReplyValue, type TestConnection } from './resp-connection.ts'

export type Frozen = {
  /** Lets it go on; what contradicts a promise, in words. */
  thaw(): Promise<readonly string[]>
}

const PROBE = 'probe'
/** Reads that wait for the frozen node, and writes and reads in turn once it is awake. */
const WAITING_READS = 8
const ROUNDS_AFTER = 40
const PAUSE_MS = 5

export async function freeze(cluster: RealCluster, leader: NodeProcess, frozenMs: number): Promise<Frozen> {
  const other = cluster.nodes.find((node) => node !== leader) ?? assert.fail('nobody takes over')
  const toLeader = await connectResp(leader.redis)
  const toOther = await connectResp(other.redis)
  await toLeader.call('SET', PROBE, '0')
  const startedMs = performance.now()
  leader.signal('SIGSTOP')
  return {
    thaw: async () => {
      try {
        return await probe(leader, toLeader, toOther, startedMs + frozenMs)
      } finally {
        toLeader.close()
        toOther.close()
      }
    },
  }
}

async function probe(
  leader: NodeProcess,
  toLeader: TestConnection,
  toOther: TestConnection,
  untilMs: number,
): Promise<readonly string[]> {
  await toOther.call('SET', PROBE, '1')
  const waiting: Promise<ReplyValue>[] = []
  for (let read = 0; read < WAITING_READS; read++) waiting.push(toLeader.call('GET', PROBE))
  await sleep(Math.max(0, untilMs - performance.now()))
  leader.signal('SIGCONT')
  const stale: string[] = []
  const note = (when: string, value: ReplyValue, written: number): void => {
    if (Number(value) < written)
      stale.push(`stale: ${when}: ${written} was written, the thawed node says ${String(value)}`)
  }
  for (let round = 2; round < ROUNDS_AFTER; round++) {
    await toOther.call('SET', PROBE, String(round))
    note('after the thaw', await toLeader.call('GET', PROBE), round)
    await sleep(PAUSE_MS)
  }
  for (const value of await Promise.all(waiting)) note('waiting since the freeze', value, 1)
  return stale
}
