/** GETDEL key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { stringOf } from '../strings.ts'

export const getdelCommand: KvCommandSpec = {
  info: {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the value of a string key and deletes the key.',
      since: '6.2.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const value = stringOf(entry)
    if (typeof value === 'string') transaction.removeRecord(entry)
    return value
  },
}
