/** RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { type DumpedValue, isIntact, readDump } from '../dump/dump-reader.ts'
import { NOT_AN_INTEGER, STRING_TOO_LONG, SYNTAX_ERROR } from '../errors.ts'
import { parseInteger } from '../integers.ts'
import { makeHashRecord, makeMember, makeStringRecord, NO_EXPIRY } from '../record.ts'
import { memberKey, memberPrefix } from '../record-keys.ts'
import { type ErrorReply, error, OK, type Reply } from '../reply.ts'
import { isTooLong } from '../strings.ts'
import type { KeyEntry, KvTransaction } from '../transaction.ts'

const BUSY_KEY = error('BUSYKEY Target key name already exists.')
const BAD_TTL = error('ERR Invalid TTL value, must be >= 0')
const BAD_IDLE_TIME = error('ERR Invalid IDLETIME value, must be >= 0')
const BAD_FREQUENCY = error('ERR Invalid FREQ value, must be >= 0 and <= 255')
const BAD_CHECKSUM = error('ERR DUMP payload version or checksum are wrong')
const BAD_DATA = error('ERR Bad data format')
const FREQUENCY_MAX = 255

export const restoreCommand: KvCommandSpec = {
  info: {
    name: 'restore',
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@keyspace', '@dangerous'],
    docs: {
      summary: 'Makes a key of what DUMP answered, here or in a Redis up to 7.0.',
      since: '2.6.0',
      group: 'generic',
      complexity: 'O(N) in the size of the value',
    },
  },
  execute(transaction, args) {
    const options = readOptions(args)
    if ('kind' in options) return options
    const entry = transaction.open(args[1] as ByteString)
    const version = transaction.lastRevision()
    if (entry === undefined || version === undefined) return undefined
    if (!options.mayReplace && entry.live !== null) return BUSY_KEY
    const expireMs = readExpiry(args[2] as ByteString, options.isAbsolute, transaction.timeMs)
    if (typeof expireMs !== 'number') return expireMs
    const payload = args[3] as ByteString
    if (!isIntact(payload)) return BAD_CHECKSUM
    const value = readDump(payload)
    if (value === null) return BAD_DATA
    if (isAnyTooLong(transaction, value)) return STRING_TOO_LONG
    if (expireMs !== NO_EXPIRY && expireMs <= transaction.timeMs) transaction.removeRecord(entry)
    else put(transaction, entry, value, expireMs)
    return OK satisfies Reply
  },
}

type Options = { readonly mayReplace: boolean; readonly isAbsolute: boolean }

function readOptions(args: readonly ByteString[]): Options | ErrorReply {
  let mayReplace = false
  let isAbsolute = false
  let hasIdleTime = false
  let hasFrequency = false
  for (let index = 4; index < args.length; index++) {
    const option = (args[index] as ByteString).toLowerCase()
    const following = args[index + 1]
    if (option === 'replace') mayReplace = true
    else if (option === 'absttl') isAbsolute = true
    else if (option === 'idletime' && following !== undefined && !hasFrequency) {
      const seconds = parseInteger(following)
      if (seconds === null) return NOT_AN_INTEGER
      if (seconds < 0) return BAD_IDLE_TIME
      hasIdleTime = true
      index++
    } else if (option === 'freq' && following !== undefined && !hasIdleTime) {
      const frequency = parseInteger(following)
      if (frequency === null) return NOT_AN_INTEGER
      if (frequency < 0 || frequency > FREQUENCY_MAX) return BAD_FREQUENCY
      hasFrequency = true
      index++
    } else return SYNTAX_ERROR
  }
  return { mayReplace, isAbsolute }
}

function readExpiry(text: ByteString, isAbsolute: boolean, timeMs: number): number | ErrorReply {
  const ttlMs = parseInteger(text)
  if (ttlMs === null) return NOT_AN_INTEGER
  if (ttlMs < 0) return BAD_TTL
  if (ttlMs === 0) return NO_EXPIRY
  const expireMs = Number(ttlMs) + (isAbsolute ? 0 : timeMs)
  return Number.isSafeInteger(expireMs) ? expireMs : BAD_TTL
}

function isAnyTooLong(transaction: KvTransaction, value: DumpedValue): boolean {
  if (value.kind === 'string') return isTooLong(transaction, value.value.length)
  return [...value.members.values()].some((member) => isTooLong(transaction, member.length))
}

function put(transaction: KvTransaction, entry: KeyEntry, value: DumpedValue, expireMs: number): void {
  if (value.kind === 'string') {
    transaction.putRecord(entry, makeStringRecord(value.value, expireMs))
    return
  }
  // Known by now: it was asked for together with the key.
  const version = transaction.revision() as number
  const prefix = memberPrefix(entry.slot, version)
  for (const [field, text] of value.members) {
    transaction.write(entry.slot, memberKey(prefix, field), makeMember(text))
  }
  transaction.putRecord(entry, makeHashRecord({ version, count: value.members.size }, expireMs))
}
