/** EXPIRE and its relatives: key time [NX | XX | GT | LT]. */
import type { ByteString } from '../base/bytes.ts'
import { EXPIRE_GT_LT_CONFLICT, EXPIRE_NX_CONFLICT } from './errors.ts'
import { type ExpireUnit, parseExpireMs } from './expire-time.ts'
import { NO_EXPIRY, recordExpireMs, withExpiry } from './record.ts'
import { type ErrorReply, error, type Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'

/** What TTL and its relatives answer. */
export const NEVER_EXPIRES = -1
export const NO_SUCH_KEY = -2

type Conditions = {
  ifNone: boolean
  ifAny: boolean
  ifLater: boolean
  ifEarlier: boolean
}

export function setKeyExpiry(
  transaction: KvTransaction,
  args: readonly ByteString[],
  unit: ExpireUnit,
): Reply | undefined {
  const conditions = parseConditions(args)
  if ('kind' in conditions) return conditions
  const expireMs = parseExpireMs(args[2] as ByteString, unit, transaction.timeMs, args[0] as ByteString)
  if (typeof expireMs !== 'number') return expireMs
  const entry = transaction.open(args[1] as ByteString)
  if (entry === undefined) return undefined
  if (entry.live === null || !conditionsHold(conditions, recordExpireMs(entry.live), expireMs)) return 0
  if (expireMs <= transaction.timeMs) transaction.removeRecord(entry)
  else transaction.putRecord(entry, withExpiry(entry.live, expireMs))
  return 1
}

function parseConditions(args: readonly ByteString[]): Conditions | ErrorReply {
  const conditions: Conditions = { ifNone: false, ifAny: false, ifLater: false, ifEarlier: false }
  for (let index = 3; index < args.length; index++) {
    const option = args[index] as ByteString
    switch (option.toLowerCase()) {
      case 'nx':
        conditions.ifNone = true
        break
      case 'xx':
        conditions.ifAny = true
        break
      case 'gt':
        conditions.ifLater = true
        break
      case 'lt':
        conditions.ifEarlier = true
        break
      default:
        return error(`ERR Unsupported option ${option}`)
    }
  }
  const { ifNone, ifAny, ifLater, ifEarlier } = conditions
  if (ifNone && (ifAny || ifLater || ifEarlier)) return EXPIRE_NX_CONFLICT
  if (ifLater && ifEarlier) return EXPIRE_GT_LT_CONFLICT
  return conditions
}

/** A key without expiry counts as one that expires after every other. */
function conditionsHold(conditions: Conditions, before: number, after: number): boolean {
  const hasExpiry = before !== NO_EXPIRY
  if (conditions.ifNone && hasExpiry) return false
  if (conditions.ifAny && !hasExpiry) return false
  if (conditions.ifLater && (!hasExpiry || after <= before)) return false
  if (conditions.ifEarlier && hasExpiry && after >= before) return false
  return true
}
