/** Who votes and who only listens, in joint consensus form (Raft §6; thesis §4.3). */
import type { ReplicaId } from '../base/ids.ts'

export type Membership = {
  /** Sorted, without duplicates, like all lists here. */
  readonly voters: readonly ReplicaId[]
  /** Not empty only in a joint configuration: the old voters, whose majority is needed too. */
  readonly votersOutgoing: readonly ReplicaId[]
  readonly learners: readonly ReplicaId[]
  /** Old voters that become learners when the joint configuration is left. */
  readonly learnersNext: readonly ReplicaId[]
}
