/** STRLEN key */

import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { WRONG_TYPE } from '../errors.ts'
import { recordType, stringLength, ValueType } from '../record.ts'

export const strlenCommand: KvCommandSpec = {
  info: {
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the length of a string value in bytes.',
      since: '2.2.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    if (entry.live === null) return 0
    return recordType(entry.live) === ValueType.string ? stringLength(entry.live) : WRONG_TYPE
  },
}
