/** HGET key field */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { readField } from '../hashes.ts'

export const hgetCommand: KvCommandSpec = {
  info: {
    name: 'hget',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers the value of a field.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return readField(transaction, args[1] as ByteString, args[2] as ByteString)
  },
}
