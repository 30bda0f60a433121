/**
 * What happened to each node, told for people when a seed fails: processes that begin and end, roles,
 * terms, leaders, members, what was committed; between them what the node logged and what the
 * nemesis did to it; at the end the last things it asked of its world. Bounded.
 */
import type { GroupId } from '../../src/base/ids.ts'
import type { Membership } from '../../src/raft/membership.ts'
import type { Raft } from '../../src/raft/raft.ts'
import type { SimCluster } from '../cluster/sim-cluster.ts'
import type { SimNode } from '../cluster/sim-node.ts'
import type { SimLogLine } from '../world/logger.ts'

const EVENTS_MAX = 60
const EVENTS_TOLD = 30

type StoryEvent = { readonly timeMs: number; readonly text: string }

/** What was told last of a replica. */
type Told = Pick<Raft, 'role' | 'term' | 'leader'> & { readonly membership: Membership }

export class NodeStories {
  readonly #cluster: SimCluster
  readonly #events = new Map<string, StoryEvent[]>()
  readonly #processes = new Map<SimNode, string>()
  /** By replica, of its present process. */
  readonly #replicas = new WeakMap<Raft, Told>()

  constructor(cluster: SimCluster) {
    this.#cluster = cluster
  }

  /** To be called again and again: what lasts shorter than the pause in between is missed. */
  observe(): void {
    for (const node of this.#cluster.nodes) {
      const process = node.isUp ? `process up since ${node.startedMs.toFixed(0)}` : 'process down'
      if (this.#processes.get(node) !== process) this.#note(node, process)
      this.#processes.set(node, process)
      for (const { group, raft } of node.replicas) this.#observeReplica(node, group, raft)
    }
  }

  tell(): string {
    return this.#cluster.nodes.map((node) => this.#tellOf(node)).join('\n')
  }

  #observeReplica(node: SimNode, group: GroupId, raft: Raft): void {
    const { role, term, leader } = raft
    const membership = raft.membershipAt(raft.lastIndex)
    const told = this.#replicas.get(raft)
    const isNews =
      told === undefined ||
      told.role !== role ||
      told.term !== term ||
      told.leader !== leader ||
      told.membership !== membership
    if (!isNews) return
    this.#replicas.set(raft, { role, term, leader, membership })
    const { voters, votersOutgoing, learners } = membership
    const members = [voters, votersOutgoing, learners].map((ids) => ids.join()).join('/')
    const log = `commit ${raft.commit} last ${raft.lastIndex}`
    this.#note(node, `group ${group}: ${role} term ${term} leader ${leader ?? '-'} members ${members} ${log}`)
  }

  #note(node: SimNode, text: string): void {
    const events = this.#events.get(node.host) ?? []
    events.push({ timeMs: this.#cluster.scheduler.nowMs, text })
    if (events.length > EVENTS_MAX) events.shift()
    this.#events.set(node.host, events)
  }

  #tellOf(node: SimNode): string {
    const { lines } = this.#cluster.log
    const logged = lines
      .filter((line) => line.node === node.host && line.level !== 'debug')
      .slice(-EVENTS_TOLD)
    const events = [...(this.#events.get(node.host) ?? []), ...logged.map(eventOf)]
      .sort((left, right) => left.timeMs - right.timeMs)
      .slice(-EVENTS_TOLD)
    const { latest, pending, timers } = node.calls
    return [
      `-- ${node.host}`,
      ...events.map(({ timeMs, text }) => `${timeMs.toFixed(1).padStart(10)} ${text}`),
      `           last calls: ${latest.join(', ')}`,
      `           ${pending} calls and ${timers} timers pending`,
    ].join('\n')
  }
}

function eventOf({ timeMs, level, message, fields }: SimLogLine): StoryEvent {
  const details = Object.entries(fields).flatMap(([name, value]) =>
    name === 'node' ? [] : [`${name}=${value instanceof Error ? value.message : JSON.stringify(value)}`],
  )
  return { timeMs, text: `${level}: ${message} ${details.join(' ')}` }
}
