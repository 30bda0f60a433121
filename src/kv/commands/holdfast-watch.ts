/**
 * HOLDFAST.WATCH key [key …]
 *
 * HOLDFAST.REVISIONS that gives a key that doesn't exist a revision: a trace of it is kept, so that
 * its being made, and deleted again, does not go unnoticed.
 */
import type { KvCommandSpec } from '../command-spec.ts'

export const holdfastWatchCommand: KvCommandSpec = {
  info: {
    name: 'holdfast.watch',
    arity: -2,
    flags: ['write', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'The revisions of keys, also of those that do not exist, for gateways that watch them.',
      since: '7.0.0',
      group: 'transactions',
      complexity: 'O(N) where N is the number of keys',
    },
  },
  execute(transaction, args) {
    const entries = transaction.openAll(args.slice(1))
    if (entries === undefined) return undefined
    // Before anything is written: a trace needs it.
    if (transaction.lastRevision() === undefined) return undefined
    const revisions = new Map<unknown, number>()
    for (const entry of new Set(entries)) {
      revisions.set(entry, entry.live === null ? (transaction.trace(entry) as number) : entry.revision)
    }
    return entries.map((entry) => revisions.get(entry) as number)
  },
}
