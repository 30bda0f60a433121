/** MEMORY USAGE: the bytes that a key's records have in the engine, before it compresses them. */
import type { ByteString } from '../base/bytes.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts'
import { parseInteger } from './integers.ts'
import { hashHeader, NO_EXPIRY, recordExpireMs, recordType, ValueType } from './record.ts'
import { memberRange } from './record-keys.ts'
import type { ErrorReply, Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'

/** As many members are weighed as in Redis; `SAMPLES 0` weighs up to this many. */
const SAMPLES_DEFAULT = 5
const SAMPLES_MAX = 100_000
const TRAILER_BYTES = 8
const INDEX_HEADER_BYTES = 11

export function memoryUsage(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const samples = readSamples(args)
  if (typeof samples !== 'number') return samples
  const entry = transaction.open(args[2] as ByteString)
  if (entry === undefined) return undefined
  if (entry.live === null) return null
  let bytes = entry.recordKey.length + entry.live.length + TRAILER_BYTES
  if (recordExpireMs(entry.live) !== NO_EXPIRY) bytes += INDEX_HEADER_BYTES + entry.key.length
  if (recordType(entry.live) !== ValueType.hash) return bytes
  const { version, count } = hashHeader(entry.live)
  const members = transaction.range(memberRange(entry.slot, version, samples))
  if (members === undefined) return undefined
  let weighed = 0
  for (const { key, value } of members) weighed += key.length + value.length
  return bytes + Math.round((weighed / members.length) * count)
}

function readSamples(args: readonly ByteString[]): number | ErrorReply {
  let samples = SAMPLES_DEFAULT
  for (let index = 3; index < args.length; index += 2) {
    const value = args[index + 1]
    if ((args[index] as ByteString).toLowerCase() !== 'samples' || value === undefined) return SYNTAX_ERROR
    const parsed = parseInteger(value)
    if (parsed === null) return NOT_AN_INTEGER
    if (parsed < 0) return SYNTAX_ERROR
    samples = parsed === 0 ? SAMPLES_MAX : Number(parsed)
  }
  return Math.min(samples, SAMPLES_MAX)
}
