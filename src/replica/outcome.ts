/** How a proposal or a read ends, for whoever asked. */
import type { ReplicaId } from '../base/ids.ts'

export type Failure =
  /** Not executed here; the leader, if known, can be asked. */
  | { readonly kind: 'notLeader'; readonly leader: ReplicaId | null }
  /** Another leader's entry took its place in the log: it was not executed and never will be. */
  | { readonly kind: 'notCommitted' }
  /** It may have been executed or may still be: only a retry under a session is safe. */
  | { readonly kind: 'unknown' }
  /** Too much is waiting; not executed. */
  | { readonly kind: 'overloaded' }
  /** The replica can't apply or log any more; not executed unless it had been logged before. */
  | { readonly kind: 'unhealthy'; readonly reason: string }

/** Exactly one of the two is called, exactly once, never inside the call that hands the responder over. */
export interface Responder<Reply> {
  /** Perhaps before: a read takes long, and goes on for as long as it takes. */
  begun?(): void
  reply(reply: Reply): void
  fail(failure: Failure): void
}
