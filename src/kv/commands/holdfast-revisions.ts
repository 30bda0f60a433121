/**
 * HOLDFAST.REVISIONS key [key …]
 *
 * For gateways, which remember what WATCH is told: the revision of each key, null for one that has
 * none because it doesn't exist; HOLDFAST.WATCH gives it one.
 */
import type { KvCommandSpec } from '../command-spec.ts'
import { NO_EXPIRY } from '../record.ts'

export const holdfastRevisionsCommand: KvCommandSpec = {
  info: {
    name: 'holdfast.revisions',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'The revisions of keys, for gateways that watch them.',
      since: '7.0.0',
      group: 'transactions',
      complexity: 'O(N) where N is the number of keys',
    },
  },
  execute(transaction, args) {
    const entries = transaction.openAll(args.slice(1))
    return entries?.map((entry) => {
      if (entry.live !== null) return entry.revision
      const isTraced = entry.traceExpireMs !== NO_EXPIRY && !transaction.isTraceOld(entry)
      return isTraced ? entry.revision : null
    })
  },
}
