/** INCR key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { incrementString } from '../strings.ts'

export const incrCommand: KvCommandSpec = {
  info: {
    name: 'incr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Adds one to the integer in a string value, which begins at 0.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    return incrementString(transaction, args[1] as ByteString, 1)
  },
}
