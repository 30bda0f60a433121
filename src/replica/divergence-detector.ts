/**
 * Compares the digests that the replicas of a group computed after the same log entry.
 *
 * Replicas are deterministic, so unequal digests at one index mean that a disk, a memory or a
 * program lied. Who disagrees with a majority of all voters is wrong; without such a majority
 * nobody can tell.
 */
import type { ReplicaId } from '../base/ids.ts'
import type { LogIndex } from '../base/log-entry.ts'

export type Verdict =
  | { readonly kind: 'agreed'; readonly index: LogIndex }
  | { readonly kind: 'diverged'; readonly index: LogIndex; readonly minority: readonly ReplicaId[] }
  | { readonly kind: 'undecidable'; readonly index: LogIndex }

/** Comparisons under way at once; older ones are forgotten (a replica that is far behind answers late). */
const OPEN_CHECKS_MAX = 8

export class DivergenceDetector {
  readonly #checks = new Map<LogIndex, Map<ReplicaId, string>>()

  /** Null until a verdict is possible: all voters agreed, or some differ and enough have spoken. */
  record(index: LogIndex, from: ReplicaId, digest: string, voters: readonly ReplicaId[]): Verdict | null {
    // A replica that is being filled does not know the voters yet.
    const digests = voters.length === 0 ? null : this.#open(index)
    if (digests === null) return null
    digests.set(from, digest)
    const majority = Math.floor(voters.length / 2) + 1
    if (digests.size < majority) return null
    const counts = new Map<string, number>()
    for (const voter of voters) {
      const said = digests.get(voter)
      if (said !== undefined) counts.set(said, (counts.get(said) ?? 0) + 1)
    }
    const winner = [...counts].find(([, count]) => count >= majority)?.[0]
    const isComplete = voters.every((voter) => digests.has(voter))
    if (winner === undefined) return isComplete ? { kind: 'undecidable', index } : null
    const minority = [...digests].filter(([, said]) => said !== winner).map(([replica]) => replica)
    if (minority.length > 0) return { kind: 'diverged', index, minority: minority.sort((a, b) => a - b) }
    if (!isComplete) return null
    this.#checks.delete(index)
    return { kind: 'agreed', index }
  }

  #open(index: LogIndex): Map<ReplicaId, string> | null {
    const known = this.#checks.get(index)
    if (known !== undefined) return known
    if (this.#checks.size >= OPEN_CHECKS_MAX) {
      const oldest = Math.min(...this.#checks.keys()) as LogIndex
      if (oldest > index) return null
      this.#checks.delete(oldest)
    }
    const digests = new Map<ReplicaId, string>()
    this.#checks.set(index, digests)
    return digests
  }
}
