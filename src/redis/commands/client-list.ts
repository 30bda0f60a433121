/** CLIENT LIST [TYPE type] | [ID id …]: the open connections, one per line. */
import type { ByteString } from '../../base/bytes.ts'
import { SYNTAX_ERROR } from '../../kv/errors.ts'
import { parseInteger } from '../../kv/integers.ts'
import { type ErrorReply, error, type Reply } from '../../kv/reply.ts'
import { lowerCase } from '../lower-case.ts'
import { describeCommand, type RedisCommandSpec } from '../redis-command-spec.ts'
import type { RedisSession } from '../redis-session.ts'
import { clientLine } from './client-line.ts'

const INVALID_ID = error('ERR Invalid client ID')

export const CLIENT_LIST: RedisCommandSpec = {
  info: describeCommand({
    name: 'client|list',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    since: '2.4.0',
    summary: 'Lists the open connections, one per line.',
    complexity: 'O(N) where N is the number of connections',
  }),
  run: (_session, args, server) => {
    const isWanted = readFilter(args)
    if (typeof isWanted !== 'function') return isWanted
    let text = ''
    for (const session of server.sessions()) {
      if (isWanted(session)) text += clientLine(session, server.monotonicMs())
    }
    return { kind: 'verbatim', format: 'txt', text } satisfies Reply
  },
}

type Filter = (session: RedisSession) => boolean

function readFilter(args: readonly ByteString[]): Filter | ErrorReply {
  if (args.length === 2) return () => true
  const option = lowerCase(args[2] as ByteString)
  if (option === 'type' && args.length === 4) {
    const type = clientType(args[3] as ByteString)
    return type.kind === 'error' ? type : () => type.isNormal
  }
  if (option !== 'id' || args.length < 4) return SYNTAX_ERROR
  const ids = new Set<number>()
  for (const text of args.slice(3)) {
    const id = parseInteger(text)
    if (id === null) return INVALID_ID
    ids.add(Number(id))
  }
  return (session) => ids.has(session.id)
}

type ClientType = { readonly kind: 'type'; readonly isNormal: boolean }

/** All of ours are normal: peers don't speak RESP. */
export function clientType(text: ByteString): ClientType | ErrorReply {
  const type = lowerCase(text)
  if (type === 'normal') return { kind: 'type', isNormal: true }
  const isOther = type === 'master' || type === 'replica' || type === 'slave' || type === 'pubsub'
  return isOther ? { kind: 'type', isNormal: false } : error(`ERR Unknown client type '${text}'`)
}
