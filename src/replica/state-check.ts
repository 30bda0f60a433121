/**
 * A replica's part in the comparison of states: when one is worth asking for, what it found itself, and
 * what it makes of a disagreement.
 *
 * Failure model: a state that a majority contradicts, or that nobody can vouch for, ends the replica.
 */
import type { GroupId, ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'
import type { Logger } from '../env/logger.ts'
import type { Raft } from '../raft/raft.ts'
import { DivergenceDetector, type Verdict } from './divergence-detector.ts'

export type StateCheckCallbacks = {
  /** This replica's own digest, for the others. */
  readonly onDigest: (index: LogIndex, digest: string) => void
  /** `isStateWrong`: a majority agrees on another state. */
  readonly onFailure: (reason: string, isStateWrong: boolean) => void
}

export class StateCheck {
  readonly #group: GroupId
  readonly #raft: Raft
  readonly #logger: Logger
  readonly #callbacks: StateCheckCallbacks
  readonly #detector = new DivergenceDetector()
  #lastIndex: LogIndex | null = null

  constructor(group: GroupId, raft: Raft, logger: Logger, callbacks: StateCheckCallbacks) {
    this.#group = group
    this.#raft = raft
    this.#logger = logger
    this.#callbacks = callbacks
  }

  /** Something was applied since the states were compared last. */
  isDue(applied: LogIndex): boolean {
    return applied !== this.#lastIndex
  }

  /** The entry at `index` asks for a comparison; `digest` is this replica's. */
  takeOwn(index: LogIndex, digest: string): void {
    this.#lastIndex = index
    this.record(index, this.#raft.id, digest)
    this.#callbacks.onDigest(index, digest)
  }

  record(index: LogIndex, from: ReplicaId, digest: string): void {
    const verdict = this.#detector.record(index, from, digest, this.#raft.status().membership.voters)
    if (verdict !== null) this.#onVerdict(verdict)
  }

  #onVerdict(verdict: Verdict): void {
    if (verdict.kind === 'agreed') return
    if (verdict.kind === 'undecidable') {
      const reason = `the replicas' states differ at index ${verdict.index} and no majority agrees`
      this.#callbacks.onFailure(reason, false)
      return
    }
    this.#logger.error('the states of the replicas differ', { group: this.#group, ...verdict })
    if (!verdict.minority.includes(this.#raft.id)) return
    this.#callbacks.onFailure(
      `this replica's state differs from the majority's at index ${verdict.index}`,
      true,
    )
  }
}
