/**
 * What faults work on: a cluster of real processes, the network between them and their disks, and who
 * is allowed to be dead. A process that ends although nobody ended it is a finding.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SimRandom } from '../../sim/world/random.ts'
import { type NodeDiskFaults, prepareNodeDisk } from './disk/node-disk-faults.ts'
import { unmountAtExit } from './network/own-namespaces.ts'
import { type PacketNetwork, startPacketNetwork } from './network/packet-network.ts'
import type { Exit, NodeProcess } from './node-process.ts'
import { type RealCluster, startCluster } from './real-cluster.ts'

export type WorldOptions = {
  readonly nodes: number
  readonly seed: number
  /** Namespaces and small disks; needs `repeatInside`. */
  readonly isInside: boolean
  readonly syncsNothing: boolean
}

/** Errors of the machine's own disk, memory and file handles. */
const DISK_REFUSAL = /can't start: 2\d{3} /
const LOG_LINES_SHOWN = 12
/** Chances of an unsynced sector to survive a power cut. */
const KEEP_CHANCES = [null, 0.5, 0.9] as const

export class NemesisWorld {
  readonly cluster: RealCluster
  readonly network: PacketNetwork | null
  readonly findings: string[] = []
  /** Power cuts that took something. */
  cuts = 0
  readonly #directory: string
  readonly #disks: ReadonlyMap<string, NodeDiskFaults>
  readonly #mayEnd = new Set<NodeProcess>()
  readonly #claimed = new Set<NodeProcess>()
  readonly #starting = new Set<Promise<void>>()

  constructor(
    directory: string,
    cluster: RealCluster,
    network: PacketNetwork | null,
    disks: ReadonlyMap<string, NodeDiskFaults>,
  ) {
    this.#directory = directory
    this.cluster = cluster
    this.network = network
    this.#disks = disks
    for (const node of cluster.nodes) this.#watch(node)
  }

  disk(node: NodeProcess): NodeDiskFaults {
    return this.#disks.get(node.id) ?? assert.fail(`no disk of ${node.id}`)
  }

  /** Its place in the network; the clients are at place 0. */
  place(node: NodeProcess): number {
    return this.cluster.nodes.indexOf(node) + 1
  }

  /** Often the leader. Nobody else gets the same node until it is released. */
  async claim(random: SimRandom): Promise<NodeProcess | null> {
    const free = this.cluster.nodes.filter((node) => !this.#claimed.has(node))
    if (free.length === 0) return null
    const wantsLeader = random.chance(0.6)
    const drawn = random.pick(free)
    const leader = wantsLeader && this.#claimed.size === 0 ? await this.cluster.leader() : drawn
    const node = this.#claimed.has(leader) ? drawn : leader
    this.#claimed.add(node)
    return node
  }

  /** All of those that nobody else has. */
  claimAll(): readonly NodeProcess[] {
    const free = this.cluster.nodes.filter((node) => !this.#claimed.has(node))
    for (const node of free) this.#claimed.add(node)
    return free
  }

  release(node: NodeProcess): void {
    this.#claimed.delete(node)
  }

  async kill(node: NodeProcess): Promise<void> {
    this.#mayEnd.add(node)
    await node.kill()
  }

  /** Its power fails: it loses what it has not synced. */
  async cut(node: NodeProcess, random: SimRandom): Promise<void> {
    await this.kill(node)
    // It had not written anything yet.
    if (this.disk(node).journalBytes === 0) return
    const chance = random.pick(KEEP_CHANCES)
    const report = this.disk(node).cutPower(chance === null ? null : { chance, random: () => random.next() })
    if (report.changesUndone + report.namesUndone > 0) this.cuts += 1
  }

  async terminate(node: NodeProcess): Promise<void> {
    this.#mayEnd.add(node)
    const exit = await node.terminate()
    if (exit.code !== 0)
      this.findings.push(`${node.id} was told to stop and ended with ${describeExit(exit)}\n${tail(node)}`)
  }

  /** Goes on in the background; `untilStarted` waits for it. */
  start(node: NodeProcess): void {
    this.#mayEnd.delete(node)
    const starting = node.start().catch((error: unknown) => {
      if (!this.#mayEnd.has(node)) this.findings.push(`${node.id} did not start: ${String(error)}`)
    })
    this.#watch(node)
    this.#starting.add(starting)
    void starting.then(() => this.#starting.delete(starting))
  }

  async untilStarted(): Promise<void> {
    while (this.#starting.size > 0) await Promise.all(this.#starting)
  }

  /** Everything that can be undone from outside is; nodes that ended by themselves are started again. */
  heal(): void {
    this.network?.heal()
    for (const node of this.cluster.nodes) {
      this.disk(node).fail({})
      this.disk(node).free()
      if (!node.isRunning) this.start(node)
    }
  }

  /** Between rounds, so that a long run does not fill this machine's disk with old bytes. */
  trim(): void {
    for (const disk of this.#disks.values()) disk.forgetOldBytes()
  }

  memory(): ReadonlyMap<string, { readonly residentMib: number; readonly files: number }> {
    return new Map(
      this.cluster.nodes
        .filter((node) => node.isRunning)
        .map((node) => {
          const status = readFileSync(`/proc/${node.pid}/status`, 'utf8')
          const kib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)
          return [
            node.id,
            { residentMib: Math.round(kib / 1024), files: readdirSync(`/proc/${node.pid}/fd`).length },
          ]
        }),
    )
  }

  /** Copies what the nodes hold. */
  async keepDirectories(target: string): Promise<void> {
    for (const node of this.cluster.nodes)
      await cp(node.directory, join(target, node.id), { recursive: true })
  }

  /** Stops what runs and removes everything; what is left behind, in words. */
  async destroy(): Promise<readonly string[]> {
    for (const node of this.cluster.nodes) this.#mayEnd.add(node)
    await this.cluster.stopAll()
    for (const disk of this.#disks.values()) await disk.remove()
    await this.network?.stop()
    await this.cluster.destroy()
    await rm(this.#directory, { recursive: true, force: true })
    return [this.#directory, this.cluster.directory].filter((path) => existsSync(path))
  }

  #watch(node: NodeProcess): void {
    void node.exited.then((exit) => {
      if (this.#mayEnd.has(node)) return
      // It says why it can't start on such a disk, and is started again when the harm is undone.
      if (exit.code === 1 && DISK_REFUSAL.test(node.log)) {
        this.#mayEnd.add(node)
        return
      }
      this.findings.push(`${node.id} ended by itself: ${describeExit(exit)}\n${tail(node)}`)
    })
  }
}

export async function createWorld(options: WorldOptions): Promise<NemesisWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-nemesis-world-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  if (options.isInside) unmountAtExit(tmpdir())
  const disks = new Map<string, NodeDiskFaults>()
  const network = options.isInside ? await startPacketNetwork(directory, options.nodes, options.seed) : null
  const cluster = await startCluster({
    nodes: options.nodes,
    prepareHome: async (id, place) => {
      const disk = await prepareNodeDisk(place, {
        isSmall: options.isInside,
        syncsNothing: options.syncsNothing,
      })
      disks.set(id, disk)
      return disk.directory
    },
    environment: (id) => disks.get(id)?.environment ?? {},
    ...(network === null
      ? {}
      : {
          hosts: network.hosts.slice(1),
          launcher: (id) => network.launcher(Number(id.slice(1))),
        }),
  })
  return new NemesisWorld(directory, cluster, network, disks)
}

function describeExit({ code, signal }: Exit): string {
  return signal ?? `code ${code}`
}

function tail(node: NodeProcess): string {
  return node.log.split('\n').slice(-LOG_LINES_SHOWN).join('\n')
}
