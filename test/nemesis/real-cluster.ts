/**
 * Clusters of real processes on this machine, one data directory per node, for killing.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { takeFreePorts } from './free-ports.ts'
import { type Endpoint, NodeProcess } from './node-process.ts'

export type ClusterOptions = {
  readonly nodes: number
  readonly environment?: (id: string, directory: string) => Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  /** Instead of this machine's loopback: where each node's ports are, and what runs it there. */
  readonly hosts?: readonly string[]
  readonly launcher?: (id: string) => readonly string[]
  /** Prepares the place that each node is given, and says which directory in it is the data's. */
  readonly prepareHome?: (id: string, place: string) => Promise<string>
}

export type GroupView = {
  readonly gid: number
  readonly term: number
  readonly leader: string | null
  readonly commit: number
  readonly replicas: readonly {
    readonly nodeId: string
    readonly role: string
    readonly lag: number | null
  }[]
  readonly local: {
    readonly applied: number
    readonly applyLag: number
    readonly healthy: boolean
    readonly reason: string | null
  } | null
}
export type StatusView = {
  readonly nodeId: string
  readonly groups: readonly GroupView[]
  readonly storage: { readonly state: string; readonly reason: string | null }
}

/** The group whose leader is killed: the one that owns the keys. */
export const DATA_GROUP = 1
/** Of each group, however many nodes there are. */
const VOTERS = 3
const SETTLED_MS_MAX = 60_000
const POLL_MS = 20
const STATUS_MS_MAX = 2_000
/** Committed entries a replica may lack and count as caught up, while writes go on. */
const LAG_MAX = 200
/** A node that came back applies what it had logged; until then it should not be the next to lead. */
const APPLY_LAG_MAX = 50

/** Removed also when the run is interrupted, after the nodes were killed (node-process.ts). */
const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** All nodes serve, and every group has all of them as voters. */
export async function startCluster(options: ClusterOptions): Promise<RealCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-nemesis-'))
  directories.add(directory)
  const ports = await takeFreePorts(options.nodes * 3)
  const nodes: NodeProcess[] = []
  for (let at = 0; at < options.nodes; at++) {
    const id = `n${at + 1}`
    const place = join(directory, id)
    const home = (await options.prepareHome?.(id, place)) ?? place
    const [redis, http, peer] = ports.slice(at * 3, at * 3 + 3)
    const host = options.hosts?.[at]
    nodes.push(
      new NodeProcess({
        id,
        directory: home,
        flags: [
          `--redis-port=${redis}`,
          `--http-port=${http}`,
          `--peer-port=${peer}`,
          '--milvus-port=0',
          ...(host === undefined ? [] : [`--host=${host}`, '--force-insecure-bind']),
          ...(options.flags ?? []),
        ],
        environment: options.environment?.(id, home) ?? {},
        launcher: options.launcher?.(id) ?? [],
      }),
    )
  }
  const cluster = new RealCluster(directory, nodes)
  try {
    const [first, ...others] = nodes
    assert(first !== undefined, 'a cluster has a node')
    await first.start()
    for (const node of others) await node.start([`--join=${first.peer.host}:${first.peer.port}`])
    await cluster.untilSettled()
  } catch (error) {
    // What is mounted in it goes with the process, and the directory then.
    if (options.prepareHome === undefined) await cluster.destroy()
    else await cluster.stopAll()
    throw error
  }
  return cluster
}

export class RealCluster {
  readonly directory: string
  readonly nodes: readonly NodeProcess[]

  constructor(directory: string, nodes: readonly NodeProcess[]) {
    this.directory = directory
    this.nodes = nodes
  }

  get endpoints(): readonly Endpoint[] {
    return this.nodes.map((node) => node.redis)
  }

  node(id: string): NodeProcess {
    return this.nodes.find((node) => node.id === id) ?? assert.fail(`there is no node ${id}`)
  }

  /** Null when it does not answer. */
  async status(node: NodeProcess): Promise<StatusView | null> {
    try {
      const url = `http://${node.http.host}:${node.http.port}/status`
      const response = await fetch(url, { signal: AbortSignal.timeout(STATUS_MS_MAX) })
      return response.ok ? ((await response.json()) as StatusView) : null
    } catch {
      return null
    }
  }

  /** Of the data group, as a majority of the running nodes sees it. */
  async leader(): Promise<NodeProcess> {
    const endMs = performance.now() + SETTLED_MS_MAX
    while (performance.now() < endMs) {
      const found = leaderOf(await this.#statuses())
      if (found !== null && this.node(found).isRunning) return this.node(found)
      await sleep(POLL_MS)
    }
    throw new Error(`no leader in ${SETTLED_MS_MAX} ms\n${this.logs()}`)
  }

  /** Every node runs, is healthy, follows the same leader and has nearly all of what is committed. */
  async untilSettled(): Promise<void> {
    const endMs = performance.now() + SETTLED_MS_MAX
    let trouble = 'nothing was asked yet'
    while (performance.now() < endMs) {
      const found = await this.trouble()
      if (found === null) return
      trouble = found
      await sleep(POLL_MS)
    }
    throw new Error(`the cluster did not settle in ${SETTLED_MS_MAX} ms: ${trouble}\n${this.logs()}`)
  }

  /** Why it is not settled at this moment; null when it is. */
  async trouble(): Promise<string | null> {
    return findTrouble(await this.#statuses(), this.nodes.length)
  }

  logs(): string {
    return this.nodes.map((node) => node.log).join('')
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.nodes.filter((node) => node.isRunning).map((node) => node.kill()))
  }

  /** Kills what runs and removes all data. */
  async destroy(): Promise<void> {
    await this.stopAll()
    await rm(this.directory, { recursive: true, force: true })
    directories.delete(this.directory)
  }

  async #statuses(): Promise<readonly StatusView[]> {
    const running = this.nodes.filter((node) => node.isRunning && node.lastStartMs > 0)
    const all = await Promise.all(running.map((node) => this.status(node)))
    return all.filter((status) => status !== null)
  }
}

/** As the nodes that have a replica of the group see it. */
function leaderOf(statuses: readonly StatusView[]): string | null {
  const leaders = statuses.flatMap(({ groups }) =>
    groups.filter(({ gid }) => gid === DATA_GROUP).map(({ leader }) => leader),
  )
  const [first] = leaders
  return first !== undefined && first !== null && leaders.every((leader) => leader === first) ? first : null
}

function findTrouble(statuses: readonly StatusView[], count: number): string | null {
  if (statuses.length < count) return `${statuses.length} of ${count} nodes answer`
  const votersMin = Math.min(VOTERS, count)
  const serving = statuses.filter(({ groups }) => groups.some(({ gid }) => gid === DATA_GROUP))
  if (serving.length < votersMin) return `${serving.length} nodes have a replica of the data group`
  if (leaderOf(statuses) === null) return 'the nodes do not agree on a leader'
  for (const { nodeId, groups } of statuses) {
    for (const { gid, leader, replicas, local } of groups) {
      if (local === null || !local.healthy)
        return `group ${gid} on ${nodeId}: ${local?.reason ?? 'no replica'}`
      if (local.applyLag > APPLY_LAG_MAX)
        return `group ${gid} on ${nodeId} has ${local.applyLag} entries to apply`
      const voters = replicas.filter(({ role }) => role === 'voter').length
      if (voters !== votersMin) return `group ${gid} on ${nodeId} has ${voters} voters`
      if (leader === null) return `group ${gid} on ${nodeId} knows no leader`
      const behind = leader === nodeId ? replicas.find(({ lag }) => (lag ?? 0) > LAG_MAX) : undefined
      if (behind !== undefined) return `group ${gid}: ${behind.nodeId} is ${behind.lag} entries behind`
    }
  }
  return null
}
