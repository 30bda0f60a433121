/** GET key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { stringOf } from '../strings.ts'

export const getCommand: KvCommandSpec = {
  info: {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the value of a string key.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    return entry === undefined ? undefined : stringOf(entry)
  },
}
