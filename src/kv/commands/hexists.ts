/** HEXISTS key field */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { readField } from '../hashes.ts'

export const hexistsCommand: KvCommandSpec = {
  info: {
    name: 'hexists',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers 1 when the hash has the field, 0 when not.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const value = readField(transaction, args[1] as ByteString, args[2] as ByteString)
    if (typeof value === 'string') return 1
    return value === null ? 0 : value
  },
}
