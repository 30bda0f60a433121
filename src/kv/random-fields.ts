/** HRANDFIELD: which fields the seed of the entry, or of the query, decides. */
import type { ByteString } from '../base/bytes.ts'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts'
import { readMembers } from './hashes.ts'
import { parseInteger } from './integers.ts'
import { EMPTY_ARRAY, error, type Reply } from './reply.ts'
import type { KvTransaction } from './transaction.ts'

const LONG_MAX = 9_223_372_036_854_775_807n
const NOT_A_LONG = error(`ERR value is out of range, value must between -${LONG_MAX} and ${LONG_MAX}`)
const OUT_OF_RANGE = error('ERR value is out of range')
/** Fields of one reply; a negative count repeats them. */
const REPEATED_MAX = 1_048_576
const TOO_MANY = error(`ERR at most ${REPEATED_MAX} fields can be asked for at once`)

export function randomFields(transaction: KvTransaction, args: readonly ByteString[]): Reply | undefined {
  if (args.length === 2) return oneField(transaction, args[1] as ByteString)
  const count = parseInteger(args[2] as ByteString)
  if (count === null) return NOT_AN_INTEGER
  if (count < -LONG_MAX) return NOT_A_LONG
  const withValues = args.length === 4 && (args[3] as ByteString).toLowerCase() === 'withvalues'
  if (args.length > 3 && !withValues) return SYNTAX_ERROR
  if (withValues && (count < -LONG_MAX / 2n || count > LONG_MAX / 2n)) return OUT_OF_RANGE
  const members = readMembers(transaction, args[1] as ByteString)
  if (members === undefined || 'kind' in members) return members
  if (members.length === 0 || count === 0) return EMPTY_ARRAY
  if (count < -REPEATED_MAX) return TOO_MANY
  const draw = makeDraw(transaction.seed)
  const chosen = count < 0 ? repeat(members, -Number(count), draw) : choose(members, Number(count), draw)
  return withValues ? { kind: 'pairs', entries: chosen } : chosen.map(([field]) => field)
}

function oneField(transaction: KvTransaction, key: ByteString): Reply | undefined {
  const members = readMembers(transaction, key)
  if (members === undefined || 'kind' in members) return members
  return members[makeDraw(transaction.seed)(members.length)]?.[0] ?? null
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

function repeat<Member>(members: readonly Member[], count: number, draw: Draw): readonly Member[] {
  return Array.from({ length: count }, () => members[draw(members.length)] as Member)
}

/** Each at most once. */
function choose<Member>(members: readonly Member[], count: number, draw: Draw): readonly Member[] {
  if (count >= members.length) return members
  const rest = [...members]
  for (let at = 0; at < count; at++) {
    const other = at + draw(rest.length - at)
    const moved = rest[at] as Member
    rest[at] = rest[other] as Member
    rest[other] = moved
  }
  return rest.slice(0, count)
}
