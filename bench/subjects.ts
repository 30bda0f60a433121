/** The stores that are compared, started on this machine, and what an answered write means for each. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fence, LoadTest } from '../src/cli/bench/resp-requests.ts'
import { redisServerMissing, startRedisServer } from '../test/differential/redis-server.ts'
import { startCluster } from '../test/nemesis/real-cluster.ts'
import { etcdMissing, startEtcd } from './etcd-server.ts'

type Address = { readonly host: string; readonly port: number }

export type Subject = {
  readonly name: SubjectName
  readonly protocol: 'redis' | 'etcd'
  readonly tests: readonly LoadTest[]
  /** Of all of its servers. */
  readonly pids: readonly number[]
  /** After each batch of writes. */
  readonly fence?: Fence
  /** Of a cluster that is stopped while others are measured: resolves when it is ready again. */
  readonly settle?: () => Promise<void>
  /** Where the load goes; asked before each load, for leaders change. */
  address(): Promise<Address>
}

/** In the order of the tables. */
export const SUBJECTS = {
  'redis-memory': 'redis-server, no persistence: an answered write is in the memory of one process',
  'redis-always': 'redis-server, `appendfsync always`: on the disk of one machine',
  'redis-wait-1':
    'redis-server with two replicas, all `appendfsync always`, `WAIT 1` after each batch of writes: on the disk of one machine and in the memory of another; a failover may still lose it',
  'etcd-1': 'etcd, one member, its defaults: on the disk of one machine; reads are linearizable',
  'etcd-3': 'etcd, three members, through the leader: on the disks of two of three; reads are linearizable',
  'holdfast-1': 'Holdfast, one node: on the disk of one machine; reads are linearizable',
  'holdfast-3':
    'Holdfast, three nodes, through the leader: on the disks of two of three; reads are linearizable',
  'holdfast-3-follower': 'the same three nodes through a follower: the same promise',
} as const satisfies Readonly<Record<string, string>>

export type SubjectName = keyof typeof SUBJECTS
export const SUBJECT_NAMES = Object.keys(SUBJECTS) as readonly SubjectName[]

const REDIS_TESTS = ['set', 'get', 'incr', 'hset'] as const
const ETCD_TESTS = ['set', 'get'] as const
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0']
const REPLICAS = 2
const REPLICAS_MS_MAX = 30_000
const POLL_MS = 100
/** WAIT must not answer before a replica has the write: then the load fails instead of looking fast. */
const WAIT_FOR_ONE: Fence = { words: ['WAIT', '1', '10000'], atLeast: 1 }

type Started = { readonly subjects: readonly Subject[]; readonly stop: () => Promise<void> }
type Starter = { readonly names: readonly SubjectName[]; readonly start: () => Promise<Started> }

const STARTERS: readonly Starter[] = [
  { names: ['redis-memory'], start: () => startRedis('redis-memory', []) },
  { names: ['redis-always'], start: () => startRedis('redis-always', DURABLE) },
  { names: ['redis-wait-1'], start: startReplicatedRedis },
  { names: ['etcd-1'], start: () => startOneEtcd('etcd-1', 1) },
  { names: ['etcd-3'], start: () => startOneEtcd('etcd-3', 3) },
  { names: ['holdfast-1'], start: startOneNode },
  { names: ['holdfast-3', 'holdfast-3-follower'], start: startThreeNodes },
]

export async function startSubjects(wanted: readonly SubjectName[]): Promise<Started> {
  const started: Started[] = []
  const stop = async (): Promise<void> => {
    for (const each of started) await each.stop()
  }
  try {
    for (const { names, start } of STARTERS) {
      if (!names.some((name) => wanted.includes(name))) continue
      const missing = names.some((name) => name.startsWith('redis-'))
        ? redisServerMissing()
        : names.some((name) => name.startsWith('etcd-'))
          ? etcdMissing()
          : undefined
      if (missing !== undefined) throw new Error(`${names.join(', ')} ${missing}; --only chooses others`)
      started.push(await start())
    }
  } catch (error) {
    await stop()
    throw error
  }
  const subjects = started.flatMap((each) => each.subjects).filter(({ name }) => wanted.includes(name))
  return { subjects, stop }
}

async function startRedis(name: SubjectName, flags: readonly string[]): Promise<Started> {
  const server = await startRedisServer(flags)
  const subject: Subject = {
    name,
    protocol: 'redis',
    tests: REDIS_TESTS,
    pids: [server.pid],
    address: () => Promise.resolve(server.endpoint),
  }
  return { subjects: [subject], stop: () => server.stop() }
}

async function startReplicatedRedis(): Promise<Started> {
  const servers = [await startRedisServer(DURABLE)]
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.stop()
  }
  const [primary] = servers
  assert(primary !== undefined)
  const { host, port } = primary.endpoint
  try {
    for (let replica = 0; replica < REPLICAS; replica++)
      servers.push(await startRedisServer([...DURABLE, '--replicaof', host, String(port)]))
    await untilReplicated(port)
  } catch (error) {
    await stop()
    throw error
  }
  const subject: Subject = {
    name: 'redis-wait-1',
    protocol: 'redis',
    tests: REDIS_TESTS,
    pids: servers.map(({ pid }) => pid),
    fence: WAIT_FOR_ONE,
    address: () => Promise.resolve(primary.endpoint),
  }
  return { subjects: [subject], stop }
}

async function untilReplicated(port: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < REPLICAS_MS_MAX; waitedMs += POLL_MS) {
    const text = execFileSync('redis-cli', ['-p', String(port), 'info', 'replication'], { encoding: 'utf8' })
    if ([...text.matchAll(/^slave\d+:.*state=online/gm)].length === REPLICAS) return
    await sleep(POLL_MS)
  }
  throw new Error(`redis-server has no ${REPLICAS} replicas after ${REPLICAS_MS_MAX} ms`)
}

async function startOneEtcd(name: SubjectName, count: 1 | 3): Promise<Started> {
  const etcd = await startEtcd(count)
  const { pids } = etcd
  const address = (): Promise<Address> => etcd.leader()
  const single: Subject = { name, protocol: 'etcd', tests: ETCD_TESTS, pids, address }
  const subject = count === 1 ? single : { ...single, settle: async () => void (await etcd.leader()) }
  return { subjects: [subject], stop: () => etcd.stop() }
}

async function startOneNode(): Promise<Started> {
  const cluster = await startCluster({ nodes: 1 })
  const subject: Subject = {
    name: 'holdfast-1',
    protocol: 'redis',
    tests: REDIS_TESTS,
    pids: cluster.nodes.map(({ pid }) => pid),
    address: async () => (await cluster.leader()).redis,
  }
  return { subjects: [subject], stop: () => cluster.destroy() }
}

async function startThreeNodes(): Promise<Started> {
  const cluster = await startCluster({ nodes: 3 })
  const common = {
    protocol: 'redis',
    tests: REDIS_TESTS,
    pids: cluster.nodes.map(({ pid }) => pid),
    settle: () => cluster.untilSettled(),
  } as const
  const follower = async (): Promise<Address> => {
    const leader = await cluster.leader()
    const found = cluster.nodes.find((node) => node !== leader)
    return found?.redis ?? assert.fail('a cluster of three has a follower')
  }
  return {
    subjects: [
      { ...common, name: 'holdfast-3', address: async () => (await cluster.leader()).redis },
      { ...common, name: 'holdfast-3-follower', address: follower },
    ],
    stop: () => cluster.destroy(),
  }
}
