/** PERSIST key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NO_EXPIRY, recordExpireMs, withExpiry } from '../record.ts'

export const persistCommand: KvCommandSpec = {
  info: {
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Takes the expiry off a key.',
      since: '2.2.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    if (entry.live === null || recordExpireMs(entry.live) === NO_EXPIRY) return 0
    transaction.putRecord(entry, withExpiry(entry.live, NO_EXPIRY))
    return 1
  },
}
