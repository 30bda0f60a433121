/** Real etcd servers for the comparison, one alone or three as a cluster, with the defaults of etcd 3.4, on loopback. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endProcess } from '../test/end-process.ts'
import { takeFreePorts } from '../test/nemesis/free-ports.ts'

type Address = { readonly host: string; readonly port: number }
export type RunningEtcd = {
  readonly pids: readonly number[]
  leader(): Promise<Address>
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const START_MS_MAX = 30_000
const POLL_MS = 100

export function etcdMissing(): string | undefined {
  return etcdVersion() === null
    ? 'needs etcd: none is installed (tools/setup-debian.sh bench installs it)'
    : undefined
}

export function etcdVersion(): string | null {
  try {
    return /etcd Version: (\S+)/.exec(execFileSync('etcd', ['--version'], { encoding: 'utf8' }))?.[1] ?? null
  } catch {
    return null
  }
}

export async function startEtcd(count: 1 | 3): Promise<RunningEtcd> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-etcd-'))
  const ports = await takeFreePorts(count * 2)
  const members = Array.from({ length: count }, (_, at) => ({
    name: `e${at + 1}`,
    client: ports[at * 2] as number,
    peer: `http://${HOST}:${ports[at * 2 + 1]}`,
  }))
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',')
  const children = members.map(({ name, client, peer }) =>
    spawn(
      'etcd',
      [
        ...['--name', name, '--data-dir', join(directory, name), '--log-level', 'fatal', '--logger', 'zap'],
        ...['--listen-client-urls', `http://${HOST}:${client}`],
        ...['--advertise-client-urls', `http://${HOST}:${client}`],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
      ],
      { stdio: 'ignore' },
    ),
  )
  const kill = (): void => {
    for (const child of children) child.kill('SIGKILL')
  }
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    await Promise.all(children.map(endProcess))
    await rm(directory, { recursive: true, force: true })
  }
  const leader = (): Promise<Address> => findLeader(members.map(({ client }) => client))
  try {
    await leader()
  } catch (error) {
    await stop()
    throw error
  }
  return { pids: children.map((child) => child.pid ?? assert.fail('etcd did not start')), leader, stop }
}

async function findLeader(ports: readonly number[]): Promise<Address> {
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += POLL_MS) {
    for (const port of ports) if (await isLeader(port)) return { host: HOST, port }
    await sleep(POLL_MS)
  }
  throw new Error(`etcd has no leader after ${START_MS_MAX} ms`)
}

async function isLeader(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://${HOST}:${port}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(1_000),
    })
    const status = (await response.json()) as { leader?: string; header?: { member_id?: string } }
    return status.leader !== undefined && status.leader === status.header?.member_id
  } catch {
    // Not there yet: asked again until the limit of time.
    return false
  }
}
