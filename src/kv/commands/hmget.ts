/** HMGET key field [field …] */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { readFields } from '../hashes.ts'

export const hmgetCommand: KvCommandSpec = {
  info: {
    name: 'hmget',
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers the values of several fields.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(N) in the number of fields',
    },
  },
  execute(transaction, args) {
    return readFields(transaction, args[1] as ByteString, args.slice(2))
  },
}
