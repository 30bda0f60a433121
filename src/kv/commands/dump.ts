/** DUMP key */
import type { ByteString } from '../../base/bytes.ts'
import type { KeyValue } from '../../base/machine.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { DumpWriter, RdbType } from '../dump/dump-writer.ts'
import { STRING_TOO_LONG } from '../errors.ts'
import { memberOf } from '../hashes.ts'
import { type HashHeader, hashHeader, recordType, stringValue, ValueType } from '../record.ts'
import { memberRange } from '../record-keys.ts'
import type { Reply } from '../reply.ts'
import { isTooLong } from '../strings.ts'
import type { KvTransaction } from '../transaction.ts'
import { answerInParts, answerRange } from '../whole-range.ts'

/** The checksum of more than this takes too long for one turn. */
const LONG_VALUE_BYTES = 512 * 1024

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
    if (recordType(entry.live) === ValueType.string) return dumpString(transaction, stringValue(entry.live))
    return dumpHash(transaction, entry.slot, hashHeader(entry.live))
  },
}

function dumpString(transaction: KvTransaction, value: ByteString): Reply | undefined {
  const writer = new DumpWriter(RdbType.string)
  writer.addString(value)
  return answerInParts(transaction, value.length > LONG_VALUE_BYTES, () => writer.finish())
}

function dumpHash(
  transaction: KvTransaction,
  slot: number,
  { version, count }: HashHeader,
): Reply | undefined {
  const writer = new DumpWriter(RdbType.hash)
  writer.addCount(count)
  const take = (record: KeyValue): void => {
    if (isTooLong(transaction, writer.bytes)) return
    for (const bytes of memberOf(record)) writer.addString(bytes)
  }
  const finish = (): Reply | undefined =>
    isTooLong(transaction, writer.bytes) ? STRING_TOO_LONG : writer.finish()
  return answerRange(transaction, memberRange(slot, version, 1), count, take, finish)
}
