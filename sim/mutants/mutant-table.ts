/**
 * Bugs that real systems had, and that reviews of this one found, each re-created in as few
 * characters as possible. The simulator is worth what it is worth only as long as its general
 * checkers kill them all. Which were killed, by what, is in kills.json; the others count as alive.
 *
 * Not here yet, because the part that could have the bug does not exist; to be added with it:
 *
 *   leases          served under pause or drift (tikv#964, etcd#20418); outliving a merge or a
 *                   migration (tikv#8034); an end that regresses across terms (cockroach#133764)
 *   splits, merges  a read before the split served after it (tikv#1682)
 *   migration       a shard that loses writes while it moves (Jepsen Dgraph 1.1.1); sessions that
 *                   stay behind; a source that deletes before the target is durable
 *   hibernation     an idle group that loses its leader and does not notice (tikv#14547)
 */
import { FORWARDING_MUTANTS } from './forwarding.ts'
import { KV_MUTANTS } from './kv.ts'
import type { Mutant } from './mutant.ts'
import { ELECTION_MUTANTS } from './raft-election.ts'
import { MEMBERSHIP_MUTANTS } from './raft-membership.ts'
import { READ_MUTANTS } from './raft-reads.ts'
import { REPLICATION_MUTANTS } from './raft-replication.ts'
import { REPLICA_MUTANTS } from './replica.ts'
import { SERVER_MUTANTS } from './server.ts'
import { SNAPSHOT_MUTANTS } from './snapshots.ts'
import { STORAGE_MUTANTS } from './storage.ts'

export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...READ_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...STORAGE_MUTANTS,
  ...REPLICA_MUTANTS,
  ...SNAPSHOT_MUTANTS,
  ...KV_MUTANTS,
  ...SERVER_MUTANTS,
  ...FORWARDING_MUTANTS,
]
