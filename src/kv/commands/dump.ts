/** DUMP key */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { dumpHash, dumpString } from '../dump/dump-writer.ts'
import { STRING_TOO_LONG } from '../errors.ts'
import { memberOf, readMemberRange, TOO_MANY_FIELDS } from '../hashes.ts'
import { hashHeader, recordType, stringValue, ValueType } from '../record.ts'
import { isTooLong } from '../strings.ts'

export const dumpCommand: KvCommandSpec = {
  info: {
    name: 'dump',
    arity: 2,
    flags: ['readonly'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace'],
    docs: {
      summary: 'Answers a value in a form that RESTORE reads, here and in Redis.',
      since: '2.6.0',
      group: 'generic',
      complexity: 'O(N) in the size of the value',
    },
  },
  execute(transaction, args) {
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    if (entry.live === null) return null
    if (recordType(entry.live) === ValueType.string) return dumpString(stringValue(entry.live))
    const records = readMemberRange(transaction, entry.slot, hashHeader(entry.live))
    if (records === undefined) return undefined
    if (records === null) return TOO_MANY_FIELDS
    const bytes = records.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
    return isTooLong(transaction, bytes) ? STRING_TOO_LONG : dumpHash(records.map(memberOf))
  },
}
