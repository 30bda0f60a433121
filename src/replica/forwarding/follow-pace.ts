/**
 * Whether this replica follows its leader so closely that its own log soon tells what became of what its gateway
 * sent there (docs/design/0008-writes-through-followers.md).
 */
import type { ReplicaId } from '../../base/ids.ts'
import type { Raft } from '../../raft/raft.ts'
import type { GroupOptions } from '../group-options.ts'
import type { Stalls } from '../stall.ts'

/** A replica whose log or state stands still for so long tells nothing in good time. */
const STALL_MS = 300
/** How long one that was found to be behind is not relied on. */
const PAUSE_MS = 1_000

export class FollowPace {
  readonly #raft: Raft
  readonly #options: Pick<GroupOptions, 'tickMs' | 'maxFollowLagEntries'>
  readonly #stalls: Pick<Stalls, 'behindMs'>
  #pauseTicks = 0

  constructor(
    raft: Raft,
    options: Pick<GroupOptions, 'tickMs' | 'maxFollowLagEntries'>,
    stalls: Pick<Stalls, 'behindMs'>,
  ) {
    this.#raft = raft
    this.#options = options
    this.#stalls = stalls
  }

  isCloseTo(leader: ReplicaId, term: number): boolean {
    const raft = this.#raft
    if (raft.role !== 'follower' || raft.leader !== leader || raft.term !== term) return false
    if (raft.isRepairing || this.#pauseTicks > 0) return false
    // Until it has applied something of this term it may not know what this leader has committed.
    if (raft.termAt(raft.appliedIndex) !== term) return false
    return raft.commit - raft.appliedIndex <= this.#options.maxFollowLagEntries
  }

  /** Found by the leader, whatever this replica knows itself, or by a log or a state that stands still here. */
  fellBehind(): void {
    this.#pauseTicks = Math.ceil(PAUSE_MS / this.#options.tickMs)
  }

  tick(): void {
    if (this.#pauseTicks > 0) this.#pauseTicks -= 1
    if (this.#stalls.behindMs >= STALL_MS) this.fellBehind()
  }
}
