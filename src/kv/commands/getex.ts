/** GETEX key [EX s | PX ms | EXAT unix-s | PXAT unix-ms | PERSIST] */
import type { ByteString } from '../../base/bytes.ts'
import type { KvCommandSpec } from '../command-spec.ts'
import { SYNTAX_ERROR } from '../errors.ts'
import { type ExpireUnit, expireUnitOf, parsePositiveExpireMs } from '../expire-time.ts'
import { NO_EXPIRY, recordExpireMs, withExpiry } from '../record.ts'
import type { ErrorReply } from '../reply.ts'
import { stringOf } from '../strings.ts'

type GetexOptions = {
  readonly persists: boolean
  readonly unit: ExpireUnit | null
  readonly expireText: ByteString
}

export const getexCommand: KvCommandSpec = {
  info: {
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 1, step: 1 },
    categories: ['@string'],
    docs: {
      summary: 'Answers the value of a string key and changes its expiry.',
      since: '6.2.0',
      group: 'string',
      complexity: 'O(1)',
    },
  },
  execute(transaction, args) {
    const options = parseOptions(args)
    if ('kind' in options) return options
    const entry = transaction.open(args[1] as ByteString)
    if (entry === undefined) return undefined
    const value = stringOf(entry)
    if (typeof value !== 'string' || entry.live === null) return value
    if (options.unit !== null) {
      const expireMs = parsePositiveExpireMs(options.expireText, options.unit, transaction.timeMs, 'getex')
      if (typeof expireMs !== 'number') return expireMs
      if (expireMs <= transaction.timeMs) transaction.removeRecord(entry)
      else transaction.putRecord(entry, withExpiry(entry.live, expireMs))
    } else if (options.persists && recordExpireMs(entry.live) !== NO_EXPIRY) {
      // Without an expiry nothing changes, and nobody who watches the key is disturbed.
      transaction.putRecord(entry, withExpiry(entry.live, NO_EXPIRY))
    }
    return value
  },
}

function parseOptions(args: readonly ByteString[]): GetexOptions | ErrorReply {
  let persists = false
  let unitName: string | null = null
  let unit: ExpireUnit | null = null
  let expireText: ByteString = ''
  for (let index = 2; index < args.length; index++) {
    const option = (args[index] as ByteString).toLowerCase()
    const optionUnit = expireUnitOf(option)
    if (option === 'persist' && unit === null) {
      persists = true
    } else if (
      optionUnit !== null &&
      !persists &&
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
  return { persists, unit, expireText }
}
