/** KEYS pattern */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { allKeys } from '../scan.ts'

export const keysCommand: KvCommandSpec = {
  info: {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    keys: null,
    categories: ['@keyspace', '@dangerous'],
    docs: {
      summary: 'Answers every key that matches a pattern. Reads all keys: SCAN is kinder.',
      since: '1.0.0',
      group: 'generic',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    return allKeys(transaction, args[1] as ByteString)
  },
}
