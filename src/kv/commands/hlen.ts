/** HLEN key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { openHash } from '../hashes.ts'

export const hlenCommand: KvCommandSpec = {
  info: {
    name: 'hlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@hash'],
    docs: {
      summary: 'Answers the number of fields.',
      since: '2.0.0',
      group: 'hash',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const hash = openHash(transaction, args[1] as ByteString)
    if (hash === undefined || 'kind' in hash) return hash
    return hash.header === null ? 0 : hash.header.count
  },
}
