/** SORT and SORT_RO, for the types that exist here: none of them can be sorted. */
import type { ByteString } from '../base/bytes.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR, WRONG_TYPE } from './errors.ts'
import { parseInteger } from './integers.ts'
import { EMPTY_ARRAY, type ErrorReply, type Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'

/** What is missing is an empty list, also when it is stored: then the destination vanishes. */
export function sortKey(
  transaction: KvTransaction,
  args: readonly ByteString[],
  mayStore: boolean,
): Reply | undefined {
  const destination = readDestination(args, mayStore)
  if (destination !== null && typeof destination !== 'string') return destination
  const keys = destination === null ? [args[1] as ByteString] : [args[1] as ByteString, destination]
  const entries = transaction.openAll(keys)
  if (entries === undefined) return undefined
  const [source, target] = entries
  if (source !== undefined && source.live !== null) return WRONG_TYPE
  if (target === undefined) return EMPTY_ARRAY
  transaction.removeRecord(target)
  return 0
}

function readDestination(args: readonly ByteString[], mayStore: boolean): ByteString | null | ErrorReply {
  let destination: ByteString | null = null
  for (let index = 2; index < args.length; index++) {
    const option = (args[index] as ByteString).toLowerCase()
    const following = args.length - index - 1
    if (option === 'asc' || option === 'desc' || option === 'alpha') continue
    if (option === 'limit' && following >= 2) {
      const isNumber = parseInteger(args[index + 1] as ByteString) !== null
      if (!isNumber || parseInteger(args[index + 2] as ByteString) === null) return NOT_AN_INTEGER
      index += 2
    } else if (option === 'store' && following >= 1 && mayStore) {
      destination = args[++index] as ByteString
    } else if ((option === 'by' || option === 'get') && following >= 1) {
      index++
    } else {
      return SYNTAX_ERROR
    }
  }
  return destination
}
