/**
 * A leader's memory of what gateways on other nodes have sent it: each place of a stream is taken once
 * (docs/design/0008-writes-through-followers.md). A stream is of one term, so what a process forgot when it ended
 * is never asked for again.
 */
import type { ReplicaId } from '../../base/ids.ts'
import type { Term } from '../../base/log-entry.ts'

/** What a gateway numbers its commands by, in one term of one leader. */
export type StreamId = {
  readonly gateway: ReplicaId
  readonly incarnation: number
  readonly term: number
  readonly stream: number
}

/** `bytes`: roughly what the command takes in the log. Null: whoever sent it has given it up, its place is empty. */
export type SizedCommand<Command> = { readonly command: Command | null; readonly bytes: number }

/** Why nothing more is taken from a stream, ever. `behind`: the gateway's replica is, and should not be relied on. */
export type ClosedBy = 'overloaded' | 'unhealthy' | 'behind'

/** `next`: the first place that was not taken. `refused`: this leader will never hear that stream. */
export type Taken =
  | { readonly kind: 'taken'; readonly next: number; readonly closedBy: ClosedBy | null }
  | { readonly kind: 'refused' }

type Newest = {
  readonly incarnation: number
  readonly stream: number
  next: number
  closedBy: ClosedBy | null
}

export const REFUSED: Taken = { kind: 'refused' }

export class ProposalStreams {
  readonly #newest = new Map<ReplicaId, Newest>()

  /**
   * Takes `count` commands from place `first` on, except those it took before; `take(at)` takes one of them, `at`
   * being its number among them, or says why it can't.
   */
  accept(
    term: Term,
    id: StreamId,
    first: number,
    count: number,
    take: (at: number) => ClosedBy | null,
  ): Taken {
    if (id.term !== term) return REFUSED
    const newest = this.#find(id)
    if (newest === null) return REFUSED
    // A gap: something was lost on the way, and is repeated before this.
    if (first <= newest.next) {
      for (let at = newest.next - first; at < count && newest.closedBy === null; at++) {
        newest.closedBy = take(at)
        if (newest.closedBy === null) newest.next += 1
      }
    }
    return { kind: 'taken', next: newest.next, closedBy: newest.closedBy }
  }

  /** Null: it is not the newest that this leader knows of. */
  #find({ gateway, incarnation, stream }: StreamId): Newest | null {
    const known = this.#newest.get(gateway)
    if (known !== undefined) {
      if (known.incarnation === incarnation && known.stream === stream) return known
      const isNewer =
        incarnation > known.incarnation || (incarnation === known.incarnation && stream > known.stream)
      if (!isNewer) return null
    }
    const newest = { incarnation, stream, next: 1, closedBy: null }
    this.#newest.set(gateway, newest)
    return newest
  }
}
