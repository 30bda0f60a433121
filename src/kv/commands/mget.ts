/** MGET key [key …] */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { isLongRead, recordKeysOf } from '../generic.ts'
import { recordType, stringValue, ValueType } from '../record.ts'
import type { Reply } from '../reply.ts'
import { stringOf } from '../strings.ts'
import { walkKeys } from '../whole-range.ts'

export const mgetCommand: KvCommandSpec = {
  info: {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: { first: 1, last: -1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the values of several string keys at once.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(N) in the number of keys',
    },
  },
  execute(transaction, args) {
    const values: Reply[] = []
    if (isLongRead(transaction, args)) {
      const take = (stored: ByteString | null): void => {
        const record = transaction.visibleRecord(stored)
        values.push(record !== null && recordType(record) === ValueType.string ? stringValue(record) : null)
      }
      return walkKeys(transaction, recordKeysOf(args), take, () => values)
    }
    const entries = transaction.openAll(args.slice(1))
    if (entries === undefined) return undefined
    for (const entry of entries) {
      const value = stringOf(entry)
      values.push(typeof value === 'string' ? value : null)
    }
    return values
  },
}
