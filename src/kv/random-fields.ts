/** HRANDFIELD: which fields the seed of the entry, or of the query, decides. */
import type { ByteString } from '../base/bytes.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts'
import { answerMembers, type Member, openHash } from './hashes.ts'
import { parseInteger } from './integers.ts'
import { fieldOfMemberKey, MEMBER_POSITION_END, memberRangeFrom } from './record-keys.ts'
import { EMPTY_ARRAY, error, type Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'
import { LONG_READ_RECORDS } from './whole-range.ts'

const LONG_MAX = 9_223_372_036_854_775_807n
const NOT_A_LONG = error(`ERR value is out of range, value must between -${LONG_MAX} and ${LONG_MAX}`)
const OUT_OF_RANGE = error('ERR value is out of range')
/** Fields of one reply; a negative count repeats them. */
const REPEATED_MAX = 1_048_576
/** Between two turns of a long read. */
const PICKED_PER_CALL = 20_000
const TOO_MANY = error(`ERR at most ${REPEATED_MAX} fields can be asked for at once`)

export function randomFields(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  if (args.length === 2) return oneField(transaction, args[1] as ByteString)
  const count = parseInteger(args[2] as ByteString)
  if (count === null) return NOT_AN_INTEGER
  if (count < -LONG_MAX) return NOT_A_LONG
  const withValues = args.length === 4 && (args[3] as ByteString).toLowerCase() === 'withvalues'
  if (args.length > 3 && !withValues) return SYNTAX_ERROR
  if (withValues && (count < -LONG_MAX / 2n || count > LONG_MAX / 2n)) return OUT_OF_RANGE
  let pick: (() => Reply | undefined) | null = null
  return answerMembers(transaction, args[1] as ByteString, wholeMember, (members) => {
    if (members.length === 0 || count === 0) return EMPTY_ARRAY
    if (count < -REPEATED_MAX) return TOO_MANY
    pick ??= makePick(members, Number(count), makeDraw(transaction.seed), withValues)
    return pick()
  })
}

function oneField(transaction: KvTransaction, key: ByteString): Reply | undefined {
  const hash = openHash(transaction, key)
  if (hash === undefined || 'kind' in hash) return hash
  const draw = makeDraw(transaction.seed)
  if (hash.header === null) return null
  const { slot } = hash.entry
  const { version, count } = hash.header
  if (count < LONG_READ_RECORDS)
    return answerMembers(transaction, key, wholeMember, (members) => (members[draw(count)] as Member)[0])
  // Positions are hashes: about as many members lie behind each. Whoever is last is followed by the first.
  for (const position of [draw(MEMBER_POSITION_END), 0]) {
    const found = transaction.range(memberRangeFrom(slot, version, position, 1))
    if (found === undefined) return undefined
    const [member] = found
    if (member !== undefined) return fieldOfMemberKey(member.key)
  }
  throw new Error(`hash of ${count} fields has none`)
}

function wholeMember(member: Member): Member {
  return member
}

/** Numbers from 0 to below `end`. */
type Draw = (end: number) => number

function makeDraw(seed: number): Draw {
  let state = seed
  return (end) => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * end)
  }
}

/**
 * A negative count repeats members, a positive one takes each at most once. So many for a call, undefined
 * until all are there. `members` belongs to it.
 */
function makePick(
  members: Member[],
  count: number,
  draw: Draw,
  withValues: boolean,
): () => Reply | undefined {
  const isWhole = count >= members.length
  const total = isWhole ? members.length : Math.abs(count)
  const chosen: Member[] = []
  const fields: ByteString[] = []
  return () => {
    const end = Math.min(total, fields.length + PICKED_PER_CALL)
    for (let at = fields.length; at < end; at++) {
      const from = count < 0 || isWhole ? 0 : at
      const other = isWhole ? at : from + draw(members.length - from)
      const member = members[other] as Member
      if (count > 0 && !isWhole) {
        members[other] = members[at] as Member
        members[at] = member
      }
      if (withValues) chosen.push(member)
      fields.push(member[0])
    }
    if (end < total) return undefined
    return withValues ? { kind: 'pairs', entries: chosen } : fields
  }
}
