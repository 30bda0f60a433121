/** SET key value [NX | XX] [GET] [EX s | PX ms | EXAT unix-s | PXAT unix-ms | KEEPTTL] */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { STRING_TOO_LONG, SYNTAX_ERROR } from '../errors.ts'
import { type ExpireUnit, expireUnitOf, parsePositiveExpireMs } from '../expire-time.ts'
import { makeStringRecord, NO_EXPIRY, recordExpireMs } from '../record.ts'
import { type ErrorReply, OK, type Reply } from '../reply.ts'
import { isTooLong, stringOf } from '../strings.ts'
import type { KvTransaction } from '../transaction.ts'

type SetOptions = {
  readonly condition: 'always' | 'ifAbsent' | 'ifPresent'
  readonly answersOld: boolean
  readonly keepsExpiry: boolean
  readonly expireMs: number
}

const PLAIN: SetOptions = { condition: 'always', answersOld: false, keepsExpiry: false, expireMs: NO_EXPIRY }

export const setCommand: KvCommandSpec = {
  info: {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Sets a key to a string, whatever it held before.',
      since: '1.0.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const value = args[2] as ByteString
    const options = args.length === 3 ? PLAIN : parseOptions(args, transaction.timeMs)
    if ('kind' in options) return options
    if (isTooLong(transaction, value.length)) return STRING_TOO_LONG
    return set(transaction, args[1] as ByteString, value, options)
  },
}

function set(
  transaction: KvTransaction,
  key: ByteString,
  value: ByteString,
  options: SetOptions,
): Reply | undefined {
  const entry = transaction.open(key)
  if (entry === undefined) return undefined
  const old = options.answersOld ? stringOf(entry) : null
  if (old !== null && typeof old !== 'string') return old
  const isPresent = entry.live !== null
  if (options.condition === 'ifAbsent' && isPresent) return old
  if (options.condition === 'ifPresent' && !isPresent) return null
  const expireMs = options.keepsExpiry && entry.live !== null ? recordExpireMs(entry.live) : options.expireMs
  transaction.putRecord(entry, makeStringRecord(value, expireMs))
  return options.answersOld ? old : OK
}

function parseOptions(args: readonly ByteString[], timeMs: number): SetOptions | ErrorReply {
  let condition: SetOptions['condition'] = 'always'
  let answersOld = false
  let keepsExpiry = false
  let unitName: string | null = null
  let unit: ExpireUnit | null = null
  let expireText: ByteString = ''
  for (let index = 3; index < args.length; index++) {
    const option = (args[index] as ByteString).toLowerCase()
    const optionUnit = expireUnitOf(option)
    if (option === 'nx' && condition !== 'ifPresent') {
      condition = 'ifAbsent'
    } else if (option === 'xx' && condition !== 'ifAbsent') {
      condition = 'ifPresent'
    } else if (option === 'get') {
      answersOld = true
    } else if (option === 'keepttl' && unit === null) {
      keepsExpiry = true
    } else if (
      optionUnit !== null &&
      !keepsExpiry &&
      (unitName ?? option) === option &&
      index + 1 < args.length
    ) {
      // Naming one unit twice is allowed: the last one counts.
      unitName = option
      unit = optionUnit
      expireText = args[++index] as ByteString
    } else {
      return SYNTAX_ERROR
    }
  }
  if (unit === null) return { condition, answersOld, keepsExpiry, expireMs: NO_EXPIRY }
  const expireMs = parsePositiveExpireMs(expireText, unit, timeMs, 'set')
  if (typeof expireMs !== 'number') return expireMs
  return { condition, answersOld, keepsExpiry, expireMs }
}
