/** PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] */
import type { KvCommandSpec } from '../command-spec.ts'
import { setKeyExpiry } from '../expire.ts'

export const pexpireatCommand: KvCommandSpec = {
  info: {
    name: 'pexpireat',
    arity: -3,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Lets a key expire at a Unix time in milliseconds.',
      since: '2.6.0',
      group: 'generic',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return setKeyExpiry(transaction, args, { isSeconds: false, isAbsolute: true })
  },
}
