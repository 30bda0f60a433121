/** When two servers' replies to one call say the same. */
import { isDeepStrictEqual } from 'node:util'
import type { Call } from './random-commands.ts'
import { isError, type WireReply } from './resp-reply.ts'

/** Both servers read their own clocks, at moments a little apart. Expiries differ by 100 s or more. */
const TOLERANCE_MS = 10_000

const UNORDERED: ReadonlySet<string> = new Set(['keys', 'hkeys', 'hvals'])
const UNORDERED_PAIRS: ReadonlySet<string> = new Set(['hgetall'])
const TIMES: ReadonlyMap<string, number> = new Map([
  ['ttl', 1000],
  ['expiretime', 1000],
  ['pttl', 1],
  ['pexpiretime', 1],
])

export function sameReply(call: Call, left: WireReply, right: WireReply): boolean {
  const name = (call[0] as string).toLowerCase()
  const unitMs = TIMES.get(name)
  if (unitMs !== undefined && isTime(left) && isTime(right)) {
    return Math.abs(Number(left.text) - Number(right.text)) * unitMs <= TOLERANCE_MS
  }
  if (name === 'randomkey' && !isError(left) && !isError(right)) return isNil(left) === isNil(right)
  return isDeepStrictEqual(ordered(name, left), ordered(name, right))
}

// -1 (no expiry) and -2 (no key) must be equal exactly.
function isTime(reply: WireReply): reply is WireReply & { readonly text: string } {
  return reply.type === ':' && 'text' in reply && Number(reply.text) >= 0
}

function isNil(reply: WireReply): boolean {
  return reply.type === '_' || ('text' in reply && reply.text === null)
}

function ordered(name: string, reply: WireReply): WireReply {
  if (!('members' in reply)) return isError(reply) ? cutAtNul(reply) : reply
  if (UNORDERED.has(name)) return { type: reply.type, members: [...reply.members].sort(byText) }
  if (!UNORDERED_PAIRS.has(name)) return reply
  const pairs = reply.members.flatMap((field, index) =>
    index % 2 === 0 ? [[field, reply.members[index + 1]]] : [],
  )
  pairs.sort((one, other) => byText(one[0] as WireReply, other[0] as WireReply))
  return { type: reply.type, members: pairs.flat() as WireReply[] }
}

// Redis prints errors with C strings: what it quotes ends at a NUL. Ours is quoted whole.
function cutAtNul(reply: WireReply & { readonly text: string | null }): WireReply {
  return { type: reply.type, text: (reply.text ?? '').split('\0', 1)[0] ?? '' }
}

function byText(one: WireReply, other: WireReply): number {
  const [left, right] = [JSON.stringify(one), JSON.stringify(other)]
  return left === right ? 0 : left < right ? -1 : 1
}
