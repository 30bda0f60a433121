/** CLIENT KILL address | option value …: closes connections. An option that is wrong closes none. */
import type { ByteString } from '../../base/bytes.ts'
import { SYNTAX_ERROR } from '../../kv/errors.ts'
import { parseInteger } from '../../kv/integers.ts'
import { type ErrorReply, error, OK } from '../../kv/reply.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import { DEFAULT_USER, type RedisSession } from '../redis-session.ts'
import type { ServerFacts } from '../server-facts.ts'
import { clientType } from './client-list.ts'

const NO_SUCH_CLIENT = error('ERR No such client')
const BAD_ID = error('ERR client-id should be greater than 0')

export const CLIENT_KILL: RedisCommandSpec = {
  info: describeCommand({
    name: 'client|kill',
    arity: -3,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    since: '2.4.0',
    summary: 'Closes connections.',
    complexity: 'O(N) where N is the number of connections',
  }),
  run: (session, args, server) => {
    if (args.length === 3) {
      const address = args[2] as ByteString
      return kill(session, server, (other) => other.remoteAddress === address) === 0 ? NO_SUCH_CLIENT : OK
    }
    const filter = readFilters(args)
    if ('kind' in filter) return filter
    return kill(session, server, (other) => {
      if (filter.skipsCaller && other === session) return false
      return filter.conditions.every((holds) => holds(other))
    })
  },
}

/** How many were closed. The caller's own connection gets its reply first. */
function kill(
  caller: RedisSession,
  server: ServerFacts,
  isWanted: (session: RedisSession) => boolean,
): number {
  const victims = [...server.sessions()].filter(isWanted)
  for (const victim of victims) {
    if (victim === caller) caller.closesAfterReply = true
    else server.closeSession(victim.id)
  }
  return victims.length
}

type Condition = (session: RedisSession) => boolean
type KillFilter = { readonly skipsCaller: boolean; readonly conditions: readonly Condition[] }

function readFilters(args: readonly ByteString[]): KillFilter | ErrorReply {
  const conditions: Condition[] = []
  let skipsCaller = true
  for (let index = 2; index < args.length; index += 2) {
    const value = args[index + 1]
    if (value === undefined) return SYNTAX_ERROR
    const option = lowerCase(args[index] as ByteString)
    if (option === 'skipme') {
      const answer = lowerCase(value)
      if (answer !== 'yes' && answer !== 'no') return SYNTAX_ERROR
      skipsCaller = answer === 'yes'
    } else {
      const condition = readCondition(option, value)
      if (typeof condition !== 'function') return condition
      conditions.push(condition)
    }
  }
  return { skipsCaller, conditions }
}

function readCondition(option: string, value: ByteString): Condition | ErrorReply {
  if (option === 'id') {
    const id = parseInteger(value)
    return id === null || id < 1 ? BAD_ID : (session) => session.id === Number(id)
  }
  if (option === 'addr') return (session) => session.remoteAddress === value
  if (option === 'laddr') return (session) => session.localAddress === value
  if (option === 'user') {
    if (value !== DEFAULT_USER) return error(`ERR No such user '${value}'`)
    return (session) => session.user === value
  }
  if (option !== 'type') return SYNTAX_ERROR
  const type = clientType(value)
  return type.kind === 'error' ? type : () => type.isNormal
}
