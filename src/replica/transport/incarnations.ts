/**
 * Which process of each peer is the newest that this one has met, told by the incarnation in its identity:
 * raised at every start, durable before the process says a word (docs/formats/identity.md).
 *
 * Nothing that a peer sent before it was started again may be heard after what it says now: its disk may have
 * lost what it acknowledged then. TCP keeps the order within a connection only, and what a dead process sent
 * may still be on its way. So a connection belongs to the process that its hello names, and all connections
 * of earlier processes end when a later one has said hello.
 */
import type { ReplicaId } from '../../base/ids.ts'

export type Meeting = 'first' | 'again' | 'restarted' | 'outdated'

export class Incarnations {
  /** As many as the cluster ever had members. */
  readonly #newest = new Map<ReplicaId, number>()

  meet(peer: ReplicaId, incarnation: number): Meeting {
    const newest = this.#newest.get(peer)
    if (newest !== undefined && incarnation < newest) return 'outdated'
    this.#newest.set(peer, incarnation)
    if (newest === undefined) return 'first'
    return incarnation === newest ? 'again' : 'restarted'
  }
}
