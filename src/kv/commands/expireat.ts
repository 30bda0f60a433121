/** EXPIREAT key unix-time-seconds [NX | XX | GT | LT] */
import type { KvCommandSpec } from '../command-spec.ts'
import { setKeyExpiry } from '../expire.ts'

export const expireatCommand: KvCommandSpec = {
  info: {
    name: 'expireat',
    arity: -3,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Lets a key expire at a Unix time in seconds.',
      since: '1.2.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return setKeyExpiry(transaction, args, { isSeconds: true, isAbsolute: true })
  },
}
