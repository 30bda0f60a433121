/** EXPIRE key seconds [NX | XX | GT | LT] */
import type { KvCommandSpec } from '../command-spec.ts'
import { setKeyExpiry } from '../expire.ts'

export const expireCommand: KvCommandSpec = {
  info: {
    name: 'expire',
    arity: -3,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Lets a key expire after so many seconds.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return setKeyExpiry(transaction, args, { isSeconds: true, isAbsolute: false })
  },
}
