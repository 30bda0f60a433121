/**
 * What happened to each node, told for people when a seed fails: processes that begin and end, roles,
 * terms, leaders, members, what was committed; between them what the node logged and what the
 * nemesis did to it; at the end the last things it asked of its world. Bounded.
 */
import type { SimCluster } from './cluster/sim-cluster.ts'
import type { SimNode } from './cluster/sim-node.ts'
import type { SimLogLine } from './logger.ts'

const EVENTS_MAX = 60
const EVENTS_TOLD = 30

type StoryEvent = { readonly timeMs: number; readonly text: string }

export class NodeStories {
  readonly #cluster: SimCluster
  readonly #events = new Map<string, StoryEvent[]>()
  /** What was seen last of each, by node and group. */
  readonly #seen = new Map<string, string>()

  constructor(cluster: SimCluster) {
    this.#cluster = cluster
  }

  /** To be called again and again: what lasts shorter than the pause in between is missed. */
  observe(): void {
    for (const node of this.#cluster.nodes) {
      const process = node.isUp ? `process up since ${node.startedMs.toFixed(0)}` : 'process down'
      this.#note(node, 'process', process, process)
      for (const { group, raft } of node.replicas) {
        const { role, term, leader, commit, lastIndex, membership } = raft.status()
        const { voters, votersOutgoing, learners } = membership
        const members = [voters, votersOutgoing, learners].map((ids) => ids.join()).join('/')
        const state = `${role} term ${term} leader ${leader ?? '-'} members ${members}`
        this.#note(
          node,
          `group ${group}`,
          state,
          `group ${group}: ${state} commit ${commit} last ${lastIndex}`,
        )
      }
    }
  }

  tell(): string {
    return this.#cluster.nodes.map((node) => this.#tellOf(node)).join('\n')
  }

  #note(node: SimNode, about: string, state: string, text: string): void {
    const key = `${node.host} ${about}`
    if (this.#seen.get(key) === state) return
    this.#seen.set(key, state)
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
