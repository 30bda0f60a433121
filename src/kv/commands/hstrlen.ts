/** HSTRLEN key field */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { readField } from '../hashes.ts'

export const hstrlenCommand: KvCommandSpec = {
  info: {
    name: 'hstrlen',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers the length of the value of a field in bytes.',
      since: '3.2.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const value = readField(transaction, args[1] as ByteString, args[2] as ByteString)
    if (typeof value === 'string') return value.length
    return value === null ? 0 : value
  },
}
