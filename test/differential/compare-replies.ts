/** When two servers' replies to one call say the same. */
import { isDeepStrictEqual } from 'node:util'
import type { Call } from './random-commands.ts'
import { isError, type WireReply } from './resp-reply.ts'

/** Both servers read their own clocks, at moments a little apart. Expiries differ by 100 s or more. */
const TOLERANCE_MS = 10_000

const UNORDERED: ReadonlySet<string> = new Set(['keys', 'hkeys', 'hvals'])
const UNORDERED_PAIRS: ReadonlySet<string> = new Set(['hgetall'])
/** Which fields, is chance; how many, is not. */
const RANDOM: ReadonlySet<string> = new Set(['randomkey', 'hrandfield'])
/** What Redis answers depends on how a value came about; that there is one does not. */
const ABOUT_VALUES: ReadonlySet<string> = new Set(['object', 'memory', 'dump'])
const TIMES: ReadonlyMap<string, number> = new Map([
  ['ttl', 1000],
  ['expiretime', 1000],
  ['pttl', 1],
  ['pexpiretime', 1],
])

/** `queued`: what an EXEC answers for. */
export function sameReply(
  call: Call,
  left: WireReply,
  right: WireReply,
  queued: readonly Call[] = [],
): boolean {
  const name = (call[0] as string).toLowerCase()
  const unitMs = TIMES.get(name)
  if (unitMs !== undefined && isTime(left) && isTime(right)) {
    return Math.abs(Number(left.text) - Number(right.text)) * unitMs <= TOLERANCE_MS
  }
  if (name === 'hello') return !isError(left) && !isError(right)
  if (name === 'exec' && isQueue(left) && isQueue(right)) return sameQueue(queued, left, right)
  // Redis counts the memory of a key that has expired and is not removed yet; here it is gone at once.
  if (name === 'memory' && left.type === ':' && isNil(right)) return true
  const isLoose = RANDOM.has(name) || ABOUT_VALUES.has(name)
  if (isLoose && !isError(left) && !isError(right)) return shapeOf(left) === shapeOf(right)
  return isDeepStrictEqual(ordered(name, left), ordered(name, right))
}

// -1 (no expiry) and -2 (no key) must be equal exactly.
function isTime(reply: WireReply): reply is WireReply & { readonly text: string } {
  return reply.type === ':' && 'text' in reply && Number(reply.text) >= 0
}

type Queue = WireReply & { readonly members: readonly WireReply[] }

function isQueue(reply: WireReply): reply is Queue {
  return 'members' in reply
}

function sameQueue(queued: readonly Call[], left: Queue, right: Queue): boolean {
  if (left.members.length !== right.members.length || left.type !== right.type) return false
  return left.members.every((reply, at) =>
    sameReply(queued[at] ?? [''], reply, right.members[at] as WireReply),
  )
}

/** Nil, a string, a number, or so many elements of some shape. */
function shapeOf(reply: WireReply): string {
  if (isNil(reply)) return 'nil'
  if ('members' in reply) return `${reply.type}${reply.members.map(shapeOf).join()};`
  return reply.type
}

function isNil(reply: WireReply): boolean {
  return reply.type === '_' || ('text' in reply && reply.text === null)
}

function ordered(name: string, reply: WireReply): WireReply {
  if (!('members' in reply)) return isError(reply) ? cutAtNul(reply) : reply
  if (name === 'hscan') {
    return {
      type: reply.type,
      members: [reply.members[0] as WireReply, ordered('hgetall', reply.members[1] as WireReply)],
    }
  }
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
