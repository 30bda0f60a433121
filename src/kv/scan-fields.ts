/** HSCAN: a walk over the members of a hash in the order of their hashes, as SCAN walks over keys. */
import type { ByteString } from '../base/bytes.ts'
import { INVALID_CURSOR } from './errors.ts'
import { matchesGlob } from './glob.ts'
import { memberOf, openHash } from './hashes.ts'
import { fieldOfMemberKey, MEMBER_POSITION_END, memberRangeFrom, positionOfMember } from './record-keys.ts'
import { EMPTY_ARRAY, type Reply } from './reply.ts'
import { parseCursor, parseScanOptions, readPositions } from './scan.ts'
import type { KvTransaction } from './transaction.ts'

export function scanFields(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  const cursor = parseCursor(args[2] as ByteString)
  if (cursor === null) return INVALID_CURSOR
  const hash = openHash(transaction, args[1] as ByteString)
  if (hash === undefined || 'kind' in hash) return hash
  if (hash.header === null) return ['0', EMPTY_ARRAY]
  const options = parseScanOptions(args, 3, 'fields')
  if ('kind' in options) return options
  if (cursor >= MEMBER_POSITION_END) return ['0', EMPTY_ARRAY]
  const { entry, header } = hash
  const page = readPositions(transaction, options.count, positionOfMember, (limit) =>
    memberRangeFrom(entry.slot, header.version, cursor, limit),
  )
  if (page === undefined) return undefined
  const { pattern } = options
  const wanted = page.records.filter(
    ({ key }) => pattern === null || matchesGlob(pattern, fieldOfMemberKey(key)),
  )
  const answer = options.withValues
    ? wanted.flatMap(memberOf)
    : wanted.map(({ key }) => fieldOfMemberKey(key))
  return [String(page.next ?? 0), answer]
}
