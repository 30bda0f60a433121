/**
 * Clients write while the leader is ended, again and again; then everything they were promised is
 * looked for. What ends it, and how often, is the caller's.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Frozen, freeze } from './freeze.ts'
import { type Distribution, distribution, GapWatch } from './gap-watch.ts'
import type { Exit, NodeProcess } from './node-process.ts'
import { checkAll } from './numbered-check.ts'
import { NumberedClient } from './numbered-client.ts'
import { pseudoRandom } from './pseudo-random.ts'
import type { RealCluster } from './real-cluster.ts'
import { type Connect, connectResp } from './resp-connection.ts'

export type KillOptions = {
  readonly kills: number
  /** SIGSTOP: frozen for a while, then let go on. */
  readonly signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP'
  readonly clients: number
  readonly seed: number
  readonly connect?: Connect
  /** Between the end of the process and its next start: what the machine's fate does to its disk. */
  readonly afterKill?: (node: NodeProcess) => Promise<void>
  readonly onKill?: (line: string) => void
}

export type KillResult = {
  readonly kills: number
  readonly signal: string
  readonly seed: number
  readonly acknowledged: number
  readonly unknown: number
  readonly keysRead: number
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  readonly stale: readonly string[]
  readonly errors: Readonly<Record<string, number>>
  /** Errors answered to clients that were not connected to the node that was ended. */
  readonly survivorErrors: number
  /** Milliseconds without an acknowledged write, from the last one before the kill on. */
  readonly gapMs: {
    /** Nobody at all. */
    readonly cluster: Distribution
    /** Each client of a node that stays. */
    readonly survivors: Distribution
    /** Each client of the node that was ended: it finds another one. */
    readonly attached: Distribution
    /** Each client while the node comes back. */
    readonly rejoin: Distribution
  }
  readonly startMs: Distribution
  readonly stopMs: Distribution
  readonly exits: Readonly<Record<string, number>>
}

const PAUSE_MS_MIN = 100
const PAUSE_MS_SPREAD = 300
/** Watched on after all clients write again, for what may follow: a second election. */
const AFTERMATH_MS = 300
const RECOVERY_MS_MAX = 30_000
const CALL_MS_MAX = 20_000
/** Nothing but its own clock tells a client that its node is frozen. */
const CALL_MS_MAX_FREEZE = 500
const FROZEN_MS = 3_000
const POLL_MS = 2

type Gaps = { cluster: number[]; survivors: number[]; attached: number[]; rejoin: number[] }

export async function runKills(cluster: RealCluster, options: KillOptions): Promise<KillResult> {
  const run = new KillRun(cluster, options)
  try {
    await run.all()
  } finally {
    await run.stopClients()
  }
  return run.conclude()
}

class KillRun {
  readonly #cluster: RealCluster
  readonly #options: KillOptions
  readonly #connect: Connect
  readonly #random: () => number
  readonly #clients: readonly NumberedClient[]
  readonly #all = new GapWatch()
  readonly #gaps: Gaps = { cluster: [], survivors: [], attached: [], rejoin: [] }
  readonly #starts: number[] = []
  readonly #stops: number[] = []
  readonly #exits: Record<string, number> = {}
  readonly #stale: string[] = []
  #frozen: Frozen | null = null
  #survivorErrors = 0

  constructor(cluster: RealCluster, options: KillOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#connect = options.connect ?? connectResp
    this.#random = pseudoRandom(options.seed)
    const { endpoints } = cluster
    this.#clients = Array.from(
      { length: options.clients },
      (_value, at) =>
        new NumberedClient({
          name: `s${options.seed}c${at}`,
          endpoints,
          home: at % endpoints.length,
          connect: this.#connect,
          callMsMax: options.signal === 'SIGSTOP' ? CALL_MS_MAX_FREEZE : CALL_MS_MAX,
          onAcknowledged: (nowMs) => this.#all.note(nowMs),
        }),
    )
  }

  async all(): Promise<void> {
    for (const client of this.#clients) client.start()
    // A client that never wrote can't tell how long it could not.
    this.#startWatching()
    await this.#untilAllWrite()
    for (let kill = 1; kill <= this.#options.kills; kill++) {
      await sleep(PAUSE_MS_MIN + this.#random() * PAUSE_MS_SPREAD)
      await this.#one(kill)
    }
    await sleep(PAUSE_MS_MIN)
  }

  async stopClients(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()))
  }

  async conclude(): Promise<KillResult> {
    const { kills, signal, seed } = this.#options
    const { keysRead, lost, doubled } = await checkAll(this.#clients, this.#cluster.endpoints, this.#connect)
    const violations = this.#clients.flatMap((client) => client.violations)
    const like = (word: string): readonly string[] =>
      violations.filter((line) => line.startsWith(`${word}: `))
    const errors: Record<string, number> = {}
    for (const client of this.#clients)
      for (const [line, count] of client.errors) errors[line] = (errors[line] ?? 0) + count
    return {
      kills,
      signal,
      seed,
      acknowledged: sum(this.#clients.map((client) => client.acknowledged)),
      unknown: sum(this.#clients.map((client) => client.unknown)),
      keysRead,
      lost: [...lost, ...like('lost')],
      doubled: [...doubled, ...like('doubled')],
      stale: [...this.#stale, ...violations.filter((line) => !/^(lost|doubled): /.test(line))],
      errors,
      survivorErrors: this.#survivorErrors,
      gapMs: {
        cluster: distribution(this.#gaps.cluster),
        survivors: distribution(this.#gaps.survivors),
        attached: distribution(this.#gaps.attached),
        rejoin: distribution(this.#gaps.rejoin),
      },
      startMs: distribution(this.#starts),
      stopMs: distribution(this.#stops),
      exits: this.#exits,
    }
  }

  async #one(kill: number): Promise<void> {
    const leader = await this.#cluster.leader()
    const index = this.#cluster.nodes.indexOf(leader)
    const attached = this.#clients.filter((client) => client.at === index)
    const survivors = this.#clients.filter((client) => client.at !== index)
    const troublesBefore = troubles(survivors)
    this.#startWatching()
    const how = await this.#end(leader)
    this.#exits[how] = (this.#exits[how] ?? 0) + 1
    // Nobody writes without the only node there is: its start belongs to the gap.
    const isAlone = this.#cluster.nodes.length === 1
    if (isAlone) await this.#restart(leader)
    await this.#untilAllWrite()
    await sleep(AFTERMATH_MS)
    this.#survivorErrors += troubles(survivors) - troublesBefore
    const gap = this.#takeGaps(survivors, attached)
    if (!isAlone) {
      this.#startWatching()
      await this.#restart(leader)
      const nowMs = performance.now()
      this.#gaps.rejoin.push(...this.#clients.map((client) => client.gap.stop(nowMs)))
    }
    for (const client of this.#clients) client.goHome()
    this.#options.onKill?.(
      `kill ${kill}: ${leader.id}, no write for ${Math.round(gap)} ms, back after ${Math.round(leader.lastStartMs)} ms`,
    )
  }

  async #restart(leader: NodeProcess): Promise<void> {
    if (this.#frozen === null) {
      await this.#options.afterKill?.(leader)
      await leader.start()
      this.#starts.push(leader.lastStartMs)
    } else {
      this.#stale.push(...(await this.#frozen.thaw()))
      this.#frozen = null
    }
    await this.#cluster.untilSettled()
  }

  /** How it ended. */
  async #end(leader: NodeProcess): Promise<string> {
    const beforeMs = performance.now()
    const { signal } = this.#options
    let how: string = signal
    if (signal === 'SIGKILL') await leader.kill()
    else if (signal === 'SIGSTOP') this.#frozen = await freeze(this.#cluster, leader, FROZEN_MS)
    else how = describeExit(await leader.terminate())
    this.#stops.push(performance.now() - beforeMs)
    return how
  }

  #startWatching(): void {
    const nowMs = performance.now()
    this.#all.start(nowMs)
    for (const client of this.#clients) {
      client.freshKeys()
      client.gap.start(nowMs)
    }
  }

  /** The gap of the cluster. */
  #takeGaps(survivors: readonly NumberedClient[], attached: readonly NumberedClient[]): number {
    const nowMs = performance.now()
    const gap = this.#all.stop(nowMs)
    this.#gaps.cluster.push(gap)
    this.#gaps.survivors.push(...survivors.map((client) => client.gap.stop(nowMs)))
    this.#gaps.attached.push(...attached.map((client) => client.gap.stop(nowMs)))
    return gap
  }

  /** Two answers each, since the first may be of a write from before. */
  async #untilAllWrite(): Promise<void> {
    const before = this.#clients.map((client) => client.gap.notes)
    const endMs = performance.now() + RECOVERY_MS_MAX
    while (!this.#clients.every((client, at) => client.gap.notes >= (before[at] ?? 0) + 2)) {
      if (performance.now() > endMs)
        throw new Error(`clients could not write for ${RECOVERY_MS_MAX} ms\n${this.#cluster.logs()}`)
      await sleep(POLL_MS)
    }
  }
}

function describeExit({ code, signal }: Exit): string {
  return signal ?? `code ${code}`
}

function troubles(clients: readonly NumberedClient[]): number {
  return sum(clients.map((client) => client.unknown + sum([...client.errors.values()])))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
