/** EXPIRETIME key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { NEVER_EXPIRES, NO_SUCH_KEY } from '../expire.ts'
import { NO_EXPIRY, recordExpireMs } from '../record.ts'

export const expiretimeCommand: KvCommandSpec = {
  info: {
    name: 'expiretime',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary:
        'Answers the Unix time in seconds at which a key expires; -1: never, -2: there is no such key.',
      since: '7.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    if (entry.live === null) return NO_SUCH_KEY
    const expireMs = recordExpireMs(entry.live)
    return expireMs === NO_EXPIRY ? NEVER_EXPIRES : Math.floor((expireMs + 500) / 1000)
  },
}
